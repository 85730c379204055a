/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_BPFFS_H
#define NATBRIDGE_LIB_DATAPATH_BPFFS_H

/* The file system that pins are in, mounted where there is none. */

#include <stdbool.h>

#include "lib/util/error.h"

/* Whether a path is in a mounted bpffs. */
bool nb_is_bpffs(const char *path);

/*
 * Whether dir is a bpffs, or a place to mount one: an absolute path that leads, symbolic links and ".."
 * resolved, to an empty directory or to nothing. A directory with files is refused, since a mount hides them.
 * Changes nothing.
 */
int nb_bpffs_check(const char *dir, struct nb_error *err);

/* Mounts a bpffs at dir unless it is one; creates dir, but none of its parents. */
int nb_bpffs_ensure(const char *dir, struct nb_error *err);

/* Fails unless dir is a bpffs: for a process whose own mounts others may not see. */
int nb_bpffs_require(const char *dir, struct nb_error *err);

/* Whether nb_bpffs_ensure() can work, and pins can be created there. Changes nothing. */
int nb_bpffs_probe(const char *dir, struct nb_error *err);

#endif
