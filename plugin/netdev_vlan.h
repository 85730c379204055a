/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_VLAN_H
#define NATBRIDGE_PLUGIN_NETDEV_VLAN_H

/* VLANs of the bridge: the link by which the host takes part in one, and the VLANs of pods' ports. */

#include <stdbool.h>

#include "lib/net/link.h"
#include "lib/net/vlan.h"
#include "lib/util/error.h"

#include "netdev.h"

struct nb_netdev_vlan_spec {
	const struct nb_link *bridge;
	unsigned int vlan; /* 1 .. 4094 */
	bool preserve_default;
};

/*
 * Fetches into *host the link "BRIDGE.VLAN", by which the host is reached in that VLAN, and sets it
 * up. It may be of any kind; if there is none, it becomes one end of a new veth pair whose other
 * end is a port in the VLAN. Belongs to the network, as the bridge does.
 */
int nb_netdev_ensure_vlan_host(struct nb_netdev *netdev, const struct nb_netdev_vlan_spec *spec,
			       struct nb_link *host, struct nb_error *err);

/* Fetches the same link, and makes none. -ENODEV: there is none. */
int nb_netdev_find_vlan_host(struct nb_netdev *netdev, const char *bridge, unsigned int vlan,
			     struct nb_link *host, struct nb_error *err);

/*
 * Whether a link is the host's end of such a veth pair, and of which VLAN.
 * links[n]: all of the namespace.
 */
bool nb_netdev_is_vlan_host(const struct nb_link *link, const struct nb_link *bridge,
			    const struct nb_link *links, unsigned int n, unsigned int *vlan);

/*
 * Gives a pod's port its VLANs, and removes the bridge's default one from it unless that is to be
 * preserved. No VLANs: the port keeps what it has.
 */
int nb_netdev_set_vlans(struct nb_netdev *netdev, const struct nb_link *port,
			const struct nb_port_vlans *vlans, bool preserve_default, struct nb_error *err);

/* NB_ERR_CHECK if the port lacks one of the VLANs or has another one. */
int nb_netdev_check_vlans(struct nb_netdev *netdev, const struct nb_link *port,
			  const struct nb_port_vlans *want, bool preserve_default, struct nb_error *err);

#endif
