// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of metrics: name, help, type, and where the samples of a network come from. */
#include "datapath_metrics.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/counters.h"
#include "lib/maps/layout.h"

#include "exposition.h"

/* What a row's put() is given. */
struct target {
	const char *metric;
	const struct nb_network_stats *network;
	struct nb_strbuf *text;
};

static void put_readable(const struct target *at)
{
	nb_exposition_count(at->text, at->metric, NB_LABELS({ "network", at->network->name }),
			    at->network->readable);
}

static void put_info(const struct target *at)
{
	char layout[16];

	snprintf(layout, sizeof(layout), "%d", NB_ABI_VERSION);
	nb_exposition_count(at->text, at->metric,
			    NB_LABELS({ "network", at->network->name },
				      { "mode", nb_mode_name(at->network->mode) }, { "layout", layout }),
			    1);
}

static void put_behind(const struct target *at)
{
	nb_exposition_count(at->text, at->metric, NB_LABELS({ "network", at->network->name }),
			    at->network->behind);
}

static void put_counters(const struct target *at, const char *label, unsigned int from, unsigned int to)
{
	for (unsigned int i = from; i < to; i++)
		if (nb_counter_name(i))
			nb_exposition_count(
				at->text, at->metric,
				NB_LABELS({ "network", at->network->name }, { label, nb_counter_name(i) }),
				at->network->counters[i]);
}

static void put_drops(const struct target *at)
{
	put_counters(at, "reason", NB_DROP_BASE, NB_COUNTERS);
}

static void put_events(const struct target *at)
{
	put_counters(at, "event", NB_COUNT_NONE + 1, NB_DROP_BASE);
}

static void put_connections(const struct target *at)
{
	if (!at->network->tracks)
		return;
	for (unsigned int proto = 0; proto < NB_STATS_PROTOS; proto++)
		for (unsigned int i = 0; i < NB_TCP_STATES; i++)
			if (nb_stats_state_name(proto, i))
				nb_exposition_count(at->text, at->metric,
						    NB_LABELS({ "network", at->network->name },
							      { "protocol", nb_stats_proto_name(proto) },
							      { "state", nb_stats_state_name(proto, i) }),
						    at->network->connections[proto][i]);
}

static void put_max(const struct target *at)
{
	if (at->network->tracks)
		nb_exposition_count(at->text, at->metric, NB_LABELS({ "network", at->network->name }),
				    at->network->max);
}

static void put_ports(const struct target *at)
{
	for (unsigned int look = 0; look < NB_PORT_LOOKS; look++)
		nb_exposition_count(
			at->text, at->metric,
			NB_LABELS({ "network", at->network->name }, { "state", nb_port_look_name(look) }),
			at->network->ports[look]);
}

static void put_maps(const struct target *at, bool capacity)
{
	for (unsigned int i = 0; i < NB_USAGE_MAPS; i++)
		if (at->network->maps[i].has)
			nb_exposition_count(at->text, at->metric,
					    NB_LABELS({ "network", at->network->name },
						      { "map", nb_map_name(nb_usage_maps[i]) }),
					    capacity ? at->network->maps[i].capacity
						     : at->network->maps[i].entries);
}

static void put_entries(const struct target *at)
{
	put_maps(at, false);
}

static void put_capacity(const struct target *at)
{
	put_maps(at, true);
}

/* ---- by Service ---- */

enum { NB_SERVICE_LABELS = 5 };

/* Labels of a Service's series, with one more; name: NULL: none. */
static void service_labels(const struct target *at, const struct nb_service_numbers *numbers,
			   const struct nb_metric_label *one_more, char space[NB_NAME_MAX],
			   struct nb_metric_label labels[NB_SERVICE_LABELS])
{
	const char *slash = strchr(numbers->name, '/');

	snprintf(space, NB_NAME_MAX, "%.*s", slash ? (int)(slash - numbers->name) : 0, numbers->name);
	labels[0] = (struct nb_metric_label){ "network", at->network->name };
	labels[1] = (struct nb_metric_label){ "namespace", space };
	labels[2] = (struct nb_metric_label){ "service", slash ? slash + 1 : "other" };
	labels[3] = *one_more;
	labels[4] = (struct nb_metric_label){ 0 };
}

static void put_service(const struct target *at, const struct nb_service_numbers *numbers, const char *label,
			const char *value, uint64_t count)
{
	const struct nb_metric_label one_more = { label, value };
	struct nb_metric_label labels[NB_SERVICE_LABELS];
	char space[NB_NAME_MAX];

	service_labels(at, numbers, &one_more, space, labels);
	nb_exposition_count(at->text, at->metric, labels, count);
}

static void put_directions(const struct target *at, const struct nb_service_numbers *numbers,
			   const uint64_t counts[2])
{
	put_service(at, numbers, "direction", "request", counts[0]);
	put_service(at, numbers, "direction", "reply", counts[1]);
}

static void put_service_connections(const struct target *at)
{
	for (size_t i = 0; i < at->network->services.n; i++)
		put_service(at, &at->network->services.items[i], NULL, NULL,
			    at->network->services.items[i].connections);
}

static void put_service_begun(const struct target *at)
{
	for (size_t i = 0; at->network->followed && i < at->network->services.n; i++)
		put_service(at, &at->network->services.items[i], NULL, NULL,
			    at->network->services.items[i].begun);
}

/* Counters, or what there is at the moment. */
static void put_traffic(const struct target *at, bool counters, bool bytes)
{
	if (!at->network->counts || at->network->followed != counters)
		return;
	for (size_t i = 0; i < at->network->services.n; i++) {
		const struct nb_service_numbers *numbers = &at->network->services.items[i];
		const struct nb_service_traffic *traffic = counters ? &numbers->traffic : &numbers->carried;

		put_directions(at, numbers, bytes ? traffic->bytes : traffic->packets);
	}
}

static void put_service_packets(const struct target *at)
{
	put_traffic(at, true, false);
}

static void put_service_bytes(const struct target *at)
{
	put_traffic(at, true, true);
}

static void put_service_carried_packets(const struct target *at)
{
	put_traffic(at, false, false);
}

static void put_service_carried_bytes(const struct target *at)
{
	put_traffic(at, false, true);
}

/* Those that there were: most Services never have any. */
static void put_service_drops(const struct target *at)
{
	for (size_t i = 0; i < at->network->services.n; i++)
		for (unsigned int k = 0; k < NB_DROP_REASONS; k++)
			if (at->network->services.items[i].drops[k] && nb_counter_name(NB_DROP_BASE + k))
				put_service(at, &at->network->services.items[i], "reason",
					    nb_counter_name(NB_DROP_BASE + k),
					    at->network->services.items[i].drops[k]);
}

static const struct row {
	const char *name, *help;
	void (*put)(const struct target *at);
	enum nb_metric_type type;
	bool always; /* also of a network that cannot be read */
} rows[] = {
	{ "natbridge_datapath_readable", "1: the maps of the network could be read.", put_readable,
	  NB_METRIC_GAUGE, true },
	{ "natbridge_datapath_info", "A network of this node; always 1.", put_info, NB_METRIC_GAUGE, false },
	{ "natbridge_datapath_behind", "1: ports have programs of another version of natbridge.", put_behind,
	  NB_METRIC_GAUGE, false },
	{ "natbridge_datapath_drops_total", "Packets that were dropped, by reason.", put_drops,
	  NB_METRIC_COUNTER, false },
	{ "natbridge_datapath_events_total", "What happened to connections and single packets.", put_events,
	  NB_METRIC_COUNTER, false },
	{ "natbridge_datapath_connections", "Live connections, by protocol and state.", put_connections,
	  NB_METRIC_GAUGE, false },
	{ "natbridge_datapath_connections_limit", "Connections that the table may hold.", put_max,
	  NB_METRIC_GAUGE, false },
	{ "natbridge_datapath_ports", "Ports of pods, by state.", put_ports, NB_METRIC_GAUGE, false },
	{ "natbridge_datapath_map_entries", "Elements in a map; of connections, expired ones, too.",
	  put_entries, NB_METRIC_GAUGE, false },
	{ "natbridge_datapath_map_capacity", "Elements that a map can hold.", put_capacity, NB_METRIC_GAUGE,
	  false },
	{ "natbridge_service_connections", "Live connections to a Service.", put_service_connections,
	  NB_METRIC_GAUGE, false },
	{ "natbridge_service_connections_total", "Connections to a Service that have begun.",
	  put_service_begun, NB_METRIC_COUNTER, false },
	{ "natbridge_service_packets_total", "Packets of connections to a Service, by direction.",
	  put_service_packets, NB_METRIC_COUNTER, false },
	{ "natbridge_service_bytes_total",
	  "Bytes of connections to a Service, from the IP header on, by direction.", put_service_bytes,
	  NB_METRIC_COUNTER, false },
	{ "natbridge_service_carried_packets",
	  "Packets that live connections to a Service have carried so far.", put_service_carried_packets,
	  NB_METRIC_GAUGE, false },
	{ "natbridge_service_carried_bytes", "Bytes that live connections to a Service have carried so far.",
	  put_service_carried_bytes, NB_METRIC_GAUGE, false },
	{ "natbridge_service_drops_total", "Packets to a Service that were dropped, by reason.",
	  put_service_drops, NB_METRIC_COUNTER, false },
};

void nb_datapath_metrics_write(const struct nb_node_stats *stats, struct nb_strbuf *text)
{
	for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
		nb_exposition_head(text, row->name, row->help, row->type);
		for (size_t i = 0; i < stats->all.n; i++) {
			const struct target at = { row->name, &stats->all.items[i], text };

			if (row->always || at.network->readable)
				row->put(&at);
		}
	}
}
