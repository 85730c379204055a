// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads an EndpointSlice (API discovery.k8s.io/v1). */
#include "slice.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <natbridge/abi.h>

#include "lib/json/json.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"
#include "lib/util/vec.h"

#include "notes.h"
#include "object.h"

static int read_port(const struct nb_json *at, struct nb_kube_slice *slice, struct nb_error *err)
{
	struct nb_kube_port port = { 0 };
	unsigned int number = 0;
	int rc = nb_kube_read_port(at, &port, &number, err);

	if (rc)
		return rc;
	return nb_vec_push(&slice->ports, port, err);
}

/*
 * Reads the first address. The API says that an endpoint's addresses are fungible and consumers use
 * the first.
 */
static int read_address(const struct nb_json *at, const struct nb_kube_slice *slice, struct nb_addr *addr,
			struct nb_error *err)
{
	const struct nb_json addresses = nb_json_get(at, "addresses");
	struct nb_json first;
	const char *text = "";
	int rc = nb_json_is_array(&addresses, err);

	if (rc)
		return rc;
	first = nb_json_first(&addresses);
	if (!first.node)
		return nb_json_fail(at, NB_ERR_CONFIG, err, "\"addresses\" is missing or empty");
	rc = nb_json_string(&first, &text, err);
	if (rc)
		return rc;
	if (!nb_addr_parse_kubernetes(text, addr) || !nb_addr_is_routable(addr) ||
	    nb_addr_family(addr) != slice->family)
		return nb_json_fail(&first, NB_ERR_CONFIG, err,
				    "\"%.100s\" is not an IPv%d address that an endpoint can have", text,
				    slice->family == AF_INET ? 4 : 6);
	return 0;
}

static int read_conditions(const struct nb_json *at, struct nb_kube_endpoint *endpoint, struct nb_error *err)
{
	const struct nb_json conditions = nb_json_get(at, "conditions");
	const struct nb_json ready_at = nb_json_get(&conditions, "ready");
	const struct nb_json serving_at = nb_json_get(&conditions, "serving");
	const struct nb_json terminating_at = nb_json_get(&conditions, "terminating");
	int rc = nb_json_is_object(&conditions, err);

	endpoint->ready = endpoint->serving = true;
	if (rc)
		return rc;
	rc = nb_json_bool(&ready_at, &endpoint->ready, err);
	if (rc)
		return rc;
	rc = nb_json_bool(&serving_at, &endpoint->serving, err);
	if (rc)
		return rc;
	return nb_json_bool(&terminating_at, &endpoint->terminating, err);
}

static int read_node_name(const struct nb_json *at, const char *node, struct nb_kube_endpoint *endpoint,
			  struct nb_error *err)
{
	const struct nb_json name_at = nb_json_get(at, "nodeName");
	const char *name = "";
	int rc = nb_json_string(&name_at, &name, err);

	endpoint->local = !rc && node && !strcmp(name, node);
	return rc;
}

/* Appends the names in a list of hints, {"name": ...} each, to *names: each has a ',' on both sides. */
static int read_hint_names(const struct nb_json *list, struct nb_strbuf *names, struct nb_error *err)
{
	int rc = nb_json_is_array(list, err);

	for (struct nb_json at = nb_json_first(list); !rc && at.node; at = nb_json_next(&at)) {
		const struct nb_json name_at = nb_json_get(&at, "name");
		const char *name = "";

		rc = nb_json_is_object(&at, err);
		if (!rc)
			rc = nb_json_string(&name_at, &name, err);
		if (rc || !*name)
			continue;
		nb_strbuf_put(names, names->len ? "" : ",");
		nb_strbuf_put(names, name);
		nb_strbuf_put(names, ",");
	}
	return rc;
}

/* Whether a list of read_hint_names() has a name. */
static bool has_name(const char *names, const char *name)
{
	const size_t len = strlen(name);

	for (const char *at = names; len && (at = strstr(at, name)); at++)
		if (at > names && at[-1] == ',' && at[len] == ',')
			return true;
	return false;
}

static int read_hints(const struct nb_json *at, const char *node, struct nb_kube_endpoint *endpoint,
		      struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf nodes = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf zones = { 0 };
	const struct nb_json hints = nb_json_get(at, "hints");
	const struct nb_json nodes_at = nb_json_get(&hints, "forNodes");
	const struct nb_json zones_at = nb_json_get(&hints, "forZones");
	int rc = nb_json_is_object(&hints, err);

	if (rc || !hints.node)
		return rc;
	rc = read_hint_names(&nodes_at, &nodes, err);
	if (rc)
		return rc;
	rc = read_hint_names(&zones_at, &zones, err);
	if (rc)
		return rc;
	if (nodes.failed || zones.failed)
		return nb_fail_nomem(err);
	endpoint->hints_node = nodes.len;
	endpoint->hints_here = nodes.len && node && has_name(nodes.buf, node);
	if (!zones.len)
		return 0;
	endpoint->zones = strdup(zones.buf);
	return endpoint->zones ? 0 : nb_fail_nomem(err);
}

bool nb_kube_endpoint_hints_zone(const struct nb_kube_endpoint *endpoint, const char *zone)
{
	return endpoint->zones && has_name(endpoint->zones, zone);
}

static void endpoint_free(struct nb_kube_endpoint *endpoint)
{
	free(endpoint->zones);
}

static int read_endpoint(const struct nb_json *at, const char *node, struct nb_kube_slice *slice,
			 struct nb_error *err)
{
	nb_cleanup(endpoint_free) struct nb_kube_endpoint endpoint = { 0 };
	int rc = nb_json_is_object(at, err);

	if (rc)
		return rc;
	rc = read_conditions(at, &endpoint, err);
	if (rc)
		return rc;
	rc = read_address(at, slice, &endpoint.addr, err);
	if (rc)
		return rc;
	rc = read_node_name(at, node, &endpoint, err);
	if (rc)
		return rc;
	rc = read_hints(at, node, &endpoint, err);
	if (rc)
		return rc;
	rc = nb_vec_push(&slice->endpoints, endpoint, err);
	if (!rc)
		endpoint.zones = NULL;
	return rc;
}

static int read_family(const struct nb_json *object, struct nb_kube_slice *slice, struct nb_error *err)
{
	const struct nb_json at = nb_json_get(object, "addressType");
	const char *type = NULL;
	int rc = nb_kube_string(&at, &type, err);

	if (rc)
		return rc;
	if (!type)
		return nb_json_fail(object, NB_ERR_CONFIG, err, "\"addressType\" is missing");
	if (strcmp(type, "IPv4") && strcmp(type, "IPv6") && strcmp(type, "FQDN"))
		return nb_json_fail(&at, NB_ERR_CONFIG, err, "\"%.100s\" is not IPv4, IPv6 or FQDN", type);
	slice->family = !strcmp(type, "IPv4") ? AF_INET : !strcmp(type, "IPv6") ? AF_INET6 : AF_UNSPEC;
	return 0;
}

/* Reads the name of its Service, which stays "" if the label is missing. */
static int read_service_name(const struct nb_kube_meta *meta, struct nb_kube_notes *notes,
			     struct nb_kube_slice *slice, struct nb_error *err)
{
	const char *name = "";
	int rc = nb_kube_label(meta, "kubernetes.io/service-name", &name, err);

	if (rc)
		return rc;
	if (!*name) {
		nb_kube_notes_add(notes, NB_KUBE_UNLABELLED_SLICE,
				  "EndpointSlice %s belongs to no Service: it has no label "
				  "kubernetes.io/service-name",
				  meta->full);
		return 0;
	}
	if (snprintf(slice->service, sizeof(slice->service), "%s/%s", meta->namespace_, name) >=
	    (int)sizeof(slice->service))
		return nb_json_fail(&meta->labels, NB_ERR_CONFIG, err,
				    "kubernetes.io/service-name \"%.100s\" is not the name of a Service",
				    name);
	return 0;
}

/* The time as the cluster writes it, RFC 3339 with seconds or a fraction, in UTC. Others are left out. */
static int read_trigger(const struct nb_kube_meta *meta, struct nb_kube_slice *slice, struct nb_error *err)
{
	const struct nb_json annotations = nb_json_get(&meta->metadata, "annotations");
	const struct nb_json at =
		nb_json_get(&annotations, "endpoints.kubernetes.io/last-change-trigger-time");
	const char *text = "", *end;
	struct tm tm = { 0 };
	int rc = nb_json_is_object(&annotations, err);

	if (rc)
		return rc;
	rc = nb_json_string(&at, &text, err);
	if (rc)
		return rc;
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || (*end != 'Z' && *end != '.'))
		return 0;
	slice->trigger = (__s64)timegm(&tm) * 1000;
	if (*end == '.')
		slice->trigger += (__s64)(strtod(end, NULL) * 1000);
	return 0;
}

static int read_endpoints(const struct nb_json *endpoints, struct nb_kube_notes *notes,
			  struct nb_kube_slice *slice, struct nb_error *err)
{
	for (struct nb_json at = nb_json_first(endpoints); at.node; at = nb_json_next(&at)) {
		int rc = read_endpoint(&at, notes->node, slice, err);

		if (!rc)
			continue;
		/* The caller names the slice in an error, but not in a note. */
		if (notes->lenient && err->code == NB_ERR_CONFIG)
			nb_wrap(err, "EndpointSlice %s", slice->name);
		if (!nb_kube_skip(notes, NB_KUBE_SKIPPED_ENDPOINT, "", err))
			return rc;
	}
	return 0;
}

int nb_kube_slice_read(const struct nb_json *object, const struct nb_kube_meta *meta,
		       struct nb_kube_notes *notes, struct nb_kube_slice *slice, struct nb_error *err)
{
	const struct nb_json ports = nb_json_get(object, "ports");
	const struct nb_json endpoints = nb_json_get(object, "endpoints");
	bool foreign = false;
	int rc = nb_kube_is_foreign(meta, &foreign, err);

	if (rc || foreign)
		return rc;
	rc = read_service_name(meta, notes, slice, err);
	if (rc)
		return rc;
	rc = read_trigger(meta, slice, err);
	if (rc)
		return rc;
	rc = read_family(object, slice, err);
	if (rc)
		return rc;
	rc = nb_json_is_array(&ports, err);
	if (rc)
		return rc;
	rc = nb_json_is_array(&endpoints, err);
	if (rc || !slice->service[0] || slice->family == AF_UNSPEC)
		return rc;
	for (struct nb_json at = nb_json_first(&ports); at.node; at = nb_json_next(&at)) {
		rc = read_port(&at, slice, err);
		if (rc)
			return rc;
	}
	rc = read_endpoints(&endpoints, notes, slice, err);
	if (rc)
		return rc;
	nb_vec_trim(&slice->ports);
	nb_vec_trim(&slice->endpoints);
	return 0;
}

static bool endpoints_equal(const struct nb_kube_endpoint *a, const struct nb_kube_endpoint *b)
{
	return nb_addr_equal(&a->addr, &b->addr) && a->ready == b->ready && a->serving == b->serving &&
	       a->terminating == b->terminating && a->local == b->local && a->hints_node == b->hints_node &&
	       a->hints_here == b->hints_here && !a->zones == !b->zones &&
	       (!a->zones || !strcmp(a->zones, b->zones));
}

bool nb_kube_slice_equal(const struct nb_kube_slice *a, const struct nb_kube_slice *b)
{
	if (strcmp(a->name, b->name) || strcmp(a->service, b->service) || a->family != b->family ||
	    a->ports.n != b->ports.n || a->endpoints.n != b->endpoints.n)
		return false;
	if (a->ports.n && memcmp(a->ports.items, b->ports.items, a->ports.n * sizeof(*a->ports.items)))
		return false;
	for (size_t i = 0; i < a->endpoints.n; i++)
		if (!endpoints_equal(&a->endpoints.items[i], &b->endpoints.items[i]))
			return false;
	return true;
}

void nb_kube_slice_free(struct nb_kube_slice *slice)
{
	free(slice->name);
	for (size_t i = 0; i < slice->endpoints.n; i++)
		endpoint_free(&slice->endpoints.items[i]);
	nb_vec_free(&slice->ports);
	nb_vec_free(&slice->endpoints);
}
