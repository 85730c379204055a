/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_KUBE_H
#define NATBRIDGE_KUBE_H

/*
 * Kubernetes objects to services: Service (v1) and EndpointSlice (discovery.k8s.io/v1), joined as kube-proxy
 * joins them (pkg/proxy/servicechangetracker.go, endpointslicecache.go and topology.go of Kubernetes).
 *
 * Left alone: headless Services, ExternalName, objects with a label service.kubernetes.io/service-proxy-name
 * or service.kubernetes.io/headless, SCTP ports; EndpointSlices of another family than the VIP or of no known
 * Service.
 */

#include <natbridge/json.h>
#include <natbridge/service.h>

/* Told what was left out or is not followed yet, one sentence each; text is valid during the call. */
struct nb_kube_note {
	void (*fn)(const char *text, void *arg); /* NULL: nobody wants to know */
	void *arg;
};

/* Objects collected so far. Zeroed is empty. */
struct nb_kube;

/* NULL (and *err): out of memory. */
struct nb_kube *nb_kube_new(const struct nb_kube_note *note, struct nb_error *err);
void nb_kube_free(struct nb_kube **kube); /* for nb_cleanup() */

/*
 * Adds an object: a Service, an EndpointSlice or a list of them (List, ServiceList, EndpointSliceList). It
 * must live until nb_kube_services() was called. Another kind or a bad value is an error that names the
 * object, the path and the value.
 */
int nb_kube_add(struct nb_kube *kube, const struct nb_json *object, struct nb_error *err);

/* All frontends with their backends, normalized, of origin NB_ORIGIN_APPLY. */
int nb_kube_services(const struct nb_kube *kube, struct nb_services *services, struct nb_error *err);

/*
 * All of the above for text: JSON if it begins with "{", else YAML of one or several documents. Text without
 * any object is an error, so that the output of a command that failed does not count as "no services".
 */
int nb_kube_parse(const char *text, size_t len, const struct nb_kube_note *note, struct nb_services *services,
		  struct nb_error *err);

#endif
