/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_LOCK_H
#define NATBRIDGE_LIB_UTIL_LOCK_H

#include "error.h"

/*
 * Locks a directory against other processes (flock), until the descriptor in *lock_fd is closed. Waits a
 * minute at most, then NB_ERR_TRY_AGAIN.
 *
 * The one lock that natbridge takes is that of <bpffs>/natbridge. It guards the pins of every network below
 * it: load and pin of a datapath, and all writes to services[], frontends[], backends[], ports[], links[],
 * endpoints[] and the settings. The programs never wait for it.
 */
int nb_lock_dir(const char *dir, int *lock_fd, struct nb_error *err);

#endif
