/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_FRONTENDS_H
#define NATBRIDGE_LIB_KUBE_FRONTENDS_H

/* From a Service and its EndpointSlices to the frontends that a node's clients meet. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/service/service.h"
#include "lib/util/error.h"

#include "service.h"
#include "slice.h"
#include "view.h"

/* A Service and its EndpointSlices, of which the caller owns all. */
struct nb_kube_group {
	const struct nb_kube_service *service;
	const struct nb_kube_slice *const *slices;
	size_t n;
};

/*
 * Adds the frontends of a Service, of origin NB_ORIGIN_APPLY, to *services:
 * - each ClusterIP, by internalTrafficPolicy;
 * - of each family with a ClusterIP: external addresses, load balancers with their source ranges, and
 * NodePorts at the node's addresses. For pods and the node itself these have the endpoints of all nodes,
 * whatever externalTrafficPolicy says, as with kube-proxy ("short circuit"). An address and port appears
 * once: a ClusterIP, else a load balancer, else an external address, else a NodePort;
 * - with view->outside, each of these that is no ClusterIP once more, with side NB_SIDE_OUTSIDE and the
 * endpoints that externalTrafficPolicy chooses. Those of one port and family stand behind those inside.
 */
int nb_kube_frontends_add(const struct nb_kube_group *group, const struct nb_kube_view *view,
			  struct nb_services *services, struct nb_error *err);

/*
 * Whether the first of two frontends that claim one address and port has it: by its kind in the order above,
 * then by the name of its Service.
 */
bool nb_kube_frontend_beats(const struct nb_service *one, const struct nb_service *other);

/* The same for a kind alone: the lower rank wins. */
unsigned int nb_kube_kind_rank(enum nb_frontend_kind kind);

#endif
