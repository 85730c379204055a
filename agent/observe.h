/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_OBSERVE_H
#define NATBRIDGE_AGENT_OBSERVE_H

/* What others see of the agent: metrics, health, states for systemd. Hears from the other parts what happens.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/kind.h"
#include "lib/util/error.h"

#include "loop.h"
#include "web.h"

struct nb_agent_config;
struct nb_cluster;
struct nb_health;
struct nb_health_ports;
struct nb_http;
struct nb_metrics;
struct nb_node_side;
struct nb_notify;
struct nb_table;
struct nb_tables;
struct nb_tables_sync;

struct nb_observer {
	struct nb_metrics *metrics; /* owned, as the next ones */
	struct nb_health *health;
	struct nb_health_ports *health_ports; /* NULL: kube-proxy answers at them */
	struct nb_notify *notify;
	struct nb_web *health_web, *metrics_web;
	struct nb_web_route health_routes[4], metrics_routes[4];
	const struct nb_tables *tables;
	const struct nb_cluster *cluster;
	const struct nb_node_side *node_side; /* set by the caller */
	struct nb_loop *loop;
	struct nb_timer look; /* at the ports */
	int64_t started_ms;   /* since 1970 */
	bool is_ready;
};

/* Opens the servers. The caller frees *observer (zeroed), also on failure. */
int nb_observer_start(struct nb_observer *observer, struct nb_loop *loop,
		      const struct nb_agent_config *config, struct nb_error *err);

/* The parts that it looks at, once they run. They outlive it. */
int nb_observer_follow(struct nb_observer *observer, const struct nb_cluster *cluster,
		       const struct nb_tables *tables, const struct nb_http *http, struct nb_error *err);
void nb_observer_free(struct nb_observer *observer); /* for nb_cleanup() */

/* A change of the cluster waits to be written. */
void nb_observer_changed(struct nb_observer *observer, enum nb_kube_kind kind);

/* Changes or a whole table were written, or could not be. */
void nb_observer_written(struct nb_observer *observer, const struct nb_tables_sync *done);

/* The write of one table, whether it worked. */
void nb_observer_table(struct nb_observer *observer, const struct nb_table *table, bool ok);

/* All tables are equal to the cluster. */
void nb_observer_complete(struct nb_observer *observer);

void nb_observer_ending(struct nb_observer *observer, bool reload);

#endif
