/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_KUBE_H
#define NATBRIDGE_LIB_KUBE_KUBE_H

/*
 * Kubernetes objects to services: Service (v1) and EndpointSlice (discovery.k8s.io/v1), joined as kube-proxy
 * joins them (pkg/proxy/servicechangetracker.go, endpointslicecache.go and topology.go of Kubernetes).
 *
 * Left alone: headless Services, ExternalName, objects with a label service.kubernetes.io/service-proxy-name
 * or service.kubernetes.io/headless, SCTP ports; EndpointSlices of another family than the VIP. Objects of
 * other kinds are passed over and counted.
 *
 * What the API server fills in where a field is absent, null or "" is filled in here as well, and addresses
 * are read as Kubernetes reads them (nb_addr_parse_kubernetes()).
 *
 * An object that cannot be used is an error, unless it is one of several items of a list (List, ServiceList,
 * EndpointSliceList): there it is left out, named and counted, since such a list comes from a cluster and one
 * object must not stop the others. The same holds for one endpoint of such an EndpointSlice.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/service/service.h"
#include "lib/util/error.h"

/*
 * Told what was left out, passed over or is not followed, one sentence each; text is valid during the call.
 * Of each kind of sentence a few are told and the rest counted.
 */
struct nb_kube_note {
	void (*fn)(const char *text, void *arg); /* NULL: nobody wants to know */
	void *arg;
};

/* What all texts together say. */
struct nb_kube_input {
	struct nb_services
		services; /* frontends with their backends, normalized, of origin NB_ORIGIN_APPLY */
	/* Services of which an object was left out: nb_services_keep() leaves them as the table has them. */
	struct nb_service_names incomplete;
	/* An empty EndpointSliceList and nothing else: it says neither that there are Services nor that
	 * there are none. */
	bool says_nothing;
};

void nb_kube_input_free(struct nb_kube_input *input); /* for nb_cleanup() */

/* Objects collected so far. */
struct nb_kube;

/* NULL (and *err): out of memory. */
struct nb_kube *nb_kube_new(const struct nb_kube_note *note, struct nb_error *err);
void nb_kube_free(struct nb_kube **kube); /* for nb_cleanup() */

/*
 * Adds the objects of a text: JSON if it begins with "{", objects one after the other, with or without "---"
 * between them; else YAML of one or several documents. In UTF-8 or, with a byte order mark, UTF-16. Text
 * without any object is an error, so that the output of a command that failed does not count as "no
 * services". So is an answer of the API server that is no object (Status, Table). After an error the
 * collection can only be freed.
 */
int nb_kube_read(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err);

/*
 * Joins what was collected, once. An object that is there twice, a list of which pieces are missing
 * (metadata.continue), and texts without any object of the kinds above are errors.
 */
int nb_kube_finish(struct nb_kube *kube, struct nb_kube_input *input, struct nb_error *err);

#endif
