// SPDX-License-Identifier: GPL-2.0-or-later
/* Collects endpoints from slices, and chooses by condition, node and topology. */
#include "endpoint_set.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

void nb_kube_endpoint_set_free(struct nb_kube_endpoint_set *set)
{
	nb_vec_free(&set->all);
}

/* ---- the endpoints ---- */

static int compare_addresses(const struct nb_kube_candidate *x, const struct nb_kube_candidate *y)
{
	int order = memcmp(&x->endpoint->addr, &y->endpoint->addr, sizeof(x->endpoint->addr));

	return order ? order : (int)ntohs(x->port) - (int)ntohs(y->port);
}

/* The better one of two with one address first. */
static int compare_candidates(const void *a, const void *b)
{
	const struct nb_kube_candidate *x = a, *y = b;
	int order = compare_addresses(x, y);

	if (!order)
		order = x->endpoint->terminating - y->endpoint->terminating;
	if (!order)
		order = y->endpoint->ready - x->endpoint->ready;
	return order ? order : y->endpoint->serving - x->endpoint->serving;
}

/* Adds the endpoints of a slice, at each of its ports with that name and protocol. */
static int add_slice(struct nb_kube_endpoint_set *set, const struct nb_kube_slice *slice,
		     const struct nb_kube_port *port, struct nb_error *err)
{
	for (size_t p = 0; p < slice->ports.n; p++) {
		const struct nb_kube_port *target = &slice->ports.items[p];

		if (!target->port || target->proto != port->proto || strcmp(target->name, port->name))
			continue;
		for (size_t i = 0; i < slice->endpoints.n; i++) {
			const struct nb_kube_candidate candidate = {
				.endpoint = &slice->endpoints.items[i],
				.port = target->port,
			};

			if (nb_vec_push(&set->all, candidate, err))
				return -ENOMEM;
		}
	}
	return 0;
}

int nb_kube_endpoint_set_collect(struct nb_kube_endpoint_set *set, const struct nb_kube_slice *const *slices,
				 size_t n, int family, const struct nb_kube_port *port, struct nb_error *err)
{
	size_t last = 0;

	for (size_t i = 0; i < n; i++) {
		int rc = slices[i]->family == family ? add_slice(set, slices[i], port, err) : 0;

		if (rc)
			return rc;
	}
	if (!set->all.n)
		return 0;
	qsort(set->all.items, set->all.n, sizeof(*set->all.items), compare_candidates);
	for (size_t i = 1; i < set->all.n; i++)
		if (compare_addresses(&set->all.items[last], &set->all.items[i]))
			set->all.items[++last] = set->all.items[i];
	set->all.n = last + 1;
	return 0;
}

/* ---- the choice ---- */

/* How hints limit the choice. */
enum topology {
	TOPOLOGY_NONE,
	TOPOLOGY_ZONE,
	TOPOLOGY_NODE,
};

static bool hints_zone(const struct nb_kube_endpoint *endpoint, const struct nb_kube_view *view)
{
	return view->zone && nb_kube_endpoint_hints_zone(endpoint, view->zone);
}

/* Hints count if all ready endpoints have them, and some are meant for this node or its zone. */
static enum topology find_topology(const struct nb_kube_endpoint_set *set, const struct nb_kube_view *view)
{
	bool all_nodes = true, all_zones = true, some_here = false, some_in_zone = false;

	for (size_t i = 0; i < set->all.n; i++) {
		const struct nb_kube_endpoint *endpoint = set->all.items[i].endpoint;

		if (!endpoint->ready)
			continue;
		all_nodes &= endpoint->hints_node;
		all_zones &= endpoint->zones != NULL;
		some_here |= endpoint->hints_here;
		some_in_zone |= hints_zone(endpoint, view);
	}
	if (all_nodes && some_here)
		return TOPOLOGY_NODE;
	return all_zones && some_in_zone ? TOPOLOGY_ZONE : TOPOLOGY_NONE;
}

/* Whether a ready endpoint is meant for this node. */
static enum nb_kube_choice by_topology(const struct nb_kube_endpoint *endpoint, enum topology topology,
				       const struct nb_kube_view *view)
{
	if (topology == TOPOLOGY_NODE && !endpoint->hints_here)
		return NB_KUBE_FOR_OTHER_NODES;
	if (topology == TOPOLOGY_ZONE && !hints_zone(endpoint, view))
		return NB_KUBE_FOR_OTHER_ZONES;
	return NB_KUBE_READY;
}

static size_t choose_ready(struct nb_kube_endpoint_set *set, bool local, const struct nb_kube_view *view)
{
	enum topology topology = local ? TOPOLOGY_NONE : find_topology(set, view);
	size_t n = 0;

	for (size_t i = 0; i < set->all.n; i++) {
		struct nb_kube_candidate *candidate = &set->all.items[i];
		const struct nb_kube_endpoint *endpoint = candidate->endpoint;

		if (!endpoint->ready)
			candidate->choice = endpoint->terminating ? NB_KUBE_TERMINATING : NB_KUBE_NOT_READY;
		else if (local && !endpoint->local)
			candidate->choice = NB_KUBE_ELSEWHERE;
		else
			candidate->choice = by_topology(endpoint, topology, view);
		n += nb_kube_is_chosen(candidate);
	}
	return n;
}

/* Instead of ready ones: what still serves although it terminates (KEP-1669). */
static void choose_terminating(struct nb_kube_endpoint_set *set, bool local)
{
	for (size_t i = 0; i < set->all.n; i++) {
		const struct nb_kube_endpoint *endpoint = set->all.items[i].endpoint;

		if (!endpoint->serving || !endpoint->terminating)
			continue;
		set->all.items[i].choice =
			local && !endpoint->local ? NB_KUBE_ELSEWHERE : NB_KUBE_LAST_RESORT;
	}
}

static bool has_chosen(const struct nb_kube_endpoint_set *set)
{
	for (size_t i = 0; i < set->all.n; i++)
		if (nb_kube_is_chosen(&set->all.items[i]))
			return true;
	return false;
}

static bool has_usable(const struct nb_kube_endpoint_set *set)
{
	for (size_t i = 0; i < set->all.n; i++) {
		const struct nb_kube_endpoint *endpoint = set->all.items[i].endpoint;

		if (endpoint->ready || (endpoint->serving && endpoint->terminating))
			return true;
	}
	return false;
}

void nb_kube_endpoint_set_choose(struct nb_kube_endpoint_set *set, enum nb_kube_policy policy,
				 const struct nb_kube_view *view, bool *elsewhere)
{
	const bool local = policy == NB_KUBE_POLICY_LOCAL && view->has_node;

	*elsewhere = false;
	if (choose_ready(set, local, view))
		return;
	choose_terminating(set, local);
	*elsewhere = !has_chosen(set) && has_usable(set);
}
