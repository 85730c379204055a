// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts what the agent does. */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util/error.h"
#include "lib/util/strbuf.h"
#include "lib/util/vec.h"

#include "families.h"
#include "metrics_state.h"
#include "process_stats.h"

/* kube-proxy's buckets are made of steps: so many bounds from one on, in ms. */
static const struct {
	unsigned int from, step, n;
} program_steps[] = {
	{ 250, 250, 2 },
	{ 1000, 1000, 59 },
	{ 60000, 5000, 12 },
	{ 120000, 30000, 7 },
};

static void set_bounds(struct nb_metrics *metrics)
{
	size_t n = 0;

	for (size_t i = 0; i < NB_SYNC_BUCKETS; i++)
		metrics->sync_bounds[i] = 1U << i;
	for (size_t i = 0; i < sizeof(program_steps) / sizeof(program_steps[0]); i++)
		for (unsigned int k = 0; k < program_steps[i].n; k++)
			metrics->program_bounds[n++] = program_steps[i].from + k * program_steps[i].step;
}

struct nb_metrics *nb_metrics_new(struct nb_error *err)
{
	struct nb_metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics) {
		nb_fail_nomem(err);
		return NULL;
	}
	metrics->start_time = nb_process_stats_read().start_time;
	set_bounds(metrics);
	return metrics;
}

void nb_metrics_free(struct nb_metrics **metrics)
{
	struct nb_metrics *old = *metrics;

	*metrics = NULL;
	if (!old)
		return;
	for (size_t i = 0; i < old->networks.n; i++)
		free(old->networks.items[i].name);
	nb_vec_free(&old->networks);
	nb_vec_free(&old->watches);
	nb_node_stats_free(&old->node);
	nb_service_books_free(&old->books);
	free(old);
}

int nb_metrics_watch(struct nb_metrics *metrics, const char *name, const struct nb_watch_stats *stats,
		     struct nb_error *err)
{
	const struct nb_metrics_watched watched = { .name = name, .stats = stats };

	return nb_vec_push(&metrics->watches, watched, err);
}

void nb_metrics_datapath(struct nb_metrics *metrics, const struct nb_pin_root *root)
{
	metrics->pin_root = *root;
}

void nb_metrics_requests(struct nb_metrics *metrics, const struct nb_http_stats *stats)
{
	metrics->requests = stats;
}

void nb_metrics_set(struct nb_metrics *metrics, enum nb_gauge gauge, uint64_t value)
{
	metrics->gauges[gauge] = value;
}

void nb_metrics_changed(struct nb_metrics *metrics, enum nb_metrics_object object)
{
	metrics->changes[object]++;
	metrics->pending[object]++;
}

static double now(void)
{
	struct timespec ts;
	int64_t ms;

	clock_gettime(CLOCK_REALTIME, &ts);
	ms = ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
	return (double)ms / 1000;
}

static void stamp(double at[NB_FAMILIES], unsigned int families)
{
	for (unsigned int i = 0; i < NB_FAMILIES; i++)
		if (families & (1U << i))
			at[i] = now();
}

void nb_metrics_queued(struct nb_metrics *metrics, unsigned int families)
{
	stamp(metrics->queued_at, families);
}

/* The first of bounds[n] that is not below the value. */
static size_t bucket(const unsigned int *bounds, size_t n, double ms)
{
	size_t i = 0;

	while (i < n && ms > bounds[i])
		i++;
	return i;
}

static void observe_sync(struct nb_metrics *metrics, enum nb_sync_kind kind,
			 const struct nb_metrics_sync *sync)
{
	const size_t at = bucket(metrics->sync_bounds, NB_SYNC_BUCKETS, sync->seconds * 1000);

	for (unsigned int i = 0; i < NB_FAMILIES; i++) {
		if (!(sync->families & (1U << i)))
			continue;
		metrics->syncs[kind][i].counts[at]++;
		metrics->syncs[kind][i].sum += sync->seconds;
	}
}

void nb_metrics_synced(struct nb_metrics *metrics, const struct nb_metrics_sync *sync)
{
	observe_sync(metrics, NB_SYNC_ANY, sync);
	observe_sync(metrics, sync->full ? NB_SYNC_FULL : NB_SYNC_PARTIAL, sync);
	if (sync->ok)
		nb_metrics_settled(metrics, sync->families);
}

void nb_metrics_settled(struct nb_metrics *metrics, unsigned int families)
{
	stamp(metrics->synced_at, families);
	memset(metrics->pending, 0, sizeof(metrics->pending));
}

void nb_metrics_programmed(struct nb_metrics *metrics, unsigned int families, int64_t ms)
{
	const double seconds = ms > 0 ? (double)ms / 1000 : 0;
	const size_t at = bucket(metrics->program_bounds, NB_PROGRAM_BUCKETS, seconds * 1000);

	for (unsigned int i = 0; i < NB_FAMILIES; i++) {
		if (!(families & (1U << i)))
			continue;
		metrics->programmed[i].counts[at]++;
		metrics->programmed[i].sum += seconds;
	}
}

static struct nb_metrics_network *find_network(struct nb_metrics *metrics, const char *name)
{
	for (size_t i = 0; i < metrics->networks.n; i++)
		if (!strcmp(metrics->networks.items[i].name, name))
			return &metrics->networks.items[i];
	return NULL;
}

static struct nb_metrics_network *add_network(struct nb_metrics *metrics, const char *name)
{
	struct nb_metrics_network network = { 0 };

	if (nb_strdup(name, &network.name, NULL))
		return NULL;
	if (nb_vec_push(&metrics->networks, network, NULL)) {
		free(network.name);
		return NULL;
	}
	return &metrics->networks.items[metrics->networks.n - 1];
}

void nb_metrics_written(struct nb_metrics *metrics, const char *network, bool ok)
{
	struct nb_metrics_network *row = find_network(metrics, network);

	if (!row)
		row = add_network(metrics, network);
	if (!row)
		return;
	row->written += ok;
	row->failed += !ok;
}

void nb_metrics_forget_network(struct nb_metrics *metrics, const char *network)
{
	struct nb_metrics_network *row = find_network(metrics, network);

	if (!row)
		return;
	free(row->name);
	*row = metrics->networks.items[--metrics->networks.n];
}

void nb_metrics_probed(struct nb_metrics *metrics, enum nb_metrics_probe probe, bool healthy)
{
	metrics->probes[probe][healthy]++;
}
