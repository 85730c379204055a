/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_VLAN_FOLLOW_H
#define NATBRIDGE_PLUGIN_VLAN_FOLLOW_H

/*
 * A network whose "vlan" has changed, or whose gateway is new, while it has pods. The gateway
 * has one address, to which the host has one route, so all pods that use it must be in one
 * VLAN: the next ADD brings those that are there into the config's. Pods of a VLAN without
 * gateway stay where they are.
 */

#include "lib/maps/layout.h"
#include "lib/net/link.h"

#include "conf.h"
#include "netdev.h"
#include "result.h"

struct nb_vlan_change {
	const struct nb_conf *conf;
	const struct nb_result *result; /* of the new pod */
	const struct nb_link *bridge;
	const struct nb_link *host; /* where the host is reached now */
	const struct nb_link *port; /* the new pod's, whose VLANs are right */
	unsigned int old_host;      /* ifindex that the maps had as host before; 0: the same, or unknown */
};

/*
 * Gives ports in a VLAN where the gateway was the VLANs of the new pod's port, in the kernel and in
 * the maps; takes the gateway's addresses from there, deletes the interface of a VLAN that was made
 * for them, and announces the gateway's new MAC to the pods. Where pods of another network use the
 * gateway, all of that stays, and is logged. *dp: open, without the lock; NULL in mode off.
 * Failures are logged, and the next ADD tries again. Without isGateway it does nothing.
 */
void nb_vlan_follow(struct nb_netdev *netdev, const struct nb_vlan_change *change,
		    const struct nb_datapath *dp);

#endif
