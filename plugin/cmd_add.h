/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CMD_ADD_H
#define NATBRIDGE_PLUGIN_CMD_ADD_H

/* What the steps of one ADD pass on to each other. The table of the steps is in cmd_add.c. */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/service/service.h"
#include "lib/util/cni_id.h"

#include "args.h"
#include "conf.h"
#include "ipam.h"
#include "netdev.h"
#include "netdev_veth.h"
#include "result.h"

struct nb_add {
	const struct nb_args *args;
	const struct nb_conf *conf;
	struct nb_cni_id id;
	int netns_fd;
	struct nb_netdev netdev;
	struct nb_link bridge;
	struct nb_link host; /* where pods reach the host: the bridge, or the gateway's interface in a VLAN */
	bool in_vlan;        /* it is the latter */
	struct nb_netdev_veth veth;
	bool rival; /* another ADD of this attachment at the same time was faster */
	struct nb_ipam ipam;
	struct nb_datapath dp; /* open until nb_add_change_mode(), locked until nb_add_attach() */
	/*
	 * Those of the config, without those on an address of the host. Their
	 * backends belong to the config.
	 */
	struct nb_services services;
	unsigned int old_host; /* ifindex of the host that the maps had before; 0: the same, or none */
	bool new_host;         /* the maps had another host, or another MAC of it */
	struct nb_result result;
};

#endif
