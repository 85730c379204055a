/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_KUBE_H
#define NATBRIDGE_LIB_KUBE_KUBE_H

/*
 * Makes services of Kubernetes objects: Service (v1), EndpointSlice (discovery.k8s.io/v1) and the
 * Node (v1) for which they are, joined as kube-proxy joins them (pkg/proxy/servicechangetracker.go,
 * endpointslicecache.go and topology.go of Kubernetes).
 *
 * It ignores headless Services, ExternalName, objects with a label
 * service.kubernetes.io/service-proxy-name or service.kubernetes.io/headless,
 * EndpointSlices of another family than the VIP, and objects of other kinds, which it counts.
 *
 * Fields that are absent, null or "" get the API server's defaults. Addresses are read as
 * Kubernetes reads them (nb_addr_parse_kubernetes()).
 *
 * An invalid object is an error, unless it is one of several items of a list (List, ServiceList,
 * EndpointSliceList). Such a list comes from a cluster, where one object must not stop the others:
 * the object is skipped, named and counted. The same holds for an invalid endpoint of such an
 * EndpointSlice.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/service/keep.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

/*
 * Gets notes about what is skipped, ignored or not supported, a sentence each. text is valid during
 * the call. Of each kind of note it gets a few, then their number.
 */
struct nb_kube_note {
	void (*fn)(const char *text, void *arg); /* NULL: no notes */
	void *arg;
};

/* The services of all texts together. */
struct nb_kube_input {
	struct nb_services services; /* normalized, of origin NB_ORIGIN_APPLY */
	/*
	 * Services of which an object was skipped: nb_services_keep() keeps them as the table has
	 * them.
	 */
	struct nb_service_names incomplete;
	/*
	 * The input is an empty EndpointSliceList alone, which does not say that there are no
	 * Services.
	 */
	bool says_nothing;
};

void nb_kube_input_free(struct nb_kube_input *input); /* for nb_cleanup() */

/* A collection of objects. */
struct nb_kube;

/*
 * An empty collection. note may be NULL. node: the name of the node for which Services become frontends,
 * valid until nb_kube_free(): its Node in the texts, if there is one, says its zone and addresses. NULL: not
 * known; nothing is local, and there are no NodePorts. NULL and *err: out of memory.
 */
struct nb_kube *nb_kube_new(const struct nb_kube_note *note, const char *node, struct nb_error *err);
void nb_kube_free(struct nb_kube **kube); /* for nb_cleanup() */

/*
 * Adds the objects of a text. A text that starts with "{" is JSON, one or more objects with or
 * without "---" between them; any other is YAML, one or more documents. It is in UTF-8 or, with a
 * byte order mark, in UTF-16.
 *
 * A text without any object is an error, so that the output of a failed command does not count as
 * "no services". So is an answer of the API server that holds no objects (Status, Table). After an
 * error the collection can only be freed.
 */
int nb_kube_read(struct nb_kube *kube, const char *text, size_t len, struct nb_error *err);

/*
 * Joins the collected objects, once; then the collection can only be freed. The caller frees
 * *input. Errors: an object that appears twice, an incomplete list (metadata.continue), no object
 * of the kinds above.
 */
int nb_kube_finish(struct nb_kube *kube, struct nb_kube_input *input, struct nb_error *err);

#endif
