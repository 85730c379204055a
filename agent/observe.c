// SPDX-License-Identifier: GPL-2.0-or-later
/* Passes on what happens to metrics, health and systemd. */
#include "observe.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "lib/kube/table.h"
#include "lib/util/error.h"

#include "cluster.h"
#include "config.h"
#include "explain.h"
#include "families.h"
#include "health.h"
#include "health_ports.h"
#include "http.h"
#include "metrics.h"
#include "node_side.h"
#include "notify.h"
#include "ports_check.h"
#include "tables.h"

enum { LOOK_MS = 10000 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- looking ---- */

static void count(struct nb_observer *observer)
{
	struct nb_kube_table_size size;
	size_t frontends = 0;

	nb_kube_table_count(observer->cluster->table, &size);
	for (size_t i = 0; i < observer->tables->all.n; i++)
		if (observer->tables->all.items[i]->last.frontends > frontends)
			frontends = observer->tables->all.items[i]->last.frontends;
	nb_metrics_set(observer->metrics, NB_GAUGE_NETWORKS, observer->tables->all.n);
	nb_metrics_set(observer->metrics, NB_GAUGE_SERVICES, size.services);
	nb_metrics_set(observer->metrics, NB_GAUGE_ENDPOINTS, size.endpoints);
	nb_metrics_set(observer->metrics, NB_GAUGE_FRONTENDS, frontends);
	for (size_t i = 0; i < NB_FAMILIES; i++) {
		nb_metrics_set(observer->metrics, NB_GAUGE_NO_LOCAL_INTERNAL + i,
			       size.no_local[NB_SIDE_INSIDE][i]);
		nb_metrics_set(observer->metrics, NB_GAUGE_NO_LOCAL_EXTERNAL + i,
			       size.no_local[NB_SIDE_OUTSIDE][i]);
	}
}

static void look(void *arg)
{
	struct nb_observer *observer = arg;
	char what[NB_DETACHED_MAX] = "";
	size_t ports = 0, detached = 0;

	for (size_t i = 0; i < observer->tables->all.n; i++) {
		size_t some, lost;

		nb_ports_check(observer->tables->all.items[i], &some, &lost, what);
		ports += some;
		detached += lost;
	}
	nb_metrics_set(observer->metrics, NB_GAUGE_PORTS, ports);
	nb_metrics_set(observer->metrics, NB_GAUGE_PORTS_DETACHED, detached);
	nb_health_detached(observer->health, detached ? what : nb_node_side_problem(observer->node_side));
	nb_health_node(observer->health,
		       !nb_cluster_is_synced(observer->cluster) ||
			       (observer->cluster->has_node && observer->cluster->node.eligible));
	count(observer);
	nb_timer_set(observer->loop, &observer->look, LOOK_MS);
}

/* ---- what happens ---- */

void nb_observer_changed(struct nb_observer *observer, enum nb_kube_kind kind)
{
	if (!observer->metrics)
		return;
	nb_metrics_queued(observer->metrics, NB_FAMILY_BOTH);
	nb_health_queued(observer->health, NB_FAMILY_BOTH);
	if (kind == NB_KUBE_NODE) {
		nb_timer_set(observer->loop, &observer->look, 0);
		return;
	}
	nb_metrics_changed(observer->metrics,
			   kind == NB_KUBE_SLICE ? NB_METRICS_ENDPOINTS : NB_METRICS_SERVICE);
}

void nb_observer_written(struct nb_observer *observer, const struct nb_tables_sync *done)
{
	const struct nb_metrics_sync sync = {
		.families = NB_FAMILY_BOTH, .full = done->full, .ok = done->ok, .seconds = done->seconds
	};
	const int64_t now = now_ms();

	if (!observer->metrics)
		return;
	nb_metrics_synced(observer->metrics, &sync);
	/* As kube-proxy: what was triggered before this process ran says nothing about it. */
	for (size_t i = 0; i < done->n_triggers && done->ok; i++)
		if (done->triggers[i] >= observer->started_ms)
			nb_metrics_programmed(observer->metrics, NB_FAMILY_BOTH, now - done->triggers[i]);
}

void nb_observer_table(struct nb_observer *observer, const struct nb_table *table, bool ok)
{
	if (observer->metrics)
		nb_metrics_written(observer->metrics, table->name, ok);
}

void nb_observer_complete(struct nb_observer *observer)
{
	char status[64];

	if (!observer->metrics)
		return;
	nb_metrics_settled(observer->metrics, NB_FAMILY_BOTH);
	nb_health_written(observer->health, NB_FAMILY_BOTH);
	if (observer->health_ports)
		nb_health_ports_update(observer->health_ports, observer->cluster->table);
	count(observer);
	snprintf(status, sizeof(status), "%zu networks equal to the cluster", observer->tables->all.n);
	nb_notify(observer->notify, observer->is_ready ? NB_NOTIFY_STATUS : NB_NOTIFY_READY, status);
	if (!observer->is_ready)
		nb_timer_set(observer->loop, &observer->look, 0);
	observer->is_ready = true;
}

void nb_observer_ending(struct nb_observer *observer, bool reload)
{
	nb_notify(observer->notify, reload ? NB_NOTIFY_RELOADING : NB_NOTIFY_STOPPING, NULL);
}

/* ---- start and end ---- */

/* kube-proxy says its mode there. */
static void answer_mode(struct nb_web_answer *answer, void *arg)
{
	(void)arg;
	nb_strbuf_put(&answer->body, "natbridge");
}

int nb_observer_start(struct nb_observer *observer, struct nb_loop *loop,
		      const struct nb_agent_config *config, struct nb_error *err)
{
	struct nb_pin_root root;
	int rc;

	observer->loop = loop;
	observer->started_ms = now_ms();
	observer->look = (struct nb_timer){ .fn = look, .arg = observer };
	observer->metrics = nb_metrics_new(err);
	rc = nb_pin_root_resolve(config->bpffs, &root, err);
	if (rc)
		return rc;
	observer->health = observer->metrics ? nb_health_new(observer->metrics, NULL, err) : NULL;
	if (!observer->health)
		return -ENOMEM;
	nb_metrics_datapath(observer->metrics, &root);
	observer->health_ports = config->health_ports ? nb_health_ports_new(loop, observer->health) : NULL;
	if (config->health_ports && !observer->health_ports)
		return nb_fail_nomem(err);
	observer->health_routes[0] = (struct nb_web_route){ "/healthz", nb_health_healthz, observer->health };
	observer->health_routes[1] = (struct nb_web_route){ "/livez", nb_health_livez, observer->health };
	observer->health_routes[2] = (struct nb_web_route){ "/readyz", nb_health_readyz, observer->health };
	observer->metrics_routes[0] =
		(struct nb_web_route){ "/metrics", nb_metrics_answer, observer->metrics };
	observer->metrics_routes[1] = (struct nb_web_route){ "/proxyMode", answer_mode, NULL };
	observer->metrics_routes[2] = (struct nb_web_route){ NB_EXPLAIN_PATH, nb_explain_answer, observer };
	rc = nb_web_open(loop, config->healthz, observer->health_routes, &nb_web_limits,
			 &observer->health_web, err);
	rc = rc ? rc
		: nb_web_open(loop, config->metrics, observer->metrics_routes, &nb_web_limits,
			      &observer->metrics_web, err);
	return rc ? rc : nb_notify_open(loop, &observer->notify, err);
}

int nb_observer_follow(struct nb_observer *observer, const struct nb_cluster *cluster,
		       const struct nb_tables *tables, const struct nb_http *http, struct nb_error *err)
{
	int rc = 0;

	observer->cluster = cluster;
	observer->tables = tables;
	nb_metrics_requests(observer->metrics, nb_http_stats(http));
	nb_health_tables(observer->health, tables);
	for (size_t i = 0; i < NB_CLUSTER_WATCHES && !rc; i++) {
		const struct nb_watch_stats *stats = nb_watch_stats(cluster->watches[i]);

		rc = nb_metrics_watch(observer->metrics, nb_cluster_watch_names[i], stats, err);
		rc = rc ? rc : nb_health_watch(observer->health, nb_cluster_watch_names[i], stats, err);
	}
	if (!rc)
		nb_timer_set(observer->loop, &observer->look, LOOK_MS);
	return rc;
}

void nb_observer_free(struct nb_observer *observer)
{
	nb_timer_stop(&observer->look);
	nb_web_close(&observer->health_web);
	nb_web_close(&observer->metrics_web);
	nb_notify_close(&observer->notify);
	nb_health_ports_free(&observer->health_ports);
	nb_health_free(&observer->health);
	nb_metrics_free(&observer->metrics);
}
