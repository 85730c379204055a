/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_METRICS_STATE_H
#define NATBRIDGE_AGENT_METRICS_STATE_H

/* What metrics.c counts and metrics_table.c writes. */

#include <stddef.h>
#include <stdint.h>

#include "lib/metrics/network_stats.h"
#include "lib/util/vec.h"

#include "families.h"
#include "metrics.h"

/* SYNC: 1 ms to 16.384 s; PROGRAM: 0.25 s to 5 min. */
enum { NB_SYNC_BUCKETS = 15, NB_PROGRAM_BUCKETS = 80 };

enum nb_sync_kind { NB_SYNC_ANY, NB_SYNC_FULL, NB_SYNC_PARTIAL, NB_SYNC_KINDS };

struct nb_sync_histogram {
	uint64_t counts[NB_SYNC_BUCKETS + 1];
	double sum;
};

struct nb_program_histogram {
	uint64_t counts[NB_PROGRAM_BUCKETS + 1];
	double sum;
};

struct nb_metrics_watched {
	const char *name;
	const struct nb_watch_stats *stats;
};

struct nb_metrics_network {
	char *name; /* owned */
	uint64_t written, failed;
};

struct nb_metrics {
	NB_VEC(struct nb_metrics_watched) watches;
	NB_VEC(struct nb_metrics_network) networks;
	const struct nb_http_stats *requests; /* NULL: none */
	struct nb_pin_root pin_root;          /* empty: not known */
	struct nb_node_stats node;            /* as it was at node_read_ms, of CLOCK_MONOTONIC; 0: never */
	int64_t node_read_ms;
	struct nb_service_books books;
	double start_time; /* of the process; one value, since alerts compare it */

	unsigned int sync_bounds[NB_SYNC_BUCKETS], program_bounds[NB_PROGRAM_BUCKETS]; /* ms */
	struct nb_sync_histogram syncs[NB_SYNC_KINDS][NB_FAMILIES];
	struct nb_program_histogram programmed[NB_FAMILIES];
	double queued_at[NB_FAMILIES], synced_at[NB_FAMILIES]; /* seconds since the epoch; 0: never */
	uint64_t gauges[NB_GAUGES];
	uint64_t changes[NB_METRICS_OBJECTS], pending[NB_METRICS_OBJECTS];
	uint64_t probes[NB_METRICS_PROBES][2]; /* [1]: healthy */
};

#endif
