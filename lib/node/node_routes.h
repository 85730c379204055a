/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NODE_NODE_ROUTES_H
#define NATBRIDGE_LIB_NODE_NODE_ROUTES_H

/*
 * The routes on nb0: to the ranges of Services, and to single addresses. They are in table main and
 * are known by two marks, their protocol and their device. Other routes are somebody else's, and
 * are never changed.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/net/netlink.h"
#include "lib/net/route.h"
#include "lib/util/error.h"

/*
 * The protocol of these routes ("ip route show proto 110"). Neither linux/rtnetlink.h, nor
 * /etc/iproute2/rt_protos, nor FRR (186 .. 198), BIRD (12), Calico (3 and 80) use it.
 */
enum { NB_ROUTE_PROTOCOL = 110 };

/*
 * The metric of these routes is one of two: a changed route gets the other one, so that the new one
 * is there before the old one goes. Both are larger than what others use: a route of somebody else
 * to the same destination wins from the moment on that it is there.
 */
enum { NB_ROUTE_METRIC = 32766, NB_ROUTE_METRIC_OTHER = 32767 };

struct nb_node_route {
	struct nb_addr dst;      /* host bits clear */
	unsigned int prefix_len; /* 1 .. 32 or 1 .. 128 */
	struct nb_addr src;      /* the source address of packets that have none yet; of dst's family */
	bool has_src;
};

/* Called for a wanted route whose destination and length a route of somebody else has. */
typedef void (*nb_node_route_conflict_fn)(const struct nb_node_route *wanted, const struct nb_route *other,
					  void *arg);

/*
 * Makes our routes on the link ifindex equal to the wanted ones: adds what is missing, then deletes
 * what is not wanted. Of a route whose src differs, the new one is added before the old one is
 * deleted. Writes nothing if all is as wanted.
 *
 * A wanted route is left out, and ours deleted if it is there, while table main has a route of
 * somebody else with its destination and prefix length, of any type and metric: conflict (may be
 * NULL) is called once for it with the first such route.
 *
 * A route that the kernel refuses, for example since src is no address of the node, does not keep
 * the others from being set; what we have for its destination stays. The first such error is
 * returned. -EINVAL: a wanted route is not valid, or two with one destination differ; nothing was
 * changed then.
 */
int nb_node_routes_set(struct nb_netlink *nl, unsigned int ifindex, const struct nb_node_route *wanted,
		       size_t n, nb_node_route_conflict_fn conflict, void *arg, struct nb_error *err);

/* Deletes all our routes on nb0. 0 as well if there is no nb0. */
int nb_node_routes_remove(struct nb_netlink *nl, struct nb_error *err);

#endif
