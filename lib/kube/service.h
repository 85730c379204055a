/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_SERVICE_H
#define NATBRIDGE_LIB_KUBE_SERVICE_H

/* Service of Kubernetes (API core/v1), as far as natbridge uses it. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "notes.h"
#include "object.h"

enum { NB_KUBE_VIPS = 2 };

struct nb_kube_range {
	struct nb_addr addr;
	unsigned int prefix_len; /* 0 .. 32 or 0 .. 128 */
};

struct nb_kube_service {
	char name[NB_NAME_MAX]; /* "namespace/name" */
	bool selects;           /* has a selector: the cluster makes EndpointSlices for it */
	bool local_inside;      /* internalTrafficPolicy Local */
	bool local_outside;     /* externalTrafficPolicy Local */
	__u16 health_port;   /* healthCheckNodePort, host byte order; 0: nobody asks for the node's health */
	unsigned int n_vips; /* ClusterIPs; 0: the Service is ignored or skipped */
	struct nb_addr vips[NB_KUBE_VIPS];
	__u32 affinity; /* seconds, 0: none */
	NB_VEC(struct nb_kube_port) ports;
	/* Of both families, also one without a ClusterIP, of which the Service has no frontends. */
	NB_VEC(struct nb_addr) external_ips;
	NB_VEC(struct nb_addr) balancers;    /* status.loadBalancer.ingress */
	NB_VEC(struct nb_kube_range) ranges; /* loadBalancerSourceRanges */
};

/*
 * Reads and checks a Service into *service, which is zeroed but for its name. Errors name the path
 * inside of the object. The caller frees *service, also on failure.
 */
int nb_kube_service_read(const struct nb_json *object, const struct nb_kube_meta *meta,
			 struct nb_kube_notes *notes, struct nb_kube_service *service, struct nb_error *err);

/* Whether two Services say the same. */
bool nb_kube_service_equal(const struct nb_kube_service *a, const struct nb_kube_service *b);

void nb_kube_service_free(struct nb_kube_service *service); /* for nb_cleanup() */

#endif
