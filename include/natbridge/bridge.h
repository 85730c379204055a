/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_BRIDGE_H
#define NATBRIDGE_BRIDGE_H

/* The forwarding database of a bridge. Flags of a port: nb_link_change() and struct nb_link. */

#include <natbridge/link.h>

/*
 * Enters mac as reached through the port: a static entry, which neither ages nor moves by learning. An entry
 * of that MAC that is there already is replaced. It goes with the port.
 */
int nb_fdb_add(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
	       struct nb_error *err);

/* Not there: -ENOENT. */
int nb_fdb_delete(struct nb_netlink *nl, unsigned int port_index, const unsigned char mac[NB_MAC_LEN],
		  struct nb_error *err);

/* *found: whether the port has a static entry for mac; NULL: for any. */
int nb_fdb_has(struct nb_netlink *nl, unsigned int port_index, const unsigned char *mac, bool *found,
	       struct nb_error *err);

#endif
