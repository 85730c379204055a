/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_SERVICE_CIDRS_H
#define NATBRIDGE_AGENT_SERVICE_CIDRS_H

/*
 * The ranges that ClusterIPs are from, by the cluster's ServiceCIDR objects (networking.k8s.io/v1, Kubernetes
 * 1.33): what is sent to an address in them that no Service has is dropped.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/vec.h"

#include "watch.h"

struct nb_service_cidr {
	char *name; /* of its object; owned */
	struct nb_prefix range;
	bool is_new; /* of the set that has begun */
};

struct nb_service_cidrs {
	NB_VEC(struct nb_service_cidr) all;
	bool in_set;
	unsigned int changes; /* counts them; 0: it is not known yet whether there are any */
	void (*changed)(void *arg);
	void *arg;
};

/* Of a watch of ServiceCIDRs: its arg is a struct nb_service_cidrs, zeroed but for changed and arg. */
extern const struct nb_watch_owner nb_service_cidrs_owner;
void nb_service_cidrs_absent(void *arg);

void nb_service_cidrs_free(struct nb_service_cidrs *cidrs); /* for nb_cleanup() */

/* Copies the ranges, at most as many as the programs know. Returns how many. */
size_t nb_service_cidrs_list(const struct nb_service_cidrs *cidrs,
			     struct nb_prefix ranges[NB_MAX_SERVICE_CIDRS]);

#endif
