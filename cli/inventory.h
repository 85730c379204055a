/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_INVENTORY_H
#define NATBRIDGE_CLI_INVENTORY_H

/*
 * What natbridge has left on this node, by what the kernel says: ports by the aliases of their links,
 * programs by their names and the network in their constants, pins by their paths. Changes nothing.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach_query.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "cli.h"
#include "network_names.h"

struct nb_inventory_program {
	struct nb_attached at;
	bool known; /* of a network in names */
};

struct nb_inventory {
	struct nb_netlink nl;
	struct nb_network_names names; /* the network of the command line, or all */
	struct nb_link *links;         /* all of this network namespace */
	unsigned int n_links;
	NB_VEC(struct nb_inventory_program) programs;
};

/*
 * Takes the inventory of the node, or of the network of the command line. *inventory (zeroed) is freed by the
 * caller, after an error too.
 */
int nb_inventory_take(struct nb_inventory *inventory, const struct nb_cli *cli, struct nb_error *err);
void nb_inventory_free(struct nb_inventory *inventory); /* for nb_cleanup() */

/* The name of a link; "": it is not in inventory->links. */
const char *nb_inventory_link_name(const struct nb_inventory *inventory, unsigned int ifindex);

/* Whether a program belongs to a network: by its constants, or if they name none, by its port. */
bool nb_inventory_program_is_of(const struct nb_inventory *inventory, const struct nb_attached *at,
				const char *network);

/* Ports and pods of a network: its links, and what its maps hold if it has any. */
struct nb_pods {
	NB_VEC(const struct nb_link *) links; /* they are the inventory's */
	struct nb_port *ports;                /* owned */
	unsigned int n_ports;
};

/* *pods (zeroed) is freed by the caller, after an error too. */
int nb_pods_find(struct nb_pods *pods, const struct nb_inventory *inventory, const struct nb_cli *cli,
		 const char *network, struct nb_error *err);
void nb_pods_free(struct nb_pods *pods); /* for nb_cleanup() */

/* The MAC of the pod behind a port. -ENOENT: neither the maps nor the kernel know it. */
int nb_pods_mac(const struct nb_pods *pods, struct nb_inventory *inventory, const struct nb_link *link,
		unsigned char mac[NB_MAC_LEN]);

/* Whether the comment of a masquerade rule names one of these pods of the network. */
bool nb_pods_have_rule(const struct nb_pods *pods, const char *network, const char *comment);

#endif
