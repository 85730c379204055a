/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_NODE_H
#define NATBRIDGE_LIB_KUBE_NODE_H

/* Node of Kubernetes (API core/v1), as far as natbridge uses it. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/error.h"

#include "object.h"

enum { NB_KUBE_NODE_ADDRS = 2 };

struct nb_kube_node {
	char *zone;                               /* owned: label topology.kubernetes.io/zone; NULL: none */
	unsigned int n_addrs;                     /* one of each family at most */
	struct nb_addr addrs[NB_KUBE_NODE_ADDRS]; /* first InternalIP of a family, else first ExternalIP */
	bool eligible; /* load balancers may send here: neither being deleted nor about to be */
};

/* Reads and checks a Node into *node (zeroed). The caller frees *node, also on failure. */
int nb_kube_node_read(const struct nb_json *object, const struct nb_kube_meta *meta,
		      struct nb_kube_node *node, struct nb_error *err);
void nb_kube_node_free(struct nb_kube_node *node); /* for nb_cleanup(); leaves it zeroed */

#endif
