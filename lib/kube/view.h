/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_VIEW_H
#define NATBRIDGE_LIB_KUBE_VIEW_H

/* The node for which Services become frontends. */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

/* The caller owns what it points to. Zeroed: the node is not known, and nothing is local. */
struct nb_kube_view {
	bool has_node;    /* the slices were read with the node's name (nb_kube_notes.node) */
	bool outside;     /* clients outside of the cluster get frontends, too */
	const char *zone; /* its label topology.kubernetes.io/zone; NULL: none */
	/* Addresses of the node at which NodePorts are. */
	const struct nb_addr *node_addrs;
	size_t n_node_addrs;
	/* Addresses that are left to the node, whatever Services have them. */
	const struct nb_addr *excluded;
	size_t n_excluded;
};

#endif
