/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_FDB_H
#define NATBRIDGE_LIB_NET_FDB_H

/* The forwarding database of a bridge. Flags of a port: nb_link_change() and struct nb_link. */

#include <stdbool.h>

#include "lib/util/error.h"

#include "link.h"
#include "netlink.h"

/*
 * Enters mac as reached through the port: a static entry, which does not age. An entry of that MAC that is
 * there already is replaced. It goes with the port; a frame from that MAC at another port moves it there.
 */
int nb_fdb_add(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
	       struct nb_error *err);

/* Not there: -ENOENT. */
int nb_fdb_delete(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
		  struct nb_error *err);

/* An entry of a bridge; one of each VLAN, where it filters. */
struct nb_fdb_entry {
	unsigned int port_index; /* the bridge itself: of its own addresses */
	unsigned char mac[NB_MAC_LEN];
	bool is_static;
};

/* All entries of a bridge; the caller frees *entries. */
int nb_fdb_list(struct nb_netlink *nl, unsigned int bridge_index, struct nb_fdb_entry **entries,
		unsigned int *n, struct nb_error *err);

/* *found: whether the port has a static entry for mac; NULL: for any. */
int nb_fdb_has(struct nb_netlink *nl, unsigned int port_index, const unsigned char *mac, bool *found,
	       struct nb_error *err);

#endif
