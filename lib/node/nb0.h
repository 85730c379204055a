/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NODE_NB0_H
#define NATBRIDGE_LIB_NODE_NB0_H

/*
 * nb0, the device through which the node's own processes reach Services. Routes lead packets to it
 * (node_routes.h), an eBPF program at its egress translates them and sends them on by other devices.
 * What no program takes ends there.
 *
 * It is a dummy where the kernel has that kind, otherwise one end of a veth pair whose other end,
 * nb0-peer, is in the same namespace. Both are IFF_NOARP: a packet leaves nb0 with nb0's own MAC as
 * destination, so that nb0-peer takes it for another host's and drops it. Both have no IPv6 address
 * of their own, so that the kernel looks for no duplicates and no routers there. On a node that
 * forwards IPv6 it still reports, from "::", that it listens to all routers' group (MLD).
 *
 * natbridge recognises them by their alias. The kernel takes no alias at creation; until they have
 * it, they are known by their MAC, a hash of the name, which the kernel takes there.
 */

#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"

#define NB_NB0_NAME  "nb0"
#define NB_NB0_PEER  "nb0-peer"
#define NB_NB0_ALIAS "natbridge node"

enum {
	NB_NB0_MTU_MIN = 1280, /* IPv6 needs it (RFC 8200) */
	NB_NB0_MTU_MAX = 65535,
};

struct nb_nb0 {
	unsigned int ifindex;
	unsigned char mac[NB_MAC_LEN];
	unsigned int mtu; /* bytes */
};

/*
 * Makes nb0 what is described above: present, up, of that MTU, able to receive IPv6. Completes one
 * that a killed call has left half made. Writes nothing if all is as it should be. The calling
 * thread must be in the network namespace of nl, whose /proc/sys holds the one sysctl that may be
 * set, net/ipv6/conf/nb0/disable_ipv6.
 *
 * -EEXIST: nb0 or nb0-peer is a link of somebody else, which stays as it is. -EINVAL: the MTU is
 * not in NB_NB0_MTU_MIN .. NB_NB0_MTU_MAX, or somebody has moved nb0-peer to another namespace.
 */
int nb_nb0_ensure(struct nb_netlink *nl, unsigned int mtu, struct nb_nb0 *nb0, struct nb_error *err);

/* Looks it up, whole or half made. -ENODEV: there is none, or nb0 is a link of somebody else. */
int nb_nb0_find(struct nb_netlink *nl, struct nb_nb0 *nb0, struct nb_error *err);

/* Deletes it, and with it its routes. 0 as well if there is none. A link of somebody else stays. */
int nb_nb0_remove(struct nb_netlink *nl, struct nb_error *err);

#endif
