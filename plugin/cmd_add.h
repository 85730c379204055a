/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_ADD_H
#define NATBRIDGE_PLUGIN_CMD_ADD_H

/* What the steps of one ADD hand to each other, and those of them that have to do with the datapath
 * (cmd_add_datapath.c). Their order is in cmd_add.c. */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/service/service.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "args.h"
#include "conf.h"
#include "ipam.h"
#include "netdev.h"
#include "result.h"

struct nb_add {
	const struct nb_args *args;
	const struct nb_conf *conf;
	struct nb_cni_id id;
	int netns_fd;
	struct nb_netdev wire;
	struct nb_link bridge;
	struct nb_link host; /* where the host is reached: the bridge, or its gateway's interface in a VLAN */
	bool in_vlan;        /* the latter */
	struct nb_netdev_veth veth;
	bool rival; /* another ADD of this attachment, at the same time, was faster */
	struct nb_ipam ipam;
	struct nb_datapath dp;       /* open up to change_mode(), and locked until attach() begins */
	struct nb_services services; /* of the config, without those on an address of the host; backends are
					the config's */
	unsigned int old_bridge;     /* ifindex of another one that the maps had; 0: none */
	bool new_bridge;             /* the maps did not have this bridge, or another MAC of it */
	struct nb_result result;
};

/* Without those on an address of the host, which are told of. */
int nb_add_choose_services(struct nb_add *add, struct nb_error *err);

/*
 * With enabledad, an IPv6 address of another pod of the network is refused here: the kernel would find it
 * once the pod is up, and by then the maps would have taken it from that pod.
 */
int nb_add_refuse_duplicates(struct nb_add *add, struct nb_error *err);

/*
 * From here up to attach the datapath is locked: ADDs take turns, but only for what touches the maps. No
 * netlink request is made meanwhile: it could wait long for the rtnl lock, which an attach elsewhere holds.
 */
int nb_add_open_datapath(struct nb_add *add, struct nb_error *err);

/* Settings and services belong to the network: what this ADD finds changed stays changed if it fails. */
int nb_add_write_settings(struct nb_add *add, struct nb_error *err);
int nb_add_apply_services(struct nb_add *add, struct nb_error *err);

int nb_add_add_endpoint(struct nb_add *add, struct nb_error *err);
int nb_add_remove_endpoint(struct nb_add *add, struct nb_error *err);

/*
 * Without the lock: the kernel waits for two RCU grace periods (tcx_entry_sync() in include/net/tcx.h), in
 * which others may well write maps.
 */
int nb_add_attach(struct nb_add *add, struct nb_error *err);

/* A pod that cannot be brought to a changed mode is no reason to refuse this one: the next ADD tries again.
 */
int nb_add_change_mode(struct nb_add *add, struct nb_error *err);

#endif
