/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_INVENTORY_H
#define NATBRIDGE_CLI_INVENTORY_H

/*
 * What natbridge has left on this node, by what the kernel says: ports by their aliases, programs by their
 * names and the network in their constants, pins by their place. Reads only.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/datapath/attach_query.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "cli.h"
#include "networks.h"

struct nb_inventory_item {
	struct nb_attached at;
	bool known; /* belongs to a network whose name is known */
};

struct nb_inventory {
	struct nb_netlink nl;
	struct nb_networks names; /* of the network asked for, or of all that there are */
	struct nb_link *links;    /* all of this network namespace */
	unsigned int n_links;
	NB_VEC(struct nb_inventory_item) programs;
};

int nb_inventory_find(struct nb_inventory *traces, const struct nb_cli *cli, struct nb_error *err);
void nb_inventory_free(struct nb_inventory *traces); /* for nb_cleanup() */

/* The name of a link that was found; "" if it is not among them. */
const char *nb_inventory_link_name(const struct nb_inventory *traces, unsigned int ifindex);

/* Whether a program belongs to a network: by its own word, or else as being at one of the network's ports. */
bool nb_inventory_is_of(const struct nb_inventory *traces, const struct nb_attached *at, const char *network);

/* Ports and pods of a network: links of it, and what its maps, if there are any, hold. */
struct nb_pods {
	NB_VEC(const struct nb_link *) links; /* of struct nb_inventory */
	struct nb_port *ports;
	unsigned int n_ports;
};

int nb_pods_find(struct nb_pods *pods, const struct nb_inventory *traces, const struct nb_cli *cli,
		 const char *network, struct nb_error *err);
void nb_pods_free(struct nb_pods *pods); /* for nb_cleanup() */

/* The MAC of the pod behind a port. -ENOENT: it cannot be told. */
int nb_pods_mac(const struct nb_pods *pods, struct nb_inventory *traces, const struct nb_link *link,
		unsigned char mac[NB_MAC_LEN]);

/* Whether the comment of a masquerade rule of the network names one of these pods. */
bool nb_pods_have_rule(const struct nb_pods *pods, const char *network, const char *comment);

#endif
