/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PORT_STATE_H
#define NATBRIDGE_LIB_DATAPATH_PORT_STATE_H

/*
 * Whether the bridge forwards to the pods' ports. A port is cut off if it was taken off the bridge, is down
 * or does not forward, or if the bridge is down. Packets of Services bypass the bridge, so the maps say which
 * ports are cut off (NB_GEN_CUT). eBPF programs cannot read these states from the kernel: each natbridge
 * command updates the maps.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"

#include "pin_path.h"

enum nb_port_state {
	NB_PORT_STATE_FORWARDING,
	NB_PORT_STATE_GONE,           /* this network namespace has no such link */
	NB_PORT_STATE_OFF_BRIDGE,     /* the link is not a port of the network's bridge */
	NB_PORT_STATE_DOWN,           /* the link is down */
	NB_PORT_STATE_NOT_FORWARDING, /* its state is disabled or blocking, though it has a carrier */
	NB_PORT_STATE_BRIDGE_DOWN,
	NB_PORT_STATES,
};

/* "forwarding", "gone", "off-bridge", "down", "not-forwarding", "bridge-down". */
const char *nb_port_state_name(enum nb_port_state state);

/* The network's bridge, and all links of its namespace. */
struct nb_port_links {
	bool known;            /* the network's bridge is in this namespace */
	struct nb_link bridge; /* the bridge itself, even if the network is a VLAN of it */
	struct nb_link *all;   /* owned */
	unsigned int n;
};

void nb_port_links_free(struct nb_port_links *links); /* for nb_cleanup() */

/*
 * Reads them from the namespace of nl. The bridge is the one in the settings, by ifindex and MAC address: in
 * another namespace than the node's, or once the bridge is gone, known is false and no port is judged.
 */
int nb_port_links_read(const struct nb_datapath *dp, struct nb_netlink *nl, struct nb_port_links *links,
		       struct nb_error *err);

/* The state of a port, of known links. */
enum nb_port_state nb_port_state_of(const struct nb_port_links *links, unsigned int ifindex);

/* Clears NB_GEN_CUT of a port that an ADD added as unconnected and has brought up. Needs no lock. */
int nb_port_connected(const struct nb_datapath *dp, unsigned int ifindex, struct nb_error *err);

/* Writes the VLAN of a port's untagged frames into its flags; 0: none is set. Needs the lock. */
int nb_port_set_vlan(const struct nb_datapath *dp, unsigned int ifindex, unsigned int vlan,
		     struct nb_error *err);

/*
 * Updates NB_GEN_CUT of all ports. Any number of callers may do so at once, beside ADDs and DELs: a bit
 * changes only if it is as it was before the links were read. Takes the lock of the root if NB_SETTINGS_CUT
 * changes and dp does not have it.
 */
int nb_ports_note_cut(const struct nb_datapath *dp, const struct nb_pin_root *root, struct nb_netlink *nl,
		      struct nb_error *err);

#endif
