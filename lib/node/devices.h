/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NODE_DEVICES_H
#define NATBRIDGE_LIB_NODE_DEVICES_H

/* The devices of the node at which packets to and from Services come in and go out. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"

struct nb_node_device {
	unsigned int ifindex;
	char name[IFNAMSIZ];
	unsigned char mac[NB_MAC_LEN];
	unsigned int mtu; /* bytes */
	/*
	 * The source address of packets of the node that leave by it: the first one of scope global
	 * that is not deprecated, tentative or temporary, and that a Service could have
	 * (nb_addr_is_routable()).
	 */
	bool has_v4, has_v6;
	struct nb_addr v4, v6;
	bool in_use; /* named by a pattern, or up and with an address */
	/* All its packets pass this device as well: its master, or the one below a macvlan or ipvlan. 0:
	 * none. */
	unsigned int shares;
	bool is_above; /* the macvlan or ipvlan */
};

/*
 * Lists Ethernet devices of nl's namespace (ARPHRD_ETHER: also bridges, bonds, VLANs, VXLANs), by
 * ifindex. Without patterns: those that have no master; in_use tells which are up and have an address as
 * above. With patterns (globs as of fnmatch(3), such as "eth*"): those whose name matches one of them. Never
 * nb0, nb0-peer and the ports of natbridge's pods. The caller frees *devices.
 */
int nb_node_devices_list(struct nb_netlink *nl, const char *const *patterns, size_t n_patterns,
			 struct nb_node_device **devices, unsigned int *n, struct nb_error *err);

/*
 * The MTU of nb0: the smallest of the devices' in use, but no less than NB_NB0_MTU_MIN (nb0.h); 1500 without
 * devices.
 */
unsigned int nb_node_devices_mtu(const struct nb_node_device *devices, unsigned int n);

#endif
