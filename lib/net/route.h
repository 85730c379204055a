/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_ROUTE_H
#define NATBRIDGE_LIB_NET_ROUTE_H

/* Unicast routes through a link. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "netlink.h"

struct nb_route {
	struct nb_addr dst; /* host bits clear */
	unsigned int prefix_len;
	bool has_gw;
	struct nb_addr gw;     /* of dst's family */
	unsigned int index;    /* of the link */
	unsigned int table;    /* RT_TABLE_*; 0: main */
	unsigned int scope;    /* RT_SCOPE_*, IPv4 only */
	unsigned int priority; /* the metric; 0: the kernel's default */
	unsigned int mtu;      /* 0: none */
	unsigned int advmss;   /* 0: none */
};

/* -EEXIST if there is one like it. */
int nb_route_add(struct nb_netlink *nl, const struct nb_route *route, struct nb_error *err);

/*
 * Routes of one family in all tables, those of the kernel's local table left out. The caller frees *routes.
 */
int nb_route_list(struct nb_netlink *nl, int family, struct nb_route **routes, unsigned int *n,
		  struct nb_error *err);

#endif
