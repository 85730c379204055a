/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_NODE_SIDE_H
#define NATBRIDGE_AGENT_NODE_SIDE_H

/*
 * Services for the node itself and for clients outside, with "serviceProxy: node": nb0, its routes, and
 * programs at the node's devices (lib/node/node.h), as links, addresses and service ranges come and go. What
 * is in the node's table, tables.h writes.
 */

#include <stdbool.h>

#include "lib/kube/kind.h"
#include "lib/util/error.h"

#include "loop.h"

struct nb_agent_config;
struct nb_cluster;

struct nb_node_side {
	const struct nb_agent_config *config;
	const struct nb_cluster *cluster;
	struct nb_loop *loop;
	struct nb_loop_fd events; /* rtnetlink */
	struct nb_timer look, again;
	bool outside;       /* some Service has had something for clients outside */
	bool is_filled;     /* the table is equal to the cluster: routes may lead to it */
	bool has_failed;    /* the last time: said once */
	char problem[256];  /* why it has failed */
	unsigned int cidrs; /* nb_service_cidrs.changes that it has followed */
	char said[256];     /* the conflict of routes that was logged last */
};

/*
 * Follows the links. The caller sets config and cluster before, zeroes the rest but for events.fd, -1, and
 * frees *side, also on failure.
 */
int nb_node_side_start(struct nb_node_side *side, struct nb_loop *loop, struct nb_error *err);
void nb_node_side_free(struct nb_node_side *side); /* for nb_cleanup() */

/* The cluster has changed: addresses of the Node and ranges of Services are followed in a moment. */
void nb_node_side_changed(struct nb_node_side *side, enum nb_kube_kind kind);

/*
 * The node's table is equal to the cluster. Once the service ranges are known as well, routes lead to it,
 * from then on.
 */
int nb_node_side_filled(struct nb_node_side *side, struct nb_error *err);

/* NULL: all is as it should be, as far as it is known; else what is not, valid until the next call of the
 * loop. */
const char *nb_node_side_problem(const struct nb_node_side *side);

/* Whether the node needs no kube-proxy any more: routes of known ranges lead to the table. */
bool nb_node_side_serves(const struct nb_node_side *side);

/* Removes all of it from this node; there is nothing: 0. */
int nb_node_side_clean(const struct nb_agent_config *config, struct nb_error *err);

#endif
