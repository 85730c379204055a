/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_FDB_H
#define NATBRIDGE_LIB_NET_FDB_H

/* The forwarding database (FDB) of a bridge: through which port it reaches a MAC address. */

#include <stdbool.h>

#include "lib/util/error.h"

#include "link.h"
#include "netlink.h"

/*
 * Adds a static entry, which does not age: the bridge reaches mac through the port. Replaces the
 * bridge's entry for that MAC. The kernel removes the entry with the port, and moves it when a
 * frame from that MAC arrives at another port.
 */
int nb_fdb_add(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
	       struct nb_error *err);

/* Deletes the port's entry for mac. -ENOENT: there is none. */
int nb_fdb_delete(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
		  struct nb_error *err);

/* An entry of a bridge. A bridge that filters VLANs has an entry for each VLAN of a MAC. */
struct nb_fdb_entry {
	unsigned int port_index; /* the bridge's own index for its own addresses */
	unsigned char mac[NB_MAC_LEN];
	bool is_static;
};

/* Lists all entries of a bridge. The caller frees *entries. */
int nb_fdb_list(struct nb_netlink *nl, unsigned int bridge_index, struct nb_fdb_entry **entries,
		unsigned int *n, struct nb_error *err);

/* *found: whether the port has a static entry for mac (NULL: for any MAC). */
int nb_fdb_has(struct nb_netlink *nl, unsigned int port_index, const unsigned char *mac, bool *found,
	       struct nb_error *err);

#endif
