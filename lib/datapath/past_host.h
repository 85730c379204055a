/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PAST_HOST_H
#define NATBRIDGE_LIB_DATAPATH_PAST_HOST_H

/*
 * Which programs the networks and the node's table call of each other, so that clients outside and pods reach
 * each other past the host's IP stack (bpf/node/past_host.h): as the devices of the node say, in
 * nb_device.network of the bridges. A program that is called keeps its maps alive.
 */

#include "lib/util/error.h"

#include "devices.h"
#include "pin_path.h"

/*
 * Makes it so. node: the node's table. Writes nothing that is right already. Goes on after an error, and
 * returns the first one. Without a lock: who writes last may write a program that another process has just
 * replaced, which works as that one does; the next call puts it right.
 */
int nb_past_host_set(const struct nb_pin_root *root, const struct nb_datapath *node,
		     const struct nb_devices *devices, struct nb_error *err);

#endif
