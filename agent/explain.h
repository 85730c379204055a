/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_EXPLAIN_H
#define NATBRIDGE_AGENT_EXPLAIN_H

/*
 * /endpoints/NAMESPACE/NAME, beside the metrics: the endpoints of a Service, and why each gets new
 * connections on this node, or none. JSON for natbridgectl why:
 *
 *   {"service": "default/web", "sets": [{"port": "http", "protocol": "TCP", "family": "IPv4",
 *    "clients": "clusterIP", "policy": "Cluster", "more": 0,
 *    "endpoints": [{"address": "10.244.0.7", "port": 8080, "here": true, "choice": "ready"}]}]}
 *
 * clients: "clusterIP", "external" (from inside the cluster), "outside". more: how many are not listed.
 */

struct nb_web_answer;

#define NB_EXPLAIN_PATH "/endpoints/"

/* For struct nb_web_route with NB_EXPLAIN_PATH. arg: a const struct nb_observer *. */
void nb_explain_answer(struct nb_web_answer *answer, void *arg);

#endif
