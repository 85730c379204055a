// SPDX-License-Identifier: GPL-2.0-or-later
/* Four watches and what they write: the table, the view of the node, and service ranges. */
#include "cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/kube/object.h"
#include "lib/kube/slice.h"
#include "lib/kube/view.h"
#include "lib/net/ifaddr.h"
#include "lib/net/netlink.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"
#include "lib/util/strbuf.h"

#include "config.h"
#include "log.h"
#include "loop.h"
#include "memory.h"

enum { WATCH_NODE, WATCH_SERVICES, WATCH_SLICES, WATCH_CIDRS };
enum { SAID_MS = 3600 * 1000 }; /* until a text is logged again */

const char *const nb_cluster_watch_names[NB_CLUSTER_WATCHES] = {
	[WATCH_NODE] = "nodes",
	[WATCH_SERVICES] = "services",
	[WATCH_SLICES] = "endpointslices",
	[WATCH_CIDRS] = "servicecidrs",
};

/* Whether a text about an object is news: the same object comes again with each of its changes. */
static bool is_news(struct nb_cluster *cluster, const char *text)
{
	const uint64_t hash = nb_fnv1a_64(NB_FNV1A_64_START, text, strlen(text));
	const int64_t now = nb_loop_now();
	const size_t at = hash % NB_CLUSTER_SAID;

	if (cluster->said[at].hash == hash && now - cluster->said[at].ms < SAID_MS)
		return false;
	cluster->said[at].hash = hash;
	cluster->said[at].ms = now;
	return true;
}

static void note(const char *text, void *arg)
{
	if (is_news(arg, text))
		nb_log_warning("Left out", NB_TEXT("what", text));
}

/* Out of memory is all that can fail so that the table misses something: the process starts anew. */
static void check(int rc, const struct nb_error *err)
{
	if (!rc)
		return;
	nb_log_error("Out of memory", NB_TEXT("err", err->msg));
	exit(1);
}

/* ---- Services and EndpointSlices ---- */

static void skipped(struct nb_cluster *cluster, const struct nb_error *err)
{
	if (is_news(cluster, err->msg))
		nb_log_warning("Skipped an object", NB_TEXT("err", err->msg));
}

static void put(struct nb_cluster *cluster, enum nb_kube_kind kind, const struct nb_json *object)
{
	struct nb_error err = { 0 };
	int rc = nb_kube_table_put(cluster->table, kind, object, &err);

	if (rc && err.code != NB_ERR_SYSTEM)
		skipped(cluster, &err);
	else
		check(rc, &err);
	cluster->changed(kind, cluster->arg);
}

static void take_away(struct nb_cluster *cluster, enum nb_kube_kind kind, const struct nb_json *object)
{
	struct nb_error err = { 0 };
	int rc = nb_kube_table_remove(cluster->table, kind, object, &err);

	if (rc && err.code != NB_ERR_SYSTEM)
		nb_log_warning("Skipped a deletion", NB_TEXT("err", err.msg));
	else
		check(rc, &err);
	cluster->changed(kind, cluster->arg);
}

static void keep(struct nb_cluster *cluster, enum nb_kube_kind kind, const char *namespace, const char *name)
{
	char full[NB_KUBE_NAME_MAX];
	struct nb_error err = { 0 };

	snprintf(full, sizeof(full), "%.63s/%.253s", namespace, name);
	check(nb_kube_table_keep(cluster->table, kind, full, &err), &err);
}

/* The API servers of the cluster are the endpoints of default/kubernetes. */
static void learn_servers(struct nb_cluster *cluster)
{
	struct nb_servers_endpoint endpoints[NB_SERVERS_MAX];
	const struct nb_kube_slice *const *slices;
	char path[512];
	struct nb_error err = { 0 };
	size_t n_slices, n = 0;

	slices = nb_kube_table_slices(cluster->table, "default/kubernetes", &n_slices);
	for (size_t i = 0; i < n_slices; i++)
		for (size_t k = 0; k < slices[i]->endpoints.n && slices[i]->ports.n && n < NB_SERVERS_MAX;
		     k++)
			endpoints[n++] =
				(struct nb_servers_endpoint){ slices[i]->endpoints.items[k].addr,
							      ntohs(slices[i]->ports.items[0].port) };
	if (!n || !nb_servers_learn(cluster->api->servers, endpoints, n))
		return;
	nb_log_info(0, "API servers learned", NB_NUMBER("count", n));
	if (!*cluster->config->state_dir)
		return;
	snprintf(path, sizeof(path), "%s/api-servers", cluster->config->state_dir);
	if (nb_servers_save(cluster->api->servers, path, &err))
		nb_log_warning("API servers are not kept on disk", NB_TEXT("err", err.msg));
}

static void end(struct nb_cluster *cluster, enum nb_kube_kind kind)
{
	struct nb_error err = { 0 };

	check(nb_kube_table_end(cluster->table, kind, &err), &err);
	if (kind == NB_KUBE_SLICE)
		learn_servers(cluster);
	cluster->changed(kind, cluster->arg);
}

/* The same functions for both kinds. */
#define TABLE_OWNER(prefix, kind)                                                                            \
	static void prefix##_begin(void *arg)                                                                \
	{                                                                                                    \
		nb_kube_table_begin(((struct nb_cluster *)arg)->table, kind);                                \
	}                                                                                                    \
	static void prefix##_end(void *arg)                                                                  \
	{                                                                                                    \
		end(arg, kind);                                                                              \
	}                                                                                                    \
	static void prefix##_abort(void *arg)                                                                \
	{                                                                                                    \
		nb_kube_table_abort(((struct nb_cluster *)arg)->table, kind);                                \
	}                                                                                                    \
	static void prefix##_put(const struct nb_json *object, void *arg)                                    \
	{                                                                                                    \
		put(arg, kind, object);                                                                      \
	}                                                                                                    \
	static void prefix##_remove(const struct nb_json *object, void *arg)                                 \
	{                                                                                                    \
		take_away(arg, kind, object);                                                                \
	}                                                                                                    \
	static void prefix##_bad(const char *namespace, const char *name, const char *why, void *arg)        \
	{                                                                                                    \
		(void)why; /* the watch has logged it */                                                     \
		keep(arg, kind, namespace, name);                                                            \
	}                                                                                                    \
	static const struct nb_watch_owner prefix##_owner = {                                                \
		prefix##_begin, prefix##_end, prefix##_abort, prefix##_put, prefix##_remove, prefix##_bad,   \
	}

TABLE_OWNER(service, NB_KUBE_SERVICE);
TABLE_OWNER(slice, NB_KUBE_SLICE);

/* ---- the Node ---- */

/* The node's addresses for NodePorts, into *addrs, owned. */
struct addresses {
	NB_VEC(struct nb_addr) all;
};

static void addresses_free(struct addresses *addrs)
{
	nb_vec_free(&addrs->all);
}

static bool is_in_range(const char *range, const struct nb_addr *addr)
{
	struct nb_addr base, a, b;
	unsigned int len;

	if (!nb_cidr_parse(range, &base, &len) || nb_addr_family(&base) != nb_addr_family(addr))
		return false;
	a = nb_addr_network(&base, len);
	b = nb_addr_network(addr, len);
	return nb_addr_equal(&a, &b);
}

/* Adds the addresses of links that are in a range. */
static int add_from_links(const char *range, struct addresses *addrs, struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	nb_autofree struct nb_ifaddr *found = NULL;
	unsigned int n = 0;
	int rc = nb_netlink_open(&nl, err);

	rc = rc ? rc : nb_ifaddr_list(&nl, 0, AF_UNSPEC, &found, &n, err);
	for (unsigned int i = 0; i < n && !rc; i++)
		if (nb_addr_is_routable(&found[i].addr) && is_in_range(range, &found[i].addr))
			rc = nb_vec_push(&addrs->all, found[i].addr, err);
	return rc;
}

static int find_addresses(const struct nb_cluster *cluster, struct addresses *addrs, struct nb_error *err)
{
	const struct nb_agent_list *wanted = &cluster->config->node_ports;
	int rc = 0;

	for (size_t i = 0; i < wanted->n && !rc; i++) {
		if (strcmp(wanted->items[i], "primary")) {
			rc = add_from_links(wanted->items[i], addrs, err);
			continue;
		}
		for (unsigned int k = 0; k < cluster->node.n_addrs && !rc; k++)
			rc = nb_vec_push(&addrs->all, cluster->node.addrs[k], err);
	}
	return rc;
}

/* Tells the table, if the view differs from what it has. */
static int set_view(struct nb_cluster *cluster, struct nb_error *err)
{
	nb_cleanup(addresses_free) struct addresses addrs = { 0 };
	struct nb_kube_view view = { .outside = cluster->config->serves_node,
				     .excluded = cluster->excluded,
				     .n_excluded = cluster->config->excluded.n };
	char *zone = NULL;
	int rc = find_addresses(cluster, &addrs, err);

	if (!rc && cluster->node.zone)
		rc = nb_strdup(cluster->node.zone, &zone, err);
	if (rc)
		return rc;
	view.zone = zone;
	view.node_addrs = addrs.all.items;
	view.n_node_addrs = addrs.all.n;
	nb_kube_table_set_view(cluster->table, &view);
	free(cluster->node_addrs);
	free(cluster->zone);
	cluster->node_addrs = addrs.all.items;
	cluster->zone = zone;
	addrs.all.items = NULL;
	return 0;
}

static void update_view(struct nb_cluster *cluster)
{
	struct nb_error err = { 0 };

	if (set_view(cluster, &err))
		nb_log_error("The node's addresses are not known", NB_TEXT("err", err.msg));
	cluster->changed(NB_KUBE_NODE, cluster->arg);
}

void nb_cluster_addresses_changed(struct nb_cluster *cluster)
{
	for (size_t i = 0; i < cluster->config->node_ports.n; i++)
		if (strcmp(cluster->config->node_ports.items[i], "primary")) {
			update_view(cluster);
			return;
		}
}

static bool node_equal(const struct nb_kube_node *a, const struct nb_kube_node *b)
{
	return !a->zone == !b->zone && (!a->zone || !strcmp(a->zone, b->zone)) && a->n_addrs == b->n_addrs &&
	       !memcmp(a->addrs, b->addrs, a->n_addrs * sizeof(*a->addrs));
}

static void node_put(const struct nb_json *object, void *arg)
{
	nb_cleanup(nb_kube_node_free) struct nb_kube_node node = { 0 };
	struct nb_cluster *cluster = arg;
	struct nb_kube_meta meta = { 0 };
	struct nb_error err = { 0 };
	int rc = nb_kube_read_meta(object, true, &meta, &err);
	bool same, changed;

	rc = rc ? rc : nb_kube_node_read(object, &meta, &node, &err);
	if (rc) {
		nb_log_warning("Skipped this Node", NB_TEXT("err", err.msg));
		return;
	}
	cluster->node_put = true;
	same = cluster->has_node && node_equal(&cluster->node, &node);
	changed = !same || cluster->node.eligible != node.eligible;
	cluster->node.eligible = node.eligible;
	if (!same) {
		const struct nb_kube_node old = cluster->node;

		cluster->node = node;
		node = old;
		cluster->has_node = true;
		nb_log_info(0, "Node known", NB_TEXT("name", cluster->config->node),
			    NB_TEXT("zone", cluster->node.zone),
			    NB_NUMBER("addresses", cluster->node.n_addrs));
		nb_memory_give_back(); /* what connecting took: mostly, the other objects are still to come */
		update_view(cluster);
	} else if (changed) {
		cluster->changed(NB_KUBE_NODE, cluster->arg);
	}
}

/* The zone goes with the Node; NodePorts stay where they are. */
static void node_gone(struct nb_cluster *cluster)
{
	if (!cluster->has_node)
		return;
	nb_log_warning("The cluster has no Node of this name any more",
		       NB_TEXT("name", cluster->config->node));
	cluster->has_node = false;
	free(cluster->node.zone);
	cluster->node.zone = NULL;
	update_view(cluster);
}

static void node_begin(void *arg)
{
	((struct nb_cluster *)arg)->node_put = false;
}

static void node_end(void *arg)
{
	struct nb_cluster *cluster = arg;

	if (!cluster->node_put && !cluster->has_node)
		nb_log_warning("The cluster has no Node of this name yet: is it that of the kubelet?",
			       NB_TEXT("name", cluster->config->node));
	if (!cluster->node_put)
		node_gone(cluster);
	cluster->changed(NB_KUBE_NODE, cluster->arg);
}

static void node_abort(void *arg)
{
	(void)arg;
}

static void node_remove(const struct nb_json *object, void *arg)
{
	(void)object;
	((struct nb_cluster *)arg)->node_put = false;
	node_gone(arg);
}

static void node_bad(const char *namespace, const char *name, const char *why, void *arg)
{
	(void)namespace;
	(void)name;
	(void)why;
	((struct nb_cluster *)arg)->node_put = true;
}

static const struct nb_watch_owner node_owner = {
	node_begin, node_end, node_abort, node_put, node_remove, node_bad,
};

/* ---- start and end ---- */

/* Objects that kube-proxy leaves to another proxy (cmd/kube-proxy/app/server.go). */
#define OURS "!service.kubernetes.io/service-proxy-name,!service.kubernetes.io/headless"

static const struct nb_watch_config watch_configs[NB_CLUSTER_WATCHES] = {
	[WATCH_NODE] = { .path = "/api/v1/nodes", .kind = "Node", .owner = &node_owner },
	[WATCH_SERVICES] = { .path = "/api/v1/services",
			     .kind = "Service",
			     .label_selector = OURS,
			     .owner = &service_owner },
	[WATCH_SLICES] = { .path = "/apis/discovery.k8s.io/v1/endpointslices",
			   .kind = "EndpointSlice",
			   .label_selector = OURS,
			   .owner = &slice_owner },
	[WATCH_CIDRS] = { .path = "/apis/networking.k8s.io/v1/servicecidrs",
			  .kind = "ServiceCIDR",
			  .owner = &nb_service_cidrs_owner,
			  .absent = nb_service_cidrs_absent },
};

static void on_cidrs(void *arg)
{
	struct nb_cluster *cluster = arg;

	cluster->changed(NB_KUBE_SERVICE, cluster->arg);
}

static int read_excluded(struct nb_cluster *cluster, struct nb_error *err)
{
	const struct nb_agent_list *list = &cluster->config->excluded;

	cluster->excluded = calloc(list->n + 1, sizeof(*cluster->excluded));
	if (!cluster->excluded)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < list->n; i++)
		nb_addr_parse(list->items[i], &cluster->excluded[i]);
	return 0;
}

int nb_cluster_start(struct nb_cluster *cluster, struct nb_loop *loop, struct nb_api *api,
		     const struct nb_agent_config *config, struct nb_error *err)
{
	const struct nb_kube_note notes = { note, cluster };
	static char field[300];
	int rc;

	cluster->config = config;
	cluster->api = api;
	cluster->cidrs.changed = on_cidrs;
	cluster->cidrs.arg = cluster;
	cluster->table = nb_kube_table_new(&notes, config->node, err);
	if (!cluster->table)
		return -ENOMEM;
	rc = read_excluded(cluster, err);
	rc = rc ? rc : set_view(cluster, err);
	if (rc)
		return rc;
	snprintf(field, sizeof(field), "metadata.name=%s", config->node);
	for (size_t i = 0; i < NB_CLUSTER_WATCHES; i++) {
		struct nb_watch_config watch = watch_configs[i];

		watch.name = nb_cluster_watch_names[i];
		watch.field_selector = i == WATCH_NODE ? field : NULL;
		watch.arg = i == WATCH_CIDRS ? (void *)&cluster->cidrs : cluster;
		watch.times = &nb_watch_times;
		cluster->watches[i] = nb_watch_new(loop, api, &watch, err);
		if (!cluster->watches[i])
			return -ENOMEM;
	}
	return 0;
}

void nb_cluster_free(struct nb_cluster *cluster)
{
	for (size_t i = 0; i < NB_CLUSTER_WATCHES; i++)
		nb_watch_free(&cluster->watches[i]);
	nb_service_cidrs_free(&cluster->cidrs);
	nb_kube_table_free(&cluster->table);
	nb_kube_node_free(&cluster->node);
	free(cluster->node_addrs);
	free(cluster->excluded);
	free(cluster->zone);
}

bool nb_cluster_is_synced(const struct nb_cluster *cluster)
{
	for (size_t i = 0; i < NB_CLUSTER_WATCHES; i++)
		if (i != WATCH_CIDRS && !nb_watch_stats(cluster->watches[i])->synced)
			return false;
	return true;
}
