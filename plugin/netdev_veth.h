/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_VETH_H
#define NATBRIDGE_PLUGIN_NETDEV_VETH_H

/* A pod's veth pair: made with its host end as a port of the bridge, set up, waited for. */

#include <stdbool.h>

#include "lib/net/link.h"
#include "lib/net/vlan.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev.h"

struct nb_netdev_veth_spec {
	const struct nb_cni_id *id;
	const struct nb_link *bridge;
	unsigned int mtu;         /* of both ends; 0: the kernel's default */
	const unsigned char *mac; /* of the pod's end; NULL: the kernel chooses */
	bool hairpin;
	bool isolated;
	struct nb_port_vlans vlans;
	bool preserve_default_vlan;
};

struct nb_netdev_veth {
	struct nb_link host; /* the host veth: a port of the bridge with its flags set, still down */
	struct nb_link pod;  /* the pod's end, down; its MAC has a static FDB entry at host */
	bool shaped;         /* set by CHECK: somebody has put a qdisc on host */
};

/* -EEXIST if the pod has an interface of that name. */
int nb_netdev_check_free(struct nb_netdev *netdev, const char *ifname, struct nb_error *err);

/*
 * Makes the veth pair. A host veth that an earlier ADD of the same attachment left, whose namespace
 * is gone or going, is replaced. On failure nothing is left. -EEXIST if the pod has got an
 * interface of that name since nb_netdev_check_free().
 */
int nb_netdev_add_veth(struct nb_netdev *netdev, const struct nb_netdev_veth_spec *spec,
		       struct nb_netdev_veth *veth, struct nb_error *err);

/* Sets the host veth up: from now on frames reach the pod. */
int nb_netdev_port_up(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err);

/*
 * Waits until both ends are operationally up, 2.55 s at most, then lets the pod's end announce its
 * addresses (gratuitous ARP, unsolicited neighbour advertisement). Not for
 * disableContainerInterface.
 */
int nb_netdev_wait_port(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err);

#endif
