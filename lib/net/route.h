/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_ROUTE_H
#define NATBRIDGE_LIB_NET_ROUTE_H

/* Routes. */

#include <stdbool.h>
#include <stdint.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "netlink.h"

struct nb_route {
	struct nb_addr dst;      /* host bits clear */
	unsigned int prefix_len; /* 0 .. 32 or 0 .. 128 */
	bool has_gw;
	struct nb_addr gw; /* of dst's family */
	bool has_src;
	struct nb_addr src;    /* the preferred source address, of dst's family */
	unsigned int index;    /* ifindex of the link */
	unsigned int table;    /* number of the table; 0: main */
	unsigned int scope;    /* RT_SCOPE_*, IPv4 only */
	unsigned int priority; /* the metric; 0: the kernel's default */
	unsigned int protocol; /* RTPROT_*, who made it; 0: RTPROT_BOOT */
	unsigned int type;     /* RTN_*; 0: RTN_UNICAST */
	unsigned int mtu;      /* bytes, 0: none */
	unsigned int advmss;   /* bytes, 0: none */
};

/* Adds a route. -EEXIST: the table has it. */
int nb_route_add(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err);

/*
 * Adds a route to a destination that has none of that metric. -EEXIST: the table has a route with
 * its destination, prefix length and metric, whatever else it is.
 */
int nb_route_add_first(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err);

/*
 * Deletes a route that equals the given one, except for its MTU and MSS, as a listing gives it.
 * -ESRCH: there is none.
 */
int nb_route_delete(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err);

/* Which routes a listing holds. */
struct nb_route_query {
	int family;
	unsigned int table;    /* 0: all but the kernel's local table */
	unsigned int protocol; /* 0: any */
	bool any_type;         /* not only unicast routes */
};

/* Lists routes; a multipath route once for each next hop. The caller frees *routes. */
int nb_route_query(struct nb_netlink *nl, const struct nb_route_query *query, struct nb_route **routes,
		   unsigned int *n, struct nb_error *err);

/*
 * Lists the unicast routes of a family in all tables but the kernel's local table; a multipath
 * route once for each next hop. The caller frees *routes.
 */
int nb_route_list(struct nb_netlink *nl, int family, struct nb_route **routes, unsigned int *n,
		  struct nb_error *err);

/*
 * What the kernel does with a packet to dst (RTM_GETROUTE): type, table, index, gw and src of *route. src may
 * be NULL: no address yet; iif 0: the packet is the host's own, else it comes in by that link. -ENETUNREACH
 * and others: it has no route, or one of type unreachable, prohibit or blackhole.
 */
int nb_route_get(struct nb_netlink *nl, const struct nb_addr *dst, const struct nb_addr *src,
		 unsigned int iif, struct nb_route *route, struct nb_error *err);

#endif
