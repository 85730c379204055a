/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_BRIDGE_H
#define NATBRIDGE_PLUGIN_NETDEV_BRIDGE_H

/* The network's bridge, and its MAC address. */

#include <stdbool.h>

#include "lib/net/link.h"
#include "lib/util/error.h"

#include "netdev.h"

struct nb_netdev_bridge_spec {
	const char *name;
	unsigned int mtu; /* used at creation only; 0: the kernel's default */
	bool promisc;
	bool vlan_filtering; /* used at creation only */
};

/*
 * Makes the bridge unless it is there, and sets it up. A new one gets a MAC that no port changes;
 * an existing one keeps all it has. A link of that name that is no bridge is an error.
 */
int nb_netdev_ensure_bridge(struct nb_netdev *netdev, const struct nb_netdev_bridge_spec *spec,
			    struct nb_link *bridge, struct nb_error *err);

/*
 * Fixes the link's MAC at what it is: a bridge that someone else made may take over the MAC
 * of a port that joins. The kernel then forgets the bridge's neighbours, so this is for
 * once and not for every ADD.
 */
int nb_netdev_fix_mac(struct nb_netdev *netdev, struct nb_link *bridge, struct nb_error *err);

/*
 * The errors, for ADD and STATUS, of a link that has the bridge's name, and of a
 * kernel without VLAN filtering.
 */
int nb_netdev_no_bridge(const char *name, struct nb_error *err);
int nb_netdev_no_vlans(struct nb_error *err);

#endif
