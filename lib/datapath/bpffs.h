/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_BPFFS_H
#define NATBRIDGE_LIB_DATAPATH_BPFFS_H

/* Where the pins are: the bpffs root and the paths below it. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

/* The root in force: bpffs if not NULL, else $NATBRIDGE_BPFFS if set and not empty, else /sys/fs/bpf. */
const char *nb_bpffs_root(const char *bpffs);

/* Whether a path lies in a mounted bpffs. */
bool nb_is_bpffs(const char *path);

/*
 * Whether root is a bpffs, or a place to mount one: an absolute path that leads, symbolic links and ".."
 * followed, to an empty directory or to nothing. Over files none is mounted, since it would hide them.
 * Changes nothing.
 */
int nb_bpffs_check(const char *root, struct nb_error *err);

/* Mounts a bpffs at root if there is none; makes the last directory of root if it is missing. */
int nb_bpffs_ensure(const char *root, struct nb_error *err);

/* Whether that can work, and pins be made there. Changes nothing. */
int nb_bpffs_probe(const char *root, struct nb_error *err);

/*
 * Writes <root>/natbridge[/<network>[/<last>]] to buf; network and last may be NULL. A dot of the network's
 * name is written as "%2e", which is no character of a network name.
 */
int nb_pin_path(char *buf, size_t size, const char *bpffs, const char *network, const char *last,
		struct nb_error *err);

/* The network's name from that of its directory. */
void nb_pin_name_decode(const char *dir_name, char *network, size_t size);

#endif
