/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_OWNER_H
#define NATBRIDGE_LIB_DATAPATH_OWNER_H

/*
 * The process that feeds a network's service table for as long as it runs: natbridge-agent. It holds a lock
 * (flock) of the network's directory of pins, so that the table is free again whatever ends it.
 */

#include <sys/types.h>

#include "lib/util/error.h"

#include "pin_path.h"

/*
 * Makes this process the owner, until it closes *fd. -EBUSY: another one is; *err names its pid, if
 * nb_owner_find() finds it. -ENOENT: nothing is pinned.
 */
int nb_owner_take(const struct nb_pin_root *root, const char *network, int *fd, struct nb_error *err);

/*
 * Finds the owner: its pid, 0 if there is none, -1 if there is one that this process cannot see, for instance
 * in another pid namespace.
 */
int nb_owner_find(const struct nb_pin_root *root, const char *network, pid_t *pid, struct nb_error *err);

#endif
