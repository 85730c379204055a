/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_HEALTH_PORTS_H
#define NATBRIDGE_AGENT_HEALTH_PORTS_H

/*
 * Load balancers ask at a Service's health check node port whether this node has endpoints of it:
 * kube-proxy's codes, headers and JSON (pkg/proxy/healthcheck of Kubernetes), at all addresses of the node.
 * 200: there is a ready endpoint, and the agent is well.
 */

struct nb_health;
struct nb_health_ports;
struct nb_kube_table;
struct nb_loop;

/* The health outlives it. NULL: out of memory. */
struct nb_health_ports *nb_health_ports_new(struct nb_loop *loop, const struct nb_health *health);
void nb_health_ports_free(struct nb_health_ports **ports); /* for nb_cleanup() */

/*
 * Serves what the table says, and no other ports. One that cannot be opened is logged once, and tried at
 * each call.
 */
void nb_health_ports_update(struct nb_health_ports *ports, const struct nb_kube_table *table);

#endif
