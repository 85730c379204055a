/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_ENDPOINT_SET_H
#define NATBRIDGE_LIB_KUBE_ENDPOINT_SET_H

/*
 * Which endpoints of a service port get new connections, as kube-proxy chooses them (pkg/proxy/topology.go
 * and endpointslicecache.go of Kubernetes).
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "object.h"
#include "slice.h"
#include "view.h"

/* The traffic policy of a Service for one kind of client. */
enum nb_kube_policy {
	NB_KUBE_POLICY_CLUSTER, /* endpoints of all nodes */
	NB_KUBE_POLICY_LOCAL,   /* endpoints of this node */
};

/* Why an endpoint gets new connections, or none. */
enum nb_kube_choice {
	NB_KUBE_READY,       /* it gets some */
	NB_KUBE_LAST_RESORT, /* it gets some: it terminates and serves, and none is ready */
	NB_KUBE_NOT_READY,
	NB_KUBE_TERMINATING,
	NB_KUBE_ELSEWHERE,       /* on another node, and the policy is Local */
	NB_KUBE_FOR_OTHER_NODES, /* the hints of all endpoints name nodes, and not this one here */
	NB_KUBE_FOR_OTHER_ZONES, /* the same with zones */
	NB_KUBE_CHOICES,
};

struct nb_kube_candidate {
	const struct nb_kube_endpoint *endpoint; /* of a slice */
	__be16 port;
	enum nb_kube_choice choice;
};

/* Whether it gets new connections. */
static inline bool nb_kube_is_chosen(const struct nb_kube_candidate *candidate)
{
	return candidate->choice <= NB_KUBE_LAST_RESORT;
}

/* The endpoints of one service port and family, each address and port once. */
struct nb_kube_endpoint_set {
	NB_VEC(struct nb_kube_candidate) all; /* sorted by address and port */
};

void nb_kube_endpoint_set_free(struct nb_kube_endpoint_set *set); /* for nb_cleanup() */

/*
 * Collects the endpoints of that family from the slices of a Service that have a port with that name and
 * protocol, into *set (zeroed). Of two with the same address and port it takes one that is not terminating,
 * since a new pod may get the address of one that goes.
 */
int nb_kube_endpoint_set_collect(struct nb_kube_endpoint_set *set, const struct nb_kube_slice *const *slices,
				 size_t n, int family, const struct nb_kube_port *port, struct nb_error *err);

/*
 * Makes the choice of each endpoint. Chosen are:
 * - policy Cluster: the ready ones, of this node or zone alone if the hints say so; if there is none, those
 *   that serve and terminate;
 * - policy Local: the ready ones of this node; if there is none, those of this node that serve and terminate.
 *   Without a node it is Cluster.
 * *elsewhere: none is chosen, but another policy would choose some.
 */
void nb_kube_endpoint_set_choose(struct nb_kube_endpoint_set *set, enum nb_kube_policy policy,
				 const struct nb_kube_view *view, bool *elsewhere);

#endif
