/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_PROBE_H
#define NATBRIDGE_PLUGIN_NETDEV_PROBE_H

/* STATUS: whether bridge, VLANs and gateway of an ADD can work. */

#include <stdbool.h>

#include "lib/util/error.h"

#include "netdev.h"

struct nb_netdev_probe_spec {
	const char *network, *bridge;
	bool vlan_filtering, is_gateway;
	unsigned int gateway_vlan; /* 0: none */
};

/*
 * Checks what can be known before there is a pod, and changes nothing. NB_ERR_LIMITED: pods that
 * the network has suffer from what is wrong.
 */
int nb_netdev_probe(struct nb_netdev *netdev, const struct nb_netdev_probe_spec *spec, struct nb_error *err);

#endif
