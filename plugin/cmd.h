/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_H
#define NATBRIDGE_PLUGIN_CMD_H

/* The commands of the specification, one file each (cmd_*.c), and what several of them share (cmd_common.c).
 */

#include <stdbool.h>

#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "conf.h"
#include "netdev.h"
#include "result.h"

/* All but nb_cmd_add() and nb_cmd_version() print nothing on success. */
int nb_cmd_add(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cmd_del(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cmd_check(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cmd_gc(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cmd_status(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
int nb_cmd_version(struct nb_error *err);

/* The attachment that the command is about; its strings belong to args and conf. */
struct nb_cni_id nb_cmd_attachment(const struct nb_args *args, const struct nb_conf *conf);

/*
 * Opens CNI_NETNS. NB_ERR_NETNS if it is no network namespace, or the one that we run in and
 * CNI_NETNS_OVERRIDE is not set.
 */
int nb_cmd_open_netns(const struct nb_args *args, int *fd, struct nb_error *err);

/* What the maps must hold for the pod: those addresses of *result that are on its interface. */
struct nb_netdev_veth;
int nb_cmd_endpoint(const struct nb_args *args, const struct nb_conf *conf, const struct nb_result *result,
		    const struct nb_netdev_veth *veth, struct nb_endpoint_spec *spec, struct nb_error *err);

/*
 * Whether translated packets may go past the bridge. Not where it filters by VLAN and the network names none:
 * then somebody else gives its ports their VLANs, which the datapath does not know; unless "fastPath": true
 * vouches for them.
 */
struct nb_link;
bool nb_cmd_fast_path(const struct nb_conf *conf, const struct nb_link *bridge);

/* The network's program at the bridge goes with its last pod. *dp is locked. */
int nb_cmd_leave_bridge(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_error *err);

/* The same for a network whose pins are gone, or were never all made: what there is of them goes as well. */
int nb_cmd_forget_datapath(const struct nb_conf *conf, struct nb_error *err);

/*
 * Opens the datapath of the network to change it, after bringing it to this map layout if it has another one.
 * -ENOENT: there is none, or it cannot be brought here (and that is logged).
 */
int nb_cmd_open_datapath(const struct nb_conf *conf, struct nb_datapath *dp, struct nb_error *err);

/* Brings up to date which ports are cut off from the bridge (port_state.h). host: a socket in the node's
 * namespace. What fails is logged. */
void nb_cmd_follow_ports(const struct nb_datapath *dp, const struct nb_conf *conf, struct nb_netlink *host);

/* Removes the pod from the maps of its network, and with the last one what is attached to the bridge; no
 * datapath there: 0. */
int nb_cmd_forget_endpoint(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);

/* Keeps the first of several errors: *first is set to *err if it has none yet, else *err is logged. */
void nb_cmd_keep_first(struct nb_error *first, const struct nb_error *err);

#endif
