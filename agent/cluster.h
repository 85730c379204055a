/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_CLUSTER_H
#define NATBRIDGE_AGENT_CLUSTER_H

/*
 * The cluster as its API server tells it: follows Services, EndpointSlices and this Node, and keeps the table
 * of the first two, seen from the Node.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/kube/node.h"
#include "lib/kube/table.h"
#include "lib/util/error.h"

#include "api.h"
#include "servers.h"
#include "service_cidrs.h"
#include "watch.h"

struct nb_agent_config;
struct nb_loop;

/* SAID: texts about objects that are not logged again for a while; of two in one place the last. */
enum { NB_CLUSTER_WATCHES = 4, NB_CLUSTER_SAID = 256 };

struct nb_cluster {
	struct nb_kube_table *table; /* owned */
	bool has_node;               /* the cluster has a Node of this name */
	struct nb_kube_node node;
	struct nb_service_cidrs cidrs; /* read it with nb_service_cidrs_list() */
	struct nb_watch
		*watches[NB_CLUSTER_WATCHES]; /* owned: of the Node, Services, EndpointSlices, ServiceCIDRs */
	void (*changed)(enum nb_kube_kind kind,
			void *arg); /* something is dirty, or a watch has its first set */
	void *arg;

	const struct nb_agent_config *config;
	struct nb_api *api;
	bool node_put;              /* in a set of the Node */
	struct nb_addr *node_addrs; /* owned; the view points to it, and to excluded */
	struct nb_addr *excluded;
	char *zone;
	struct {
		uint64_t hash; /* of a text that was logged */
		int64_t ms;    /* when; CLOCK_MONOTONIC */
	} said[NB_CLUSTER_SAID];
};

/* The names of the watches, in logs and metrics. */
extern const char *const nb_cluster_watch_names[NB_CLUSTER_WATCHES];

/*
 * Starts to follow. The caller sets changed and arg before, zeroes the rest, and frees *cluster, also on
 * failure. config, api and loop stay the caller's, and outlive it.
 */
int nb_cluster_start(struct nb_cluster *cluster, struct nb_loop *loop, struct nb_api *api,
		     const struct nb_agent_config *config, struct nb_error *err);
void nb_cluster_free(struct nb_cluster *cluster); /* for nb_cleanup() */

/* Whether each watch has had its first set, but for that of ServiceCIDRs. */
bool nb_cluster_is_synced(const struct nb_cluster *cluster);

/* The node's links have other addresses now: NodePorts may be at some of them. */
void nb_cluster_addresses_changed(struct nb_cluster *cluster);

#endif
