/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_DATAPATH_H
#define NATBRIDGE_PLUGIN_CMD_DATAPATH_H

/* What ADD, DEL, CHECK and GC do with a network's datapath in the same way. */

#include <stdbool.h>

#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"

#include "args.h"
#include "conf.h"
#include "netdev_veth.h"
#include "result.h"

/* The pod as the maps must hold it, with those addresses of *result that are on its interface. */
int nb_cni_endpoint(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *result,
		    const struct nb_netdev_veth *veth, struct nb_endpoint_spec *spec, struct nb_error *err);

/*
 * Whether translated packets may bypass the bridge. Not if the bridge filters by VLAN and the
 * network names no VLAN: then somebody else gives its ports their VLANs, which the datapath does
 * not know; "fastPath": true allows it all the same.
 */
bool nb_cni_fast_path(const struct nb_conf *conf, const struct nb_link *bridge);

/*
 * Opens the datapath to change it, with its lock, and migrates it first if it has another map
 * layout. -ENOENT: there is none, or it cannot be migrated (which is logged).
 */
int nb_cni_open_datapath(const struct nb_conf *conf, struct nb_datapath *dp, struct nb_error *err);

/*
 * Brings up to date which ports are cut off (port_state.h). host: a socket in the node's
 * namespace. Failures are logged.
 */
void nb_cni_follow_ports(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_netlink *host);

/* Detaches the network's program from the bridge if the maps hold no pod any more. *dp must be locked. */
int nb_cni_leave_bridge(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_error *err);

/*
 * Removes what there is of the datapath of a network whose pins are gone or were never all made:
 * left-over pins, and the program at the bridge if no pod's interface is left.
 */
int nb_cni_forget_datapath(const struct nb_conf *conf, struct nb_error *err);

/*
 * Removes the pod from the network's maps, and after the last pod the program at the bridge. Needs
 * no namespace of the pod. 0 also if there is no datapath.
 */
int nb_cni_forget_endpoint(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);

#endif
