/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_HEALTH_H
#define NATBRIDGE_AGENT_HEALTH_H

/*
 * /healthz and /livez: kube-proxy's JSON, codes and conditions; and /readyz, which kube-proxy does not have.
 *
 *   503 of all      a change has been waiting to be written for 60 s or more, in a family that was
 *                   written before; or a program is no longer attached at a port
 *   503 of /healthz the Node is gone, is being deleted, or is tainted for it: load balancers send
 *                   their new connections to other nodes, while those that are open go on
 *   503 of /readyz  not all tables have been equal to the cluster yet
 *
 * Before the first write /healthz and /livez answer 200, as kube-proxy's do. The key "natbridge" of the
 * JSON tells more: what is detached, which tables could not be written and why, and how the watches are.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct nb_health;
struct nb_metrics;
struct nb_tables;
struct nb_watch_stats;
struct nb_web_answer;

/* Milliseconds; NULL members: the clocks of the system. */
struct nb_health_clock {
	int64_t (*monotonic)(void);
	int64_t (*realtime)(void); /* since the epoch */
};

/*
 * Answers are counted in the metrics, which outlive it. clock NULL: the system's. The caller frees
 * it. NULL: *err.
 */
struct nb_health *nb_health_new(struct nb_metrics *metrics, const struct nb_health_clock *clock,
				struct nb_error *err);
void nb_health_free(struct nb_health **health); /* for nb_cleanup() */

/* Shown in the answers; all outlive the health. */
int nb_health_watch(struct nb_health *health, const char *name, const struct nb_watch_stats *stats,
		    struct nb_error *err);
void nb_health_tables(struct nb_health *health, const struct nb_tables *tables);

/* A write was asked for; all that was asked for has been written. Families: bits of families.h. */
void nb_health_queued(struct nb_health *health, unsigned int families);
void nb_health_written(struct nb_health *health, unsigned int families);

/* Whether the Node exists and is eligible (struct nb_kube_node). True until it is known. */
void nb_health_node(struct nb_health *health, bool eligible);

/* Which program is missing where; NULL: all are attached. A change is logged. */
void nb_health_detached(struct nb_health *health, const char *what);

/* What /livez says. */
bool nb_health_is_well(const struct nb_health *health);

/* For struct nb_web_route: arg is the health. */
void nb_health_healthz(struct nb_web_answer *answer, void *arg);
void nb_health_livez(struct nb_web_answer *answer, void *arg);
void nb_health_readyz(struct nb_web_answer *answer, void *arg);

#endif
