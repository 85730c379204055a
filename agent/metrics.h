/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_METRICS_H
#define NATBRIDGE_AGENT_METRICS_H

/*
 * The numbers of the agent, and how Prometheus gets them. Names, labels and buckets are kube-proxy's
 * where they mean the same, so that its dashboards run unchanged. The rest begins with natbridge_.
 *
 * Families are bits of families.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/datapath/pin_path.h"
#include "lib/util/error.h"

struct nb_http_stats;
struct nb_metrics;
struct nb_watch_stats;
struct nb_web_answer;

/* The caller frees it. NULL: *err. */
struct nb_metrics *nb_metrics_new(struct nb_error *err);
void nb_metrics_free(struct nb_metrics **metrics); /* for nb_cleanup() */

/* Read at each scrape; they outlive the metrics. name is a constant: "services". */
int nb_metrics_watch(struct nb_metrics *metrics, const char *name, const struct nb_watch_stats *stats,
		     struct nb_error *err);
/*
 * Where networks are pinned, whose numbers stand at the end of each scrape; not called: there are none. They
 * are read at most once in NB_METRICS_NODE_MS, since that walks their tables.
 */
enum { NB_METRICS_NODE_MS = 5000 };
void nb_metrics_datapath(struct nb_metrics *metrics, const struct nb_pin_root *root);
void nb_metrics_requests(struct nb_metrics *metrics, const struct nb_http_stats *stats);

/* Numbers that the agent sets. */
enum nb_gauge {
	NB_GAUGE_NETWORKS,       /* that the agent serves */
	NB_GAUGE_SERVICES,       /* of the cluster, that count here */
	NB_GAUGE_ENDPOINTS,      /* of these Services, ready or not */
	NB_GAUGE_FRONTENDS,      /* addresses with ports, in one network's table */
	NB_GAUGE_PORTS,          /* with programs, that the agent looks after */
	NB_GAUGE_PORTS_DETACHED, /* of these, whose programs have gone */
	/* Ports of Services with a traffic policy of Local, endpoints, and none here: of IPv4, of IPv6. */
	NB_GAUGE_NO_LOCAL_INTERNAL,
	NB_GAUGE_NO_LOCAL_INTERNAL_V6,
	NB_GAUGE_NO_LOCAL_EXTERNAL, /* 0 unless clients outside of the cluster are served */
	NB_GAUGE_NO_LOCAL_EXTERNAL_V6,
	NB_GAUGES
};
void nb_metrics_set(struct nb_metrics *metrics, enum nb_gauge gauge, uint64_t value);

/* An object of the API was changed; it is pending until nb_metrics_synced() with ok. */
enum nb_metrics_object { NB_METRICS_SERVICE, NB_METRICS_ENDPOINTS, NB_METRICS_OBJECTS };
void nb_metrics_changed(struct nb_metrics *metrics, enum nb_metrics_object object);

/* A write of the tables was asked for. */
void nb_metrics_queued(struct nb_metrics *metrics, unsigned int families);

/* All tables were written, or one could not be. */
struct nb_metrics_sync {
	unsigned int families;
	bool full; /* everything was compared, not only what had changed */
	bool ok;
	double seconds;
};
void nb_metrics_synced(struct nb_metrics *metrics, const struct nb_metrics_sync *sync);

/* Nothing is left to be written: what was changed and queued is in the tables, or made no difference. */
void nb_metrics_settled(struct nb_metrics *metrics, unsigned int families);

/*
 * A slice's change is in the tables, ms after its annotation
 * endpoints.kubernetes.io/last-change-trigger-time; negative counts as 0.
 */
void nb_metrics_programmed(struct nb_metrics *metrics, unsigned int families, int64_t ms);

/* The table of a network was written, or not. Out of memory: not counted. */
void nb_metrics_written(struct nb_metrics *metrics, const char *network, bool ok);
void nb_metrics_forget_network(struct nb_metrics *metrics, const char *network);

/* An answer of /healthz or /livez. */
enum nb_metrics_probe { NB_METRICS_HEALTHZ, NB_METRICS_LIVEZ, NB_METRICS_PROBES };
void nb_metrics_probed(struct nb_metrics *metrics, enum nb_metrics_probe probe, bool healthy);

/* For struct nb_web_route: writes all of them; arg is the metrics. */
void nb_metrics_answer(struct nb_web_answer *answer, void *arg);

#endif
