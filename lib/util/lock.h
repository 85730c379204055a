/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_LOCK_H
#define NATBRIDGE_LIB_UTIL_LOCK_H

/* The lock between natbridge's processes. */

#include "error.h"

/*
 * Locks a directory against other processes (flock) until the caller closes *lock_fd. Waits for at
 * most 60 s, then fails with NB_ERR_TRY_AGAIN.
 *
 * natbridge takes one lock, that of <bpffs>/natbridge. It guards the pins of all networks: loading
 * and pinning a datapath, and all writes to services[], frontends[], backends[], ports[], links[],
 * endpoints[] and the settings. The eBPF programs never wait for it.
 */
int nb_lock_dir(const char *dir, int *lock_fd, struct nb_error *err);

#endif
