/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_EACH_NETWORK_H
#define NATBRIDGE_CLI_EACH_NETWORK_H

/* From the command line to the datapath of the network that it names, or of each network of the node. */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "cli.h"

/* Called for one network, whose datapath is open. */
typedef int (*nb_network_fn)(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			     void *arg, struct nb_error *err);

enum nb_access {
	NB_READ,
	NB_CHANGE, /* with the lock */
	/* With the lock; loads a datapath for the network of --network if it has none. */
	NB_ENSURE,
	/* A flag: networks in mode assist are passed over; it is an error if --network names one. */
	NB_TRANSLATING = 1 << 2,
};

/* The networks that nb_each_network() went through. */
struct nb_visited {
	unsigned int n;        /* fn was called for them */
	unsigned int assisted; /* passed over: in mode assist */
	char first_assisted[256];
};

/*
 * Opens the network of the command line, or each network of the node in the order of the names, brings the
 * states of its ports up to date, and calls fn. Goes on after errors; the first one is in *err, with the name
 * of its network. NB_ERR_NOT_SET_UP: --network names a network without a datapath. visited may be NULL.
 */
int nb_each_network(const struct nb_cli *cli, unsigned int access, nb_network_fn fn, void *arg,
		    struct nb_visited *visited, struct nb_error *err);

/* For a command that needs a network: an error that says why fn was called for none. */
int nb_require_network(const struct nb_cli *cli, const struct nb_visited *visited, struct nb_error *err);

/* For a listing: a note if it is empty because all networks are in mode assist. */
void nb_note_assisted(const struct nb_visited *visited);

/*
 * Makes -ENOENT, with which a datapath could not be opened, NB_ERR_NOT_SET_UP in *err if the network has no
 * pins at all: its first ADD is still to come. Leaves other errors as they are. Returns the error.
 */
int nb_explain_missing(const struct nb_cli *cli, const char *network, int rc, struct nb_error *err);

/*
 * Brings up to date which ports are cut off from the bridge, as every command does that opens a datapath. A
 * failure is printed as a warning, since nobody asked for it.
 */
void nb_follow_ports(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp);

#endif
