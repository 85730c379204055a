/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PORT_STATE_H
#define NATBRIDGE_LIB_DATAPATH_PORT_STATE_H

/*
 * Whether the bridge forwards to the pods' ports. A port that was taken off the bridge, that is down or does
 * not forward, or whose bridge is down, is cut off; since packets of Services go past the bridge, the maps
 * say so (NB_GEN_CUT). The kernel tells eBPF programs nothing of these states: each call of natbridge brings
 * the maps up to date.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"

enum nb_port_state {
	NB_PORT_FORWARDING,
	NB_PORT_GONE,           /* there is no such link here */
	NB_PORT_OFF_BRIDGE,     /* the link is no port of the network's bridge */
	NB_PORT_DOWN,           /* the link is down */
	NB_PORT_NOT_FORWARDING, /* its state is disabled or blocking, though it has a carrier */
	NB_PORT_BRIDGE_DOWN,
	NB_PORT_STATES,
};

/* "forwarding", "gone", "off-bridge", "down", "not-forwarding", "bridge-down". */
const char *nb_port_state_name(enum nb_port_state state);

/* The links of a network: its bridge and every other one of the namespace. */
struct nb_port_links {
	bool known;            /* the network's bridge is in this namespace */
	struct nb_link bridge; /* the bridge itself, also where the network is a VLAN of it */
	struct nb_link *all;   /* owned */
	unsigned int n;
};

void nb_port_links_free(struct nb_port_links *links); /* for nb_cleanup() */

/*
 * Reads them from the namespace of nl. The bridge is the one in the settings, by number and MAC address: in
 * another namespace than the node's, or once the bridge is gone, nothing is known and no port is judged.
 */
int nb_port_links_read(const struct nb_datapath *dp, struct nb_netlink *nl, struct nb_port_links *links,
		       struct nb_error *err);

enum nb_port_state nb_port_state_of(const struct nb_port_links *links, unsigned int ifindex);

/* The port that an ADD entered as unconnected is up. No lock is needed. */
int nb_port_connected(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err);

/* Writes the VLAN of a port's untagged frames into its flags; 0: none is set. Needs the lock. */
int nb_port_set_vlan(const struct nb_datapath *dp, unsigned int ifindex, unsigned int vlan,
		     struct nb_error *err);

/*
 * Brings NB_GEN_CUT of all ports up to date. Any number of callers may do so at once, beside ADDs and DELs: a
 * bit is changed only if it is as it was before the links were read. bpffs: as for nb_datapath_open(), for
 * the lock, which only the flag in the settings needs, and only if dp does not have it.
 */
int nb_ports_follow(const struct nb_datapath *dp, const char *bpffs, struct nb_netlink *nl,
		    struct nb_error *err);

#endif
