// SPDX-License-Identifier: GPL-2.0-or-later
/* The routes on nb0, made equal to the wanted ones. */
#include "node_routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "lib/net/netlink.h"
#include "lib/net/route.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "nb0.h"

/* A route of table main. */
struct entry {
	struct nb_route route;
	bool ours;
	bool keep; /* ours: not to be deleted */
};

/* A change of the routes. */
struct change {
	struct nb_netlink *nl;
	unsigned int ifindex;
	struct entry *entries; /* by destination and prefix length, ours in front */
	size_t n;
	nb_node_route_conflict_fn conflict;
	void *arg;
};

static int compare_dst(const struct nb_addr *a, unsigned int a_len, const struct nb_addr *b,
		       unsigned int b_len)
{
	int order = memcmp(a, b, sizeof(*a));

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* ---- checks ---- */

static int compare_wanted(const void *a, const void *b)
{
	const struct nb_node_route *first = *(const struct nb_node_route *const *)a;
	const struct nb_node_route *second = *(const struct nb_node_route *const *)b;

	return compare_dst(&first->dst, first->prefix_len, &second->dst, second->prefix_len);
}

static bool has_src(const struct nb_node_route *wanted, bool has, const struct nb_addr *src)
{
	return wanted->has_src == has && (!has || nb_addr_equal(&wanted->src, src));
}

static int check_one(const struct nb_node_route *wanted, struct nb_error *err)
{
	unsigned int max = nb_addr_is_v4(&wanted->dst) ? 32 : 128;
	char text[NB_ADDR_STRLEN];
	struct nb_addr network;

	nb_addr_format(&wanted->dst, text);
	if (wanted->prefix_len < 1 || wanted->prefix_len > max)
		return nb_fail(err, NB_ERR_CONFIG, 0, "route %s/%u: prefix length is not in 1..%u", text,
			       wanted->prefix_len, max);
	network = nb_addr_network(&wanted->dst, wanted->prefix_len);
	if (!nb_addr_equal(&network, &wanted->dst))
		return nb_fail(err, NB_ERR_CONFIG, 0, "route %s/%u: host bits are set", text,
			       wanted->prefix_len);
	if (wanted->has_src && nb_addr_family(&wanted->src) != nb_addr_family(&wanted->dst))
		return nb_fail(err, NB_ERR_CONFIG, 0, "route %s/%u: source of another family", text,
			       wanted->prefix_len);
	return 0;
}

/* Checks all. Lists them in *sorted, by destination and length, each once. */
static int check(const struct nb_node_route *wanted, size_t n, const struct nb_node_route ***sorted,
		 size_t *n_sorted, struct nb_error *err)
{
	nb_autofree const struct nb_node_route **list =
		calloc(n ? n : 1, sizeof(const struct nb_node_route *));
	size_t kept = 0;

	if (!list)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < n; i++) {
		int rc = check_one(&wanted[i], err);

		if (rc)
			return rc;
		list[i] = &wanted[i];
	}
	qsort(list, n, sizeof(const struct nb_node_route *), compare_wanted);
	for (size_t i = 0; i < n; i++) {
		char text[NB_ADDR_STRLEN];

		if (!kept || compare_wanted(&list[kept - 1], &list[i])) {
			list[kept++] = list[i];
			continue;
		}
		if (!has_src(list[kept - 1], list[i]->has_src, &list[i]->src))
			return nb_fail(err, NB_ERR_CONFIG, 0, "route %s/%u: given twice, with two sources",
				       nb_addr_format(&list[i]->dst, text), list[i]->prefix_len);
	}
	*sorted = NB_TAKE_PTR(list);
	*n_sorted = kept;
	return 0;
}

/* ---- what there is ---- */

static int compare_entries(const void *a, const void *b)
{
	const struct entry *first = a, *second = b;
	int order = compare_dst(&first->route.dst, first->route.prefix_len, &second->route.dst,
				second->route.prefix_len);

	return order ? order : second->ours - first->ours;
}

/* Lists table main into *entries, which the caller frees. */
static int list_entries(struct nb_netlink *nl, unsigned int ifindex, struct entry **entries, size_t *n,
			struct nb_error *err)
{
	static const int families[] = { AF_INET, AF_INET6 };
	NB_VEC(struct entry) found = { 0 };
	int rc = 0;

	for (unsigned int i = 0; !rc && i < sizeof(families) / sizeof(families[0]); i++) {
		const struct nb_route_query query = { .family = families[i],
						      .table = RT_TABLE_MAIN,
						      .any_type = true };
		nb_autofree struct nb_route *routes = NULL;
		unsigned int count = 0;

		rc = nb_route_query(nl, &query, &routes, &count, err);
		for (unsigned int j = 0; !rc && j < count; j++) {
			struct entry entry = { .route = routes[j] };

			entry.ours = routes[j].protocol == NB_ROUTE_PROTOCOL && routes[j].index == ifindex;
			rc = nb_vec_push(&found, entry, err);
		}
	}
	if (rc) {
		nb_vec_free(&found);
		return rc;
	}
	if (found.n)
		qsort(found.items, found.n, sizeof(*found.items), compare_entries);
	*entries = found.items;
	*n = found.n;
	return 0;
}

/* The entries with a destination: entries[first .. first + n - 1]. */
struct span {
	size_t first, n;
};

static struct span span_of(const struct entry *entries, size_t n, const struct nb_node_route *wanted)
{
	struct span span = { 0, 0 };
	size_t end = n;

	while (span.first < end) {
		size_t middle = span.first + (end - span.first) / 2;
		const struct nb_route *route = &entries[middle].route;

		if (compare_dst(&route->dst, route->prefix_len, &wanted->dst, wanted->prefix_len) < 0)
			span.first = middle + 1;
		else
			end = middle;
	}
	for (end = span.first; end < n; end++) {
		const struct nb_route *route = &entries[end].route;

		if (compare_dst(&route->dst, route->prefix_len, &wanted->dst, wanted->prefix_len))
			break;
	}
	span.n = end - span.first;
	return span;
}

/* The first route of somebody else in the span, NULL: there is none. */
static const struct nb_route *other_of(const struct entry *entries, struct span span)
{
	for (size_t i = span.first; i < span.first + span.n; i++)
		if (!entries[i].ours)
			return &entries[i].route;
	return NULL;
}

/* ---- changes ---- */

static int delete_ours(struct nb_netlink *nl, const struct entry *entry, struct nb_error *err)
{
	int rc = nb_route_delete(nl, &entry->route, err);

	return rc == -ESRCH ? 0 : rc;
}

/* Somebody has added a route since the listing: says so. */
static int tell_new_conflict(const struct change *change, const struct nb_node_route *wanted,
			     struct nb_error *err)
{
	nb_autofree struct entry *entries = NULL;
	const struct nb_route *other;
	size_t n = 0;
	int rc = list_entries(change->nl, change->ifindex, &entries, &n, err);

	if (rc)
		return rc;
	other = other_of(entries, span_of(entries, n, wanted));
	if (!other)
		return nb_fail(err, NB_ERR_SYSTEM, EAGAIN, "the routes changed meanwhile");
	if (change->conflict)
		change->conflict(wanted, other, change->arg);
	return 0;
}

/* Adds it with the metric that none of ours in the span has. */
static int add(const struct change *change, const struct nb_node_route *wanted, struct span span,
	       struct nb_error *err)
{
	struct nb_route route = {
		.dst = wanted->dst,
		.prefix_len = wanted->prefix_len,
		.index = change->ifindex,
		.scope = nb_addr_is_v4(&wanted->dst) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.has_src = wanted->has_src,
		.src = wanted->src,
		.protocol = NB_ROUTE_PROTOCOL,
		.priority = NB_ROUTE_METRIC,
	};
	int rc;

	for (size_t i = span.first; i < span.first + span.n; i++)
		if (change->entries[i].route.priority == NB_ROUTE_METRIC)
			route.priority = NB_ROUTE_METRIC_OTHER;
	/* Both are there only after a killed change. The first one carries the packets meanwhile. */
	for (size_t i = span.first; i < span.first + span.n; i++) {
		if (change->entries[i].route.priority != route.priority)
			continue;
		rc = delete_ours(change->nl, &change->entries[i], err);
		if (rc)
			return rc;
		change->entries[i].keep = true; /* gone; IPv6 would take the new one for it */
	}
	rc = nb_route_add_first(change->nl, &route, err);
	if (rc == -EOPNOTSUPP && !nb_addr_is_v4(&wanted->dst))
		return 0; /* a kernel without IPv6 (ipv6.disable=1) */
	return rc == -EEXIST ? tell_new_conflict(change, wanted, err) : rc;
}

static bool is_as_wanted(const struct nb_route *route, const struct nb_node_route *wanted)
{
	return route->type == RTN_UNICAST && !route->has_gw && has_src(wanted, route->has_src, &route->src);
}

static int set_one(const struct change *change, const struct nb_node_route *wanted, struct nb_error *err)
{
	struct span span = span_of(change->entries, change->n, wanted);
	const struct nb_route *other = other_of(change->entries, span);
	int rc;

	if (other) {
		if (change->conflict)
			change->conflict(wanted, other, change->arg);
		return 0;
	}
	for (size_t i = span.first; i < span.first + span.n; i++) {
		if (is_as_wanted(&change->entries[i].route, wanted)) {
			change->entries[i].keep = true;
			return 0;
		}
	}
	rc = add(change, wanted, span, err);
	for (size_t i = span.first; rc && i < span.first + span.n; i++)
		change->entries[i].keep = true;
	return rc;
}

/* Sets *rc to result and *err to its error, unless an earlier one is there. */
static void note(int *rc, struct nb_error *err, int result, const struct nb_error *its)
{
	if (!result || *rc)
		return;
	*rc = result;
	if (err)
		*err = *its;
}

int nb_node_routes_set(struct nb_netlink *nl, unsigned int ifindex, const struct nb_node_route *wanted,
		       size_t n, nb_node_route_conflict_fn conflict, void *arg, struct nb_error *err)
{
	struct change change = { .nl = nl, .ifindex = ifindex, .conflict = conflict, .arg = arg };
	nb_autofree const struct nb_node_route **sorted = NULL;
	nb_autofree struct entry *entries = NULL;
	size_t n_sorted = 0;
	int rc = check(wanted, n, &sorted, &n_sorted, err);

	if (rc)
		return rc;
	rc = list_entries(nl, ifindex, &entries, &change.n, err);
	if (rc)
		return rc;
	change.entries = entries;
	for (size_t i = 0; i < n_sorted; i++) {
		struct nb_error its = { 0 };

		note(&rc, err, set_one(&change, sorted[i], &its), &its);
	}
	for (size_t i = 0; i < change.n; i++) {
		struct nb_error its = { 0 };

		if (entries[i].ours && !entries[i].keep)
			note(&rc, err, delete_ours(nl, &entries[i], &its), &its);
	}
	return rc;
}

int nb_node_routes_remove(struct nb_netlink *nl, struct nb_error *err)
{
	struct nb_nb0 nb0;
	int rc = nb_nb0_find(nl, &nb0, err);

	if (rc)
		return rc == -ENODEV ? 0 : rc;
	return nb_node_routes_set(nl, nb0.ifindex, NULL, 0, NULL, NULL, err);
}
