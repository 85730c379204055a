// SPDX-License-Identifier: GPL-2.0-or-later
/* Services and their EndpointSlices joined to frontends and backends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "object.h"

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

/* The slices of one Service. */
struct slices {
	const struct nb_kube_slice *const *items;
	size_t n;
};

static const struct nb_kube_port *find_port(const struct nb_kube_slice *slice,
					    const struct nb_kube_port *port)
{
	for (size_t i = 0; i < slice->ports.n; i++) {
		const struct nb_kube_port *candidate = &slice->ports.items[i];

		if (candidate->proto == port->proto && candidate->port &&
		    !strcmp(candidate->name, port->name))
			return candidate;
	}
	return NULL;
}

/* Whether some endpoint of that family and port is ready. */
static bool has_ready(struct slices slices, int family, const struct nb_kube_port *port)
{
	for (size_t i = 0; i < slices.n; i++) {
		const struct nb_kube_slice *slice = slices.items[i];

		if (slice->family != family || !find_port(slice, port))
			continue;
		for (size_t k = 0; k < slice->endpoints.n; k++)
			if (slice->endpoints.items[k].ready)
				return true;
	}
	return false;
}

/*
 * Backends of one service port in one family. New connections get those that are ready, or if there is none
 * those that linger. Of the others TCP keeps the connections that it has with whatever is listed, UDP with
 * what still answers.
 */
static int add_backends(struct nb_service *service, struct slices slices, const struct nb_kube_port *port,
			struct nb_error *err)
{
	const bool ready = has_ready(slices, nb_addr_family(&service->key.addr), port);
	int family = nb_addr_family(&service->key.addr);
	int rc = 0;

	for (size_t i = 0; i < slices.n && !rc; i++) {
		const struct nb_kube_slice *slice = slices.items[i];
		const struct nb_kube_port *target = find_port(slice, port);

		if (!target || slice->family != family)
			continue;
		for (size_t k = 0; k < slice->endpoints.n && !rc; k++) {
			const struct nb_kube_endpoint *endpoint = &slice->endpoints.items[k];

			const struct nb_service_backend backend = {
				.addr = endpoint->addr,
				.port = target->port,
				.draining = !(ready ? endpoint->ready : endpoint->lingers),
			};

			if (!backend.draining || endpoint->serving || port->proto == IPPROTO_TCP)
				rc = nb_service_add_backend(service, &backend, err);
		}
	}
	return rc;
}

static int add_frontend(struct nb_services *services, const struct nb_kube_service *from,
			const struct nb_addr *vip, const struct nb_kube_port *port, struct slices slices,
			struct nb_error *err)
{
	struct nb_service *service = nb_services_add(services, err);

	if (!service)
		return -ENOMEM;
	memcpy(service->name, from->name, sizeof(service->name));
	memcpy(service->port_name, port->name, sizeof(service->port_name));
	service->key.addr = *vip;
	service->key.port = port->port;
	service->key.proto = port->proto;
	service->affinity = from->affinity;
	service->origin = NB_ORIGIN_APPLY;
	return add_backends(service, slices, port, err);
}

/* A name or protocol that is not the same on both sides: endpoints there are, and none for this port. */
static void tell_port_alone(struct nb_kube *kube, const struct nb_kube_service *service, struct slices slices,
			    const struct nb_kube_port *port)
{
	bool endpoints = false;

	for (size_t i = 0; i < slices.n; i++) {
		if (slices.items[i]->endpoints.n && find_port(slices.items[i], port))
			return;
		endpoints |= slices.items[i]->endpoints.n;
	}
	if (endpoints)
		nb_kube_tell(
			kube, NB_KUBE_PORT_ALONE,
			"Service %s: its EndpointSlices have no port \"%s\" of %s, hence %u has no backends",
			service->name, port->name, nb_proto_name(port->proto), ntohs(port->port));
}

static int join(struct nb_kube *kube, struct nb_services *services, const struct nb_kube_service *from,
		struct slices slices, struct nb_error *err)
{
	int rc = 0;

	for (size_t p = 0; p < from->ports.n && from->n_vips; p++) {
		tell_port_alone(kube, from, slices, &from->ports.items[p]);
		for (unsigned int v = 0; v < from->n_vips && !rc; v++)
			rc = add_frontend(services, from, &from->vips[v], &from->ports.items[p], slices, err);
	}
	return rc;
}

static void tell_orphans(struct nb_kube *kube, struct slices slices)
{
	for (size_t i = 0; i < slices.n; i++)
		if (slices.items[i]->service[0])
			nb_kube_tell(kube, NB_KUBE_SLICE_ALONE,
				     "EndpointSlice %s: its Service %s is not in the input",
				     slices.items[i]->name, slices.items[i]->service);
}

static void tell_without_slices(struct nb_kube *kube, const struct nb_kube_service *service)
{
	if (!service->n_vips || (!service->selects && !kube->has_endpoints))
		return;
	nb_kube_tell(kube, NB_KUBE_SERVICE_ALONE,
		     "Service %s has no EndpointSlice in the input, hence no backends%s", service->name,
		     kube->has_endpoints ? "; Endpoints (v1) are not read" : "");
}

/* Both sorted by the Service's name. */
static int join_all(struct nb_kube *kube, struct nb_services *joined,
		    const struct nb_kube_service *const *services, const struct nb_kube_slice *const *slices,
		    struct nb_error *err)
{
	const size_t n_slices = kube->slices.n;
	size_t first = 0;
	int rc = 0;

	for (size_t i = 0; i < kube->services.n && !rc; i++) {
		size_t last, begin = first;

		if (i && !strcmp(services[i]->name, services[i - 1]->name))
			return nb_fail(err, NB_ERR_CONFIG, 0, "Service %s is there twice", services[i]->name);
		while (first < n_slices && strcmp(slices[first]->service, services[i]->name) < 0)
			first++;
		tell_orphans(kube, (struct slices){ slices + begin, first - begin });
		for (last = first; last < n_slices && !strcmp(slices[last]->service, services[i]->name);)
			last++;
		if (first == last)
			tell_without_slices(kube, services[i]);
		rc = join(kube, joined, services[i], (struct slices){ slices + first, last - first }, err);
		first = last;
	}
	if (!rc)
		tell_orphans(kube, (struct slices){ slices + first, n_slices - first });
	return rc;
}

static int refuse_double_slices(const struct nb_kube_slice **slices, size_t n, struct nb_error *err)
{
	qsort(slices, n, sizeof(*slices), compare_slice_names);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(slices[i]->name, slices[i - 1]->name))
			return nb_fail(err, NB_ERR_CONFIG, 0, "EndpointSlice %s is there twice",
				       slices[i]->name);
	return 0;
}

int nb_kube_join(struct nb_kube *kube, struct nb_services *services, struct nb_error *err)
{
	const struct nb_kube_service **by_name nb_autofree = calloc(kube->services.n + 1, sizeof(*by_name));
	const struct nb_kube_slice **by_service nb_autofree = calloc(kube->slices.n + 1, sizeof(*by_service));
	struct nb_services joined nb_cleanup(nb_services_free) = { 0 };
	int rc;

	if (!by_name || !by_service)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < kube->services.n; i++)
		by_name[i] = &kube->services.items[i];
	for (size_t i = 0; i < kube->slices.n; i++)
		by_service[i] = &kube->slices.items[i];
	rc = refuse_double_slices(by_service, kube->slices.n, err);
	if (rc)
		return rc;
	qsort(by_name, kube->services.n, sizeof(*by_name), compare_services);
	qsort(by_service, kube->slices.n, sizeof(*by_service), compare_slices);
	rc = join_all(kube, &joined, by_name, by_service, err);
	if (!rc)
		rc = nb_services_normalize(&joined, err);
	if (rc)
		return rc;
	*services = joined;
	joined = (struct nb_services){ 0 };
	return 0;
}
