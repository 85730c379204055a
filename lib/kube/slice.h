/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_SLICE_H
#define NATBRIDGE_LIB_KUBE_SLICE_H

/* EndpointSlice of Kubernetes (API discovery.k8s.io/v1), as far as natbridge uses it. */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "notes.h"
#include "object.h"

struct nb_kube_endpoint {
	struct nb_addr addr;
	bool ready;
	bool serving; /* answers, whether it is ready or terminating */
	bool terminating;
	bool local;      /* on this node */
	bool hints_node; /* hints.forNodes names nodes ... */
	bool hints_here; /* ... and among them this one */
	char *zones;     /* owned: hints.forZones, each name with a ',' before and behind it; NULL: none */
};

struct nb_kube_slice {
	char *name;                /* "namespace/name", owned */
	__s64 trigger;             /* when its last change was triggered, ms since 1970; 0: not said */
	char service[NB_NAME_MAX]; /* "namespace/name" of its Service; "": the slice is ignored */
	int family;                /* AF_INET or AF_INET6; AF_UNSPEC: FQDN, which has no addresses */
	NB_VEC(struct nb_kube_port) ports;
	NB_VEC(struct nb_kube_endpoint) endpoints;
};

/* Whether an endpoint's hints name a zone. */
bool nb_kube_endpoint_hints_zone(const struct nb_kube_endpoint *endpoint, const char *zone);

/*
 * Reads and checks an EndpointSlice into *slice, which is zeroed but for its name. Errors name the
 * path inside of the object. The endpoints are read last. The caller frees *slice, also on failure.
 */
int nb_kube_slice_read(const struct nb_json *object, const struct nb_kube_meta *meta,
		       struct nb_kube_notes *notes, struct nb_kube_slice *slice, struct nb_error *err);

/* Whether two slices say the same, but for the time of the change. */
bool nb_kube_slice_equal(const struct nb_kube_slice *a, const struct nb_kube_slice *b);

void nb_kube_slice_free(struct nb_kube_slice *slice); /* for nb_cleanup() */

#endif
