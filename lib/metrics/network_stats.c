// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a network's maps and ports, and counts. */
#include "network_stats.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/conn_life.h>

#include "lib/datapath/datapath.h"
#include "lib/datapath/port_state.h"
#include "lib/datapath/renew.h"
#include "lib/maps/conntrack.h"
#include "lib/maps/counters.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

/* ---- names ---- */

static const struct {
	const char *name;
	int number;
} protos[NB_STATS_PROTOS] = {
	[NB_STATS_TCP] = { "tcp", IPPROTO_TCP },
	[NB_STATS_UDP] = { "udp", IPPROTO_UDP },
	[NB_STATS_SCTP] = { "sctp", IPPROTO_SCTP },
};

enum { UNREPLIED, REPLIED, ASSURED, UDP_STATES };

const char *nb_stats_proto_name(enum nb_stats_proto proto)
{
	return protos[proto].name;
}

const char *nb_stats_state_name(enum nb_stats_proto proto, unsigned int state)
{
	static const char *const udp[UDP_STATES] = { "UNREPLIED", "REPLIED", "ASSURED" };
	const char *name;

	if (proto == NB_STATS_UDP)
		return state < UDP_STATES ? udp[state] : NULL;
	if (proto == NB_STATS_SCTP && state == NB_SCTP_CLOSED)
		return NULL;
	name = nb_conn_state_name(protos[proto].number, state);
	return !name || !strcmp(name, "UNKNOWN") ? NULL : name;
}

/* ---- connections ---- */

static void count_connection(struct nb_network_stats *stats, const struct nb_conn_info *info)
{
	const unsigned int flags = nb_life_flags(info->conn.life);
	unsigned int state = nb_life_state(info->conn.life);

	if (info->orig.proto == IPPROTO_UDP)
		state = flags & NB_LIFE_ASSURED ? ASSURED : flags & NB_LIFE_SEEN_REPLY ? REPLIED : UNREPLIED;
	if (info->orig.proto == IPPROTO_SCTP && state == NB_SCTP_CLOSED)
		state = NB_SCTP_NONE;
	for (int i = 0; i < NB_STATS_PROTOS && state < NB_TCP_STATES; i++)
		stats->connections[i][state] += protos[i].number == info->orig.proto;
}

struct connection_walk {
	struct nb_network_stats *stats;
	struct nb_service_book *book;
	struct nb_error *err;
};

static int look_at_connection(const struct nb_conn_copy *copy, const struct nb_conn_info *info, void *arg)
{
	const struct connection_walk *walk = arg;

	if (info)
		count_connection(walk->stats, info);
	return nb_service_book_take(walk->book, copy, info, walk->err);
}

static bool is_wanted(__u32 pair_id, __u64 life, void *arg)
{
	const struct connection_walk *walk = arg;

	return walk->stats->followed && nb_service_book_wants(walk->book, pair_id, life);
}

static int compare_services(const void *a, const void *b)
{
	return strcmp(((const struct nb_service_numbers *)a)->name,
		      ((const struct nb_service_numbers *)b)->name);
}

static int take_services(struct nb_network_stats *stats, const struct nb_service_book *book,
			 struct nb_error *err)
{
	const struct nb_service_numbers *numbers;
	size_t i = 0;
	int rc = 0;

	while (!rc && (numbers = nb_service_book_get(book, &i)))
		rc = nb_vec_push(&stats->services, *numbers, err);
	if (stats->services.n)
		qsort(stats->services.items, stats->services.n, sizeof(*stats->services.items),
		      compare_services);
	return rc;
}

static int count_with_book(const struct nb_datapath *dp, struct nb_network_stats *stats,
			   struct nb_service_book *book, struct nb_error *err)
{
	struct connection_walk look = { stats, book, err };
	const struct nb_conntrack_walk walk = { look_at_connection, is_wanted, &look };
	int rc = nb_service_look_begin(book, dp, err);

	rc = rc ? rc : nb_conntrack_walk(dp, &walk, err);
	rc = rc ? rc : nb_service_look_end(book, dp, err);
	return rc ? rc : take_services(stats, book, err);
}

static int count_connections(const struct nb_datapath *dp, struct nb_network_stats *stats,
			     struct nb_service_books *books, struct nb_error *err)
{
	nb_cleanup(nb_service_book_free) struct nb_service_book *single = NULL;
	struct nb_service_book *book;

	stats->tracks = nb_datapath_has(dp, NB_MODE_EBPF) || nb_datapath_has(dp, NB_MODE_NODE);
	if (!stats->tracks)
		return 0;
	stats->counts = dp->map_fd[NB_MAP_ACCOUNTS] >= 0;
	stats->followed = books;
	if (!books)
		single = nb_service_book_new(true, err);
	book = books ? nb_service_books_get(books, stats->name, err) : single;
	return book ? count_with_book(dp, stats, book, err) : -ENOMEM;
}

/* ---- ports ---- */

struct port_walk {
	const struct nb_datapath *dp;
	struct nb_port_links links;
	struct nb_network_stats *stats;
};

static void port_walk_free(struct port_walk *walk)
{
	nb_port_links_free(&walk->links);
}

static int look_at_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct port_walk *walk = arg;
	const struct nb_port *ports = values;

	(void)keys;
	for (__u32 i = 0; i < n; i++)
		if (ports[i].ifindex)
			walk->stats->ports[nb_port_look(walk->dp, &walk->links, ports[i].ifindex)]++;
	return 0;
}

static int count_ports(const struct nb_datapath *dp, struct nb_network_stats *stats, struct nb_error *err)
{
	nb_cleanup(port_walk_free) struct port_walk walk = { .dp = dp, .stats = stats };
	int rc = nb_port_links_here(dp, &walk.links, err);

	return rc ? rc : nb_map_walk(dp, NB_MAP_PORTS, look_at_ports, &walk, err);
}

/* ---- all of it ---- */

static int count_maps(const struct nb_datapath *dp, struct nb_network_stats *stats, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < NB_USAGE_MAPS && !rc; i++) {
		stats->maps[i].has = dp->map_fd[nb_usage_maps[i]] >= 0;
		if (!stats->maps[i].has)
			continue;
		rc = nb_map_capacity(dp, nb_usage_maps[i], &stats->maps[i].capacity, err);
		rc = rc ? rc : nb_map_count(dp, nb_usage_maps[i], &stats->maps[i].entries, err);
	}
	return rc;
}

static int read_datapath(const struct nb_datapath *dp, struct nb_service_books *books,
			 struct nb_network_stats *stats, struct nb_error *err)
{
	struct nb_settings settings;
	int rc = nb_datapath_mode(dp, &stats->mode, err);

	rc = rc ? rc : nb_settings_read(dp, &settings, err);
	if (rc)
		return rc;
	stats->behind = nb_renew_is_due(dp) || settings.flags & NB_SETTINGS_BEHIND;
	stats->max = settings.max;
	rc = nb_counters_read(dp, stats->counters, err);
	rc = rc ? rc : count_connections(dp, stats, books, err);
	rc = rc ? rc : count_ports(dp, stats, err);
	return rc ? rc : count_maps(dp, stats, err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct nb_network_stats *)a)->name, ((const struct nb_network_stats *)b)->name);
}

static void one_free(struct nb_network_stats *one)
{
	free(one->name);
	nb_vec_free(&one->services);
}

void nb_node_stats_free(struct nb_node_stats *stats)
{
	for (size_t i = 0; i < stats->all.n; i++)
		one_free(&stats->all.items[i]);
	nb_vec_free(&stats->all);
}

/* Only its name. */
static int begin_one(const char *network, struct nb_network_stats *one, struct nb_error *err)
{
	*one = (struct nb_network_stats){ 0 };
	return nb_strdup(network, &one->name, err);
}

/* dp: NULL for a network that could not be opened. */
static int add(struct nb_node_stats *stats, const char *network, const struct nb_datapath *dp,
	       struct nb_service_books *books, struct nb_error *err)
{
	nb_cleanup(one_free) struct nb_network_stats one = { 0 };
	int rc = begin_one(network, &one, err), added;

	if (rc)
		return rc;
	rc = dp ? read_datapath(dp, books, &one, err) : 0;
	if (rc) {
		one_free(&one);
		added = begin_one(network, &one, NULL);
	} else {
		one.readable = dp;
		added = 0;
	}
	added = added ? added : nb_vec_push(&stats->all, one, rc ? NULL : err);
	if (added)
		return rc ? rc : added;
	one = (struct nb_network_stats){ 0 }; /* taken */
	qsort(stats->all.items, stats->all.n, sizeof(*stats->all.items), compare);
	return rc;
}

int nb_node_stats_add(struct nb_node_stats *stats, const char *network, const struct nb_datapath *dp,
		      struct nb_service_books *books, struct nb_error *err)
{
	return add(stats, network, dp, books, err);
}

struct reading {
	const struct nb_pin_root *root;
	struct nb_service_books *books;
	struct nb_node_stats *stats;
	struct nb_error *err; /* NULL: there was one */
	int first;
};

static int read_network(const char *network, void *arg)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct reading *reading = arg;
	int rc = nb_datapath_open(reading->root, network, false, &dp, reading->err), added;

	added = add(reading->stats, network, rc ? NULL : &dp, reading->books, rc ? NULL : reading->err);
	rc = rc ? rc : added;
	if (rc && !reading->first) {
		reading->first = rc;
		reading->err = NULL;
	}
	return 0;
}

int nb_node_stats_read(const struct nb_pin_root *root, struct nb_service_books *books,
		       struct nb_node_stats *stats, struct nb_error *err)
{
	struct reading reading = { .root = root, .books = books, .stats = stats, .err = err };
	int rc;

	if (books)
		nb_service_books_begin(books);
	rc = nb_datapath_each(root, read_network, &reading, err);
	if (books)
		nb_service_books_end(books);
	return reading.first ? reading.first : rc;
}
