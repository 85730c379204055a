/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_VLAN_H
#define NATBRIDGE_LIB_NET_VLAN_H

/* The VLANs of a bridge's port (802.1Q, with VLAN filtering on the bridge). Ids are 1 .. 4094. */

#include <stdbool.h>

#include "lib/util/error.h"

#include "netlink.h"

enum { NB_VLAN_MAX = 4094 };

/* A set of VLAN ids. Zeroed: empty. */
struct nb_vlans {
	unsigned char bits[(NB_VLAN_MAX + 8) / 8];
};

void nb_vlans_put(struct nb_vlans *vlans, unsigned int id);
bool nb_vlans_has(const struct nb_vlans *vlans, unsigned int id);
bool nb_vlans_empty(const struct nb_vlans *vlans);

/* The VLANs of a port. */
struct nb_port_vlans {
	struct nb_vlans tagged; /* their frames have a tag */
	unsigned int native;    /* the VLAN of frames without a tag, which leave without one; 0: none */
};

/* *supported: whether bridges of this kernel can filter VLANs. True if the kernel does not say. */
int nb_vlans_supported(struct nb_netlink *nl, bool *supported, struct nb_error *err);

/* Adds VLANs to a port. -EOPNOTSUPP: the kernel cannot filter VLANs. */
int nb_port_vlans_add(struct nb_netlink *nl, unsigned int port_index, const struct nb_port_vlans *vlans,
		      struct nb_error *err);

/* Removes all VLANs of a port, such as the bridge's default VLAN. */
int nb_port_vlans_clear(struct nb_netlink *nl, unsigned int port_index, struct nb_error *err);

/* Removes the VLANs of a port that *keep does not have. */
int nb_port_vlans_keep_only(struct nb_netlink *nl, unsigned int port_index, const struct nb_port_vlans *keep,
			    struct nb_error *err);

struct nb_port_native {
	unsigned int port_index;
	unsigned int vlan; /* the native VLAN, 0: none */
};

/*
 * Lists the native VLANs of all ports of all bridges, and of the bridges themselves, by one
 * request. The caller frees *natives.
 */
int nb_port_natives(struct nb_netlink *nl, struct nb_port_native **natives, unsigned int *n,
		    struct nb_error *err);

/* Reads the VLANs of a port. */
int nb_port_vlans_get(struct nb_netlink *nl, unsigned int port_index, struct nb_port_vlans *vlans,
		      struct nb_error *err);

#endif
