/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_NODE_PODS_H
#define NATBRIDGE_LIB_DATAPATH_NODE_PODS_H

/*
 * Which pods live on this node, for the node's own table: its map "pods" has the map "endpoints" of each
 * network. So a TCP connection goes on whose backend has left its Service, while the pod is there.
 */

#include "lib/util/error.h"

#include "datapath.h"
#include "pin_path.h"

/*
 * Makes it so. node: the node's table. Writes nothing that is right already, and leaves no moment in which a
 * network is missing that was there before. Goes on after an error, and returns the first one. Without a
 * lock, as nb_past_host_set().
 */
int nb_node_pods_set(const struct nb_pin_root *root, const struct nb_datapath *node, struct nb_error *err);

#endif
