/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_TAKEOVER_H
#define NATBRIDGE_AGENT_TAKEOVER_H

/*
 * With "serviceProxy: node": whether a kube-proxy serves this node. Its rules are refused at start or, with
 * "takeover: true", removed once this node is served without them. Rules that come later are only reported: a
 * kube-proxy that runs would put them back, or is to take the node back.
 */

#include <stdbool.h>

#include "lib/firewall/kube_find.h"
#include "lib/util/error.h"

#include "loop.h"

struct nb_agent_config;
struct nb_node_side;

struct nb_takeover {
	const struct nb_agent_config *config;
	const struct nb_node_side *side;
	struct nb_loop *loop;
	struct nb_timer look;
	bool has_begun; /* this node is served without kube-proxy */
	struct nb_kube_found found, said;
};

/* Before anything is changed: NB_ERR_NOT_AVAILABLE, with what was found and what to do about it. */
int nb_takeover_check(const struct nb_agent_config *config, struct nb_error *err);

/*
 * Looks each minute, from the time on when this node is served. The caller sets config and side before,
 * zeroes the rest, and frees *takeover.
 */
void nb_takeover_start(struct nb_takeover *takeover, struct nb_loop *loop);
void nb_takeover_free(struct nb_takeover *takeover); /* for nb_cleanup() */

/* If this node is served by now: removes kube-proxy's rules, if that is to be done. Only once. */
int nb_takeover_begin(struct nb_takeover *takeover, struct nb_error *err);

#endif
