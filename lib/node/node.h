/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NODE_NODE_H
#define NATBRIDGE_LIB_NODE_NODE_H

/*
 * Services for the node itself and for clients outside: the node's own table (mode node, pinned as that of
 * a network with a name that no network can have), nb0 with its routes, and programs at the node's devices.
 * What is in the table is not written here.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/datapath/load.h"
#include "lib/datapath/pin_path.h"
#include "lib/util/error.h"

#include "node_routes.h"

/* Sources of the node's connections to itself, unless the operator says others. */
#define NB_NODE_SELF4 "169.254.110.48"
#define NB_NODE_SELF6 "fd6e:6230::1"

struct nb_node_config {
	const struct nb_pin_root *root;
	struct nb_limits limits;
	const char *const *patterns; /* names of devices, see devices.h; n_patterns 0: those with addresses */
	size_t n_patterns;
	struct nb_addr self[2];             /* of IPv6 (0) and IPv4 (1), which no link has */
	const struct nb_node_route *ranges; /* what leads to nb0, beside self */
	size_t n_ranges;
	bool fast_path; /* new connections of clients outside and pods pass by the host's IP stack */
	bool outside;   /* the table has something for clients outside, or is about to have */
	bool keep;      /* the table is not filled yet: routes stay, and so does who is served */
};

/*
 * Makes all of it as *config says, in the network namespace of the caller, the node's: what is missing is
 * made, and what has changed follows. Writes nothing if nothing differs. Routes of others to a range are told
 * to conflict, as in node_routes.h. Call it again when links, addresses or ranges have changed.
 */
int nb_node_ensure(const struct nb_node_config *config, nb_node_route_conflict_fn conflict, void *arg,
		   struct nb_error *err);

/* Removes programs, nb0 and its routes. Nothing of them is there: 0. Goes on after an error. */
int nb_node_take_down(const struct nb_pin_root *root, struct nb_error *err);

/* The same, and the pins. */
int nb_node_remove(const struct nb_pin_root *root, struct nb_error *err);

#endif
