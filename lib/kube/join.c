// SPDX-License-Identifier: GPL-2.0-or-later
/* Joins Services and their EndpointSlices to frontends and backends. */
#include "join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "frontends.h"

static int compare_slices(const void *a, const void *b)
{
	const struct nb_kube_slice *const *x = a, *const *y = b;

	return strcmp((*x)->service, (*y)->service);
}

static int compare_slice_names(const void *a, const void *b)
{
	const struct nb_kube_slice *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int compare_services(const void *a, const void *b)
{
	const struct nb_kube_service *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Whether a slice has a port with the name and protocol of a Service's port. */
static bool has_port(const struct nb_kube_slice *slice, const struct nb_kube_port *port)
{
	for (size_t i = 0; i < slice->ports.n; i++) {
		const struct nb_kube_port *candidate = &slice->ports.items[i];

		if (candidate->proto == port->proto && candidate->port &&
		    !strcmp(candidate->name, port->name))
			return true;
	}
	return false;
}

/*
 * Notes a port of the Service that no slice with endpoints has: name or protocol differ by mistake.
 */
static void note_port_without_slice(struct nb_kube_notes *notes, const struct nb_kube_group *group,
				    const struct nb_kube_port *port)
{
	bool endpoints = false;

	for (size_t i = 0; i < group->n; i++) {
		if (group->slices[i]->endpoints.n && has_port(group->slices[i], port))
			return;
		endpoints |= group->slices[i]->endpoints.n;
	}
	if (endpoints)
		nb_kube_notes_add(notes, NB_KUBE_PORT_WITHOUT_SLICE,
				  "Service %s: port %u has no backends: its EndpointSlices have no %s port "
				  "named \"%s\"",
				  group->service->name, ntohs(port->port), nb_proto_name(port->proto),
				  port->name);
}

static int join_group(const struct nb_kube_group *group, const struct nb_kube_view *view,
		      struct nb_kube_notes *notes, struct nb_services *services, struct nb_error *err)
{
	for (size_t p = 0; p < group->service->ports.n && group->service->n_vips; p++)
		note_port_without_slice(notes, group, &group->service->ports.items[p]);
	return nb_kube_frontends_add(group, view, services, err);
}

static void note_slices_without_service(struct nb_kube_notes *notes,
					const struct nb_kube_slice *const *slices, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slices[i]->service[0])
			nb_kube_notes_add(notes, NB_KUBE_SLICE_WITHOUT_SERVICE,
					  "EndpointSlice %s: its Service %s is not in the input",
					  slices[i]->name, slices[i]->service);
}

static void note_service_without_slice(struct nb_kube_notes *notes, const struct nb_kube_objects *objects,
				       const struct nb_kube_service *service)
{
	if (!service->n_vips || (!service->selects && !objects->has_endpoints))
		return;
	nb_kube_notes_add(notes, NB_KUBE_SERVICE_WITHOUT_SLICE,
			  "Service %s has no backends: no EndpointSlice of it is in the input%s",
			  service->name, objects->has_endpoints ? "; Endpoints (v1) are ignored" : "");
}

/* The objects in order: Services by name, EndpointSlices by their Service's name. */
struct sorted {
	const struct nb_kube_service **services; /* owned */
	const struct nb_kube_slice **slices;     /* owned */
};

static void free_sorted(struct sorted *sorted)
{
	free(sorted->services);
	free(sorted->slices);
}

static int sort_objects(const struct nb_kube_objects *objects, struct sorted *sorted, struct nb_error *err)
{
	const size_t n_services = objects->services.n, n_slices = objects->slices.n;

	sorted->services = calloc(n_services + 1, sizeof(*sorted->services));
	sorted->slices = calloc(n_slices + 1, sizeof(*sorted->slices));
	if (!sorted->services || !sorted->slices)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < n_services; i++)
		sorted->services[i] = &objects->services.items[i];
	for (size_t i = 0; i < n_slices; i++)
		sorted->slices[i] = &objects->slices.items[i];
	qsort(sorted->slices, n_slices, sizeof(*sorted->slices), compare_slice_names);
	for (size_t i = 1; i < n_slices; i++)
		if (!strcmp(sorted->slices[i]->name, sorted->slices[i - 1]->name))
			return nb_fail(err, NB_ERR_CONFIG, 0, "EndpointSlice %s appears twice in the input",
				       sorted->slices[i]->name);
	qsort(sorted->services, n_services, sizeof(*sorted->services), compare_services);
	qsort(sorted->slices, n_slices, sizeof(*sorted->slices), compare_slices);
	return 0;
}

/* Merges the two sorted lists. */
static int join_sorted(const struct nb_kube_objects *objects, const struct sorted *sorted,
		       struct nb_kube_notes *notes, struct nb_services *joined, struct nb_error *err)
{
	const struct nb_kube_slice *const *slice = sorted->slices, *const *end = slice + objects->slices.n;

	for (size_t i = 0; i < objects->services.n; i++) {
		const struct nb_kube_slice *const *first = slice;
		struct nb_kube_group group = { .service = sorted->services[i] };
		int rc;

		if (i && !strcmp(group.service->name, sorted->services[i - 1]->name))
			return nb_fail(err, NB_ERR_CONFIG, 0, "Service %s appears twice in the input",
				       group.service->name);
		while (slice < end && strcmp((*slice)->service, group.service->name) < 0)
			slice++;
		note_slices_without_service(notes, first, slice - first);
		for (group.slices = slice; slice < end && !strcmp((*slice)->service, group.service->name);)
			slice++;
		group.n = slice - group.slices;
		if (!group.n)
			note_service_without_slice(notes, objects, group.service);
		rc = join_group(&group, &objects->view, notes, joined, err);
		if (rc)
			return rc;
	}
	note_slices_without_service(notes, slice, end - slice);
	return 0;
}

/* The winner of each address and port first, on each side. */
static int compare_claims(const void *a, const void *b)
{
	const struct nb_service *x = a, *y = b;
	int order = memcmp(&x->key, &y->key, sizeof(x->key));

	if (order)
		return order;
	return nb_kube_frontend_beats(x, y) ? -1 : nb_kube_frontend_beats(y, x);
}

/*
 * Whether the first of two neighbours takes an address and port from the second one. A ClusterIP takes both
 * sides, though it has no frontend outside.
 */
static bool takes(const struct nb_service *winner, const struct nb_service *service)
{
	return !nb_frontend_compare_place(&winner->key, &service->key) && service->kind != NB_CLUSTER_IP &&
	       strcmp(winner->name, service->name) != 0;
}

/* Leaves out frontends whose address and port another Service has, but for two ClusterIPs: that is an error.
 */
static void resolve_conflicts(struct nb_services *services, struct nb_kube_notes *notes)
{
	char frontend[NB_FRONTEND_STRLEN];
	size_t last = 0;

	if (!services->n)
		return;
	qsort(services->items, services->n, sizeof(*services->items), compare_claims);
	for (size_t i = 1; i < services->n; i++) {
		struct nb_service *winner = &services->items[last], *service = &services->items[i];

		if (!takes(winner, service)) {
			services->items[++last] = *service;
			continue;
		}
		if (service->key.side == NB_SIDE_INSIDE)
			nb_kube_notes_add(notes, NB_KUBE_CONFLICT,
					  "Service %s: left out %s, which belongs to Service %s",
					  service->name, nb_frontend_format(&service->key, frontend),
					  winner->name);
		free(service->backends);
		free(service->ranges);
	}
	services->n = last + 1;
}

int nb_kube_join(const struct nb_kube_objects *objects, struct nb_kube_notes *notes,
		 struct nb_services *services, struct nb_error *err)
{
	nb_cleanup(free_sorted) struct sorted sorted = { 0 };
	nb_cleanup(nb_services_free) struct nb_services joined = { 0 };
	int rc = sort_objects(objects, &sorted, err);

	if (rc)
		return rc;
	rc = join_sorted(objects, &sorted, notes, &joined, err);
	if (rc)
		return rc;
	resolve_conflicts(&joined, notes);
	rc = nb_services_normalize(&joined, err);
	if (rc)
		return rc;
	*services = joined;
	joined = (struct nb_services){ 0 };
	return 0;
}
