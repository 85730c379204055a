/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_CHECK_H
#define NATBRIDGE_PLUGIN_NETDEV_CHECK_H

/* CHECK: whether a pod's network devices are as its ADD made them. */

#include <stdbool.h>

#include "lib/net/link.h"
#include "lib/net/vlan.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_veth.h"
#include "result.h"

struct nb_netdev_check_spec {
	const struct nb_cni_id *id;
	const char *bridge;
	bool promisc, hairpin, isolated;
	struct nb_port_vlans vlans;
	bool preserve_default_vlan;
	bool is_gateway, force_address;
	unsigned int gateway_vlan;      /* the host is reached in this one; 0: at the bridge itself */
	bool container_interface;       /* false: disableContainerInterface */
	const struct nb_result *result; /* prevResult */
};

/*
 * NB_ERR_CHECK, and *err names what is missing or different, unless everything is as spec->result
 * says: bridge, pod's interface, host veth, port and its flags, addresses, routes, gateway
 * addresses, FDB entry. A pair that the reference plugin made is accepted: it has no FDB entry, no
 * alias and another name. On success *bridge and *veth are what is there.
 */
int nb_netdev_check(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec, struct nb_link *bridge,
		    struct nb_netdev_veth *veth, struct nb_error *err);

#endif
