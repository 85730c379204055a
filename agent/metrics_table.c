// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of metrics: name, help, type, and where the samples come from. */
#include "metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <natbridge/version.h>

#include "lib/metrics/datapath_metrics.h"
#include "lib/metrics/exposition.h"
#include "lib/metrics/network_stats.h"
#include "lib/util/strbuf.h"

#include "families.h"
#include "http_stats.h"
#include "metrics_state.h"
#include "process_stats.h"
#include "watch.h"
#include "web.h"

/* What a scrape reads. */
struct scrape {
	const struct nb_metrics *metrics;
	struct nb_process_stats process;
	struct nb_strbuf *text;
};

struct row {
	const char *name, *help;
	enum nb_metric_type type;
	void (*put)(const struct scrape *scrape, const struct row *row);
	size_t from; /* put() knows of what: an index, or an offset */
};

/* from: offset in struct nb_metrics of a uint64_t. */
static void put_number(const struct scrape *scrape, const struct row *row)
{
	const uint64_t *value = (const void *)((const char *)scrape->metrics + row->from);

	nb_exposition_count(scrape->text, row->name, NB_LABELS(), *value);
}

/* from: offset in struct nb_metrics of a double for each family. */
static void put_stamps(const struct scrape *scrape, const struct row *row)
{
	const double *values = (const void *)((const char *)scrape->metrics + row->from);

	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		nb_exposition_value(scrape->text, row->name, NB_LABELS({ "ip_family", nb_family_name(i) }),
				    values[i]);
}

/* from: enum nb_sync_kind. */
static void put_syncs(const struct scrape *scrape, const struct row *row)
{
	for (unsigned int i = 0; i < NB_FAMILIES; i++) {
		const struct nb_sync_histogram *sync = &scrape->metrics->syncs[row->from][i];

		nb_exposition_histogram(scrape->text, row->name,
					NB_LABELS({ "ip_family", nb_family_name(i) }),
					&(struct nb_histogram){ .bounds = scrape->metrics->sync_bounds,
								.n = NB_SYNC_BUCKETS,
								.counts = sync->counts,
								.sum = sync->sum });
	}
}

static void put_programmed(const struct scrape *scrape, const struct row *row)
{
	for (unsigned int i = 0; i < NB_FAMILIES; i++) {
		const struct nb_program_histogram *programmed = &scrape->metrics->programmed[i];

		nb_exposition_histogram(scrape->text, row->name,
					NB_LABELS({ "ip_family", nb_family_name(i) }),
					&(struct nb_histogram){ .bounds = scrape->metrics->program_bounds,
								.n = NB_PROGRAM_BUCKETS,
								.counts = programmed->counts,
								.sum = programmed->sum });
	}
}

static void put_no_local(const struct scrape *scrape, const struct row *row)
{
	static const struct {
		const char *policy;
		enum nb_gauge gauge; /* of IPv4; the next one is of IPv6 */
	} policies[] = {
		{ "internal", NB_GAUGE_NO_LOCAL_INTERNAL },
		{ "external", NB_GAUGE_NO_LOCAL_EXTERNAL },
	};

	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		for (size_t k = 0; k < sizeof(policies) / sizeof(policies[0]); k++)
			nb_exposition_count(scrape->text, row->name,
					    NB_LABELS({ "ip_family", nb_family_name(i) },
						      { "traffic_policy", policies[k].policy }),
					    scrape->metrics->gauges[policies[k].gauge + i]);
}

/* from: enum nb_metrics_probe. */
static void put_probes(const struct scrape *scrape, const struct row *row)
{
	for (unsigned int healthy = 0; healthy < 2; healthy++)
		nb_exposition_count(scrape->text, row->name, NB_LABELS({ "code", healthy ? "200" : "503" }),
				    scrape->metrics->probes[row->from][healthy]);
}

/* from: offset of a uint64_t in struct nb_metrics_network. */
static void put_networks(const struct scrape *scrape, const struct row *row)
{
	for (size_t i = 0; i < scrape->metrics->networks.n; i++) {
		const struct nb_metrics_network *network = &scrape->metrics->networks.items[i];
		const uint64_t *value = (const void *)((const char *)network + row->from);

		nb_exposition_count(scrape->text, row->name, NB_LABELS({ "network", network->name }), *value);
	}
}

enum watch_value { WATCH_UINT64, WATCH_BOOL, WATCH_TIME };

static void put_watch_value(const struct scrape *scrape, const struct row *row, enum watch_value kind)
{
	for (size_t i = 0; i < scrape->metrics->watches.n; i++) {
		const struct nb_metrics_watched *watch = &scrape->metrics->watches.items[i];
		const struct nb_metric_label *labels = NB_LABELS({ "resource", watch->name });
		const void *at = (const char *)watch->stats + row->from;

		if (kind == WATCH_TIME)
			nb_exposition_value(scrape->text, row->name, labels,
					    (double)*(const int64_t *)at / 1000);
		else
			nb_exposition_count(scrape->text, row->name, labels,
					    kind == WATCH_BOOL ? *(const bool *)at : *(const uint64_t *)at);
	}
}

/* from: offset in struct nb_watch_stats of a uint64_t, a bool, or milliseconds since the epoch. */
static void put_watch_counts(const struct scrape *scrape, const struct row *row)
{
	put_watch_value(scrape, row, WATCH_UINT64);
}

static void put_watch_flags(const struct scrape *scrape, const struct row *row)
{
	put_watch_value(scrape, row, WATCH_BOOL);
}

static void put_watch_times(const struct scrape *scrape, const struct row *row)
{
	put_watch_value(scrape, row, WATCH_TIME);
}

static void put_requests(const struct scrape *scrape, const struct row *row)
{
	const struct nb_http_stats *stats = scrape->metrics->requests;
	char code[16];

	for (size_t i = 0; stats && i < stats->n_codes; i++) {
		const struct nb_http_code *at = &stats->codes[i];

		snprintf(code, sizeof(code), "%d", at->code);
		nb_exposition_count(scrape->text, row->name,
				    NB_LABELS({ "code", at->code ? code : "<error>" },
					      { "host", stats->hosts[at->host].name }, { "method", "GET" }),
				    at->n);
	}
}

static void put_request_times(const struct scrape *scrape, const struct row *row)
{
	const struct nb_http_stats *stats = scrape->metrics->requests;

	for (size_t i = 0; stats && i < stats->n_hosts; i++) {
		const struct nb_http_host *host = &stats->hosts[i];

		nb_exposition_histogram(scrape->text, row->name,
					NB_LABELS({ "verb", "GET" }, { "host", host->name }),
					&(struct nb_histogram){ .bounds = nb_http_buckets_ms,
								.n = NB_HTTP_BUCKETS,
								.counts = host->buckets,
								.sum = host->sum_ms / 1000.0 });
	}
}

static void put_clocks(const struct scrape *scrape, const struct row *row)
{
	const struct nb_http_stats *stats = scrape->metrics->requests;

	for (size_t i = 0; stats && i < stats->n_hosts; i++)
		if (stats->hosts[i].has_clock)
			nb_exposition_value(scrape->text, row->name,
					    NB_LABELS({ "host", stats->hosts[i].name }),
					    (double)stats->hosts[i].clock_offset);
}

/* from: offset of a double in struct nb_process_stats. */
static void put_process(const struct scrape *scrape, const struct row *row)
{
	const double *value = (const void *)((const char *)&scrape->process + row->from);

	nb_exposition_value(scrape->text, row->name, NB_LABELS(), *value);
}

static void put_build(const struct scrape *scrape, const struct row *row)
{
	nb_exposition_count(scrape->text, row->name, NB_LABELS({ "version", NB_VERSION }), 1);
}

#define AT(member)      offsetof(struct nb_metrics, member)
#define GAUGES(id)      offsetof(struct nb_metrics, gauges[id])
#define WATCH(member)   offsetof(struct nb_watch_stats, member)
#define NETWORK(member) offsetof(struct nb_metrics_network, member)
#define PROCESS(member) offsetof(struct nb_process_stats, member)

#define COUNTER   NB_METRIC_COUNTER
#define GAUGE     NB_METRIC_GAUGE
#define HISTOGRAM NB_METRIC_HISTOGRAM

/* clang-format off */
static const struct row rows[] = {
	/* kube-proxy's */
	{ "kubeproxy_sync_proxy_rules_duration_seconds", "Time of writing the tables.",
	  HISTOGRAM, put_syncs, NB_SYNC_ANY },
	{ "kubeproxy_sync_full_proxy_rules_duration_seconds",
	  "Time of writing the tables, all of them compared.",
	  HISTOGRAM, put_syncs, NB_SYNC_FULL },
	{ "kubeproxy_sync_partial_proxy_rules_duration_seconds",
	  "Time of writing what changed in the tables.",
	  HISTOGRAM, put_syncs, NB_SYNC_PARTIAL },
	{ "kubeproxy_network_programming_duration_seconds",
	  "Time from the change of a Service or pod until the tables had it.",
	  HISTOGRAM, put_programmed, 0 },
	{ "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When the tables were last written.",
	  GAUGE, put_stamps, AT(synced_at) },
	{ "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
	  "When a write of the tables was last asked for.",
	  GAUGE, put_stamps, AT(queued_at) },
	{ "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
	  "Services with a policy of Local and no endpoint on this node.",
	  GAUGE, put_no_local, 0 },
	{ "kubeproxy_sync_proxy_rules_endpoint_changes_pending",
	  "Changes of EndpointSlices that are not written yet.",
	  GAUGE, put_number, AT(pending[NB_METRICS_ENDPOINTS]) },
	{ "kubeproxy_sync_proxy_rules_endpoint_changes_total", "Changes of EndpointSlices.",
	  COUNTER, put_number, AT(changes[NB_METRICS_ENDPOINTS]) },
	{ "kubeproxy_sync_proxy_rules_service_changes_pending",
	  "Changes of Services that are not written yet.",
	  GAUGE, put_number, AT(pending[NB_METRICS_SERVICE]) },
	{ "kubeproxy_sync_proxy_rules_service_changes_total", "Changes of Services.",
	  COUNTER, put_number, AT(changes[NB_METRICS_SERVICE]) },
	{ "kubeproxy_proxy_healthz_total", "Answers of /healthz.",
	  COUNTER, put_probes, NB_METRICS_HEALTHZ },
	{ "kubeproxy_proxy_livez_total", "Answers of /livez.",
	  COUNTER, put_probes, NB_METRICS_LIVEZ },

	/* client-go's */
	{ "rest_client_requests_total", "Requests to API servers.",
	  COUNTER, put_requests, 0 },
	{ "rest_client_request_duration_seconds", "Time until an API server began its answer.",
	  HISTOGRAM, put_request_times, 0 },

	/* natbridge's */
	{ "natbridge_build_info", "The version of natbridge; always 1.",
	  GAUGE, put_build, 0 },
	{ "natbridge_networks", "Networks that the agent serves.",
	  GAUGE, put_number, GAUGES(NB_GAUGE_NETWORKS) },
	{ "natbridge_services", "Services of the cluster that count on this node.",
	  GAUGE, put_number, GAUGES(NB_GAUGE_SERVICES) },
	{ "natbridge_endpoints", "Endpoints of these Services, ready or not.",
	  GAUGE, put_number, GAUGES(NB_GAUGE_ENDPOINTS) },
	{ "natbridge_frontends", "Addresses with ports in a network's table.",
	  GAUGE, put_number, GAUGES(NB_GAUGE_FRONTENDS) },
	{ "natbridge_ports", "Ports whose programs the agent looks after.",
	  GAUGE, put_number, GAUGES(NB_GAUGE_PORTS) },
	{ "natbridge_ports_detached", "Ports whose programs have gone.",
	  GAUGE, put_number, GAUGES(NB_GAUGE_PORTS_DETACHED) },
	{ "natbridge_table_writes_total", "Writes of a network's table.",
	  COUNTER, put_networks, NETWORK(written) },
	{ "natbridge_table_write_failures_total", "Writes of a network's table that failed.",
	  COUNTER, put_networks, NETWORK(failed) },
	{ "natbridge_api_watch_synced", "1: all objects of the resource have been read once.",
	  GAUGE, put_watch_flags, WATCH(synced) },
	{ "natbridge_api_watch_up", "1: the server is sending changes.",
	  GAUGE, put_watch_flags, WATCH(up) },
	{ "natbridge_api_watch_restarts_total", "Lists and watches that were started.",
	  COUNTER, put_watch_counts, WATCH(requests) },
	{ "natbridge_api_watch_lists_total", "Full sets of objects that came whole.",
	  COUNTER, put_watch_counts, WATCH(sets) },
	{ "natbridge_api_watch_events_total", "Events, bookmarks included.",
	  COUNTER, put_watch_counts, WATCH(events) },
	{ "natbridge_api_watch_skipped_objects_total",
	  "Objects that were skipped, since they cannot be read.",
	  COUNTER, put_watch_counts, WATCH(bad) },
	{ "natbridge_api_watch_failures_total", "Tries that a pause or another server followed.",
	  COUNTER, put_watch_counts, WATCH(failures) },
	{ "natbridge_api_watch_last_event_timestamp_seconds",
	  "When the last event or the end of a list came.",
	  GAUGE, put_watch_times, WATCH(last_event_ms) },
	{ "natbridge_api_clock_offset_seconds",
	  "Time of an API server minus that of this node, at its last answer.",
	  GAUGE, put_clocks, 0 },

	/* those of Prometheus' clients */
	{ "process_cpu_seconds_total", "CPU time of the agent, user and system.",
	  COUNTER, put_process, PROCESS(cpu_seconds) },
	{ "process_resident_memory_bytes", "Resident memory.",
	  GAUGE, put_process, PROCESS(resident) },
	{ "process_virtual_memory_bytes", "Virtual memory.",
	  GAUGE, put_process, PROCESS(virtual_bytes) },
	{ "process_start_time_seconds", "When the agent was started.",
	  GAUGE, put_process, PROCESS(start_time) },
	{ "process_open_fds", "Open file descriptors.",
	  GAUGE, put_process, PROCESS(open_fds) },
	{ "process_max_fds", "Limit of open file descriptors.",
	  GAUGE, put_process, PROCESS(max_fds) },
};
/* clang-format on */

static int64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A network that cannot be read says so itself, as not readable. */
static void read_node(struct nb_metrics *metrics)
{
	const int64_t now = monotonic_ms();

	if (!*metrics->pin_root.path ||
	    (metrics->node_read_ms && now - metrics->node_read_ms < NB_METRICS_NODE_MS))
		return;
	nb_node_stats_free(&metrics->node);
	metrics->node = (struct nb_node_stats){ 0 };
	nb_node_stats_read(&metrics->pin_root, &metrics->books, &metrics->node, NULL);
	metrics->node_read_ms = now;
}

void nb_metrics_answer(struct nb_web_answer *answer, void *arg)
{
	struct scrape scrape = { .metrics = arg, .process = nb_process_stats_read(), .text = &answer->body };

	scrape.process.start_time = scrape.metrics->start_time;
	answer->type = NB_EXPOSITION_TYPE;
	for (const struct row *row = rows; row < rows + sizeof(rows) / sizeof(rows[0]); row++) {
		nb_exposition_head(scrape.text, row->name, row->help, row->type);
		row->put(&scrape, row);
	}
	read_node(arg);
	nb_datapath_metrics_write(&scrape.metrics->node, scrape.text);
}
