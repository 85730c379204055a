// SPDX-License-Identifier: GPL-2.0-or-later
/* Services in memory: added one by one, then sorted and checked. */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"

void nb_services_free(struct nb_services *services)
{
	for (size_t i = 0; i < services->n; i++) {
		free(services->items[i].backends);
		free(services->items[i].ranges);
	}
	free(services->items);
	*services = (struct nb_services){ 0 };
}

int nb_services_view(const struct nb_services *all, bool outside, struct nb_services *view,
		     struct nb_error *err)
{
	struct nb_service *items = calloc(all->n + 1, sizeof(*items));
	size_t n = 0;

	if (!items)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < all->n; i++)
		if (outside || all->items[i].key.side == NB_SIDE_INSIDE)
			items[n++] = all->items[i];
	*view = (struct nb_services){ n, items };
	return 0;
}

void nb_services_view_free(struct nb_services *view)
{
	free(view->items);
	*view = (struct nb_services){ 0 };
}

/* Makes room for one more item. The capacity is not stored: it doubles whenever n is a power of two. */
static void *grow_by_one(void *items, size_t n, size_t size)
{
	if (n & (n - 1))
		return items;
	return reallocarray(items, n ? 2 * n : 1, size);
}

struct nb_service *nb_services_add(struct nb_services *services, struct nb_error *err)
{
	struct nb_service *items = grow_by_one(services->items, services->n, sizeof(*items));

	if (!items) {
		nb_fail_nomem(err);
		return NULL;
	}
	services->items = items;
	items[services->n] = (struct nb_service){ 0 };
	return &items[services->n++];
}

int nb_service_add_backend(struct nb_service *service, const struct nb_service_backend *backend,
			   struct nb_error *err)
{
	struct nb_service_backend *backends =
		grow_by_one(service->backends, service->n_backends, sizeof(*backends));

	if (!backends)
		return nb_fail_nomem(err);
	service->backends = backends;
	backends[service->n_backends++] = *backend;
	return 0;
}

int nb_service_add_range(struct nb_service *service, const struct nb_addr *addr, unsigned int prefix_len,
			 struct nb_error *err)
{
	const bool is_v4 = nb_addr_is_v4(addr);
	struct nb_source_range *ranges;

	if (nb_addr_family(addr) != nb_addr_family(&service->key.addr))
		return 0;
	ranges = grow_by_one(service->ranges, service->n_ranges, sizeof(*ranges));
	if (!ranges)
		return nb_fail_nomem(err);
	service->ranges = ranges;
	ranges[service->n_ranges++] = (struct nb_source_range){
		.prefixlen = 8 * sizeof(ranges->service) + (is_v4 ? 96 : 0) + prefix_len,
		.addr = nb_addr_network(addr, prefix_len),
	};
	return 0;
}

unsigned int nb_source_range_len(const struct nb_source_range *range)
{
	const unsigned int before = 8 * sizeof(range->service) + (nb_addr_is_v4(&range->addr) ? 96 : 0);

	return range->prefixlen < before ? 0 : range->prefixlen - before;
}

int nb_source_range_compare(const void *a, const void *b)
{
	const struct nb_source_range *x = a, *y = b;
	int order;

	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	order = memcmp(&x->addr, &y->addr, sizeof(x->addr));
	return order ? order : (int)x->prefixlen - (int)y->prefixlen;
}

static void normalize_ranges(struct nb_service *service)
{
	size_t n = 0;

	if (!service->n_ranges)
		return;
	qsort(service->ranges, service->n_ranges, sizeof(*service->ranges), nb_source_range_compare);
	for (size_t i = 1; i < service->n_ranges; i++)
		if (nb_source_range_compare(&service->ranges[n], &service->ranges[i]))
			service->ranges[++n] = service->ranges[i];
	service->n_ranges = n + 1;
}

static int compare_backends(const void *a, const void *b)
{
	const struct nb_service_backend *x = a, *y = b;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	return order ? order : (int)ntohs(x->port) - (int)ntohs(y->port);
}

/* Eligible before draining. */
static int compare_parts(const void *a, const void *b)
{
	const struct nb_service_backend *x = a, *y = b;

	return x->draining != y->draining ? x->draining - y->draining : compare_backends(a, b);
}

static void normalize_backends(struct nb_service *service)
{
	struct nb_service_backend *backends = service->backends;
	size_t n = 0;

	service->n_eligible = 0;
	if (!service->n_backends)
		return;
	qsort(backends, service->n_backends, sizeof(*backends), compare_backends);
	for (size_t i = 1; i < service->n_backends; i++) {
		if (compare_backends(&backends[n], &backends[i]))
			backends[++n] = backends[i];
		else
			backends[n].draining &= backends[i].draining;
	}
	service->n_backends = n + 1;
	qsort(backends, service->n_backends, sizeof(*backends), compare_parts);
	while (service->n_eligible < service->n_backends && !backends[service->n_eligible].draining)
		service->n_eligible++;
}

static int compare_services(const void *a, const void *b)
{
	const struct nb_service *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (!order)
		order = (int)ntohs(x->key.port) - (int)ntohs(y->key.port);
	if (!order)
		order = (int)x->key.proto - (int)y->key.proto;
	if (!order)
		order = memcmp(&x->key.addr, &y->key.addr, sizeof(x->key.addr));
	return order ? order : (int)x->key.side - (int)y->key.side;
}

static int compare_keys(const void *a, const void *b)
{
	const struct nb_service *const *x = a, *const *y = b;
	int order = memcmp(&(*x)->key, &(*y)->key, sizeof((*x)->key));

	return order ? order : compare_services(*x, *y);
}

static int refuse_duplicate_keys(const struct nb_services *services, struct nb_error *err)
{
	nb_autofree const struct nb_service **by_key = calloc(services->n + 1, sizeof(*by_key));
	char frontend[NB_FRONTEND_STRLEN];

	if (!by_key)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < services->n; i++)
		by_key[i] = &services->items[i];
	qsort(by_key, services->n, sizeof(*by_key), compare_keys);
	for (size_t i = 1; i < services->n; i++)
		if (!memcmp(&by_key[i - 1]->key, &by_key[i]->key, sizeof(by_key[i]->key)))
			return nb_fail(err, NB_ERR_CONFIG, 0, "Service %s and Service %s both claim %s",
				       by_key[i - 1]->name, by_key[i]->name,
				       nb_frontend_format(&by_key[i]->key, frontend));
	return 0;
}

int nb_services_normalize(struct nb_services *services, struct nb_error *err)
{
	int rc = refuse_duplicate_keys(services, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < services->n; i++) {
		struct nb_service *service = &services->items[i];

		if (!service->port)
			service->port = service->key.port;
		normalize_backends(service);
		normalize_ranges(service);
	}
	if (services->n)
		qsort(services->items, services->n, sizeof(*services->items), compare_services);
	return 0;
}

__u64 nb_service_digest(const struct nb_service_backend *backends, size_t n)
{
	__u64 hash = NB_FNV1A_64_START;

	for (size_t i = 0; i < n; i++) {
		hash = nb_fnv1a_64(hash, &backends[i].addr, sizeof(backends[i].addr));
		hash = nb_fnv1a_64(hash, &backends[i].port, sizeof(backends[i].port));
		if (backends[i].here)
			hash = nb_fnv1a_64(hash, "here", sizeof("here"));
	}
	return hash;
}

__u64 nb_source_ranges_digest(const struct nb_source_range *ranges, size_t n)
{
	__u64 hash = NB_FNV1A_64_START;

	for (size_t i = 0; i < n; i++) {
		hash = nb_fnv1a_64(hash, &ranges[i].addr, sizeof(ranges[i].addr));
		hash = nb_fnv1a_64(hash, &ranges[i].prefixlen, sizeof(ranges[i].prefixlen));
	}
	return n ? hash : 0;
}

const char *nb_proto_name(unsigned int proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "TCP";
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	default:
		return "?";
	}
}

int nb_frontend_compare_place(const struct nb_frontend_key *a, const struct nb_frontend_key *b)
{
	int order = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (!order)
		order = (int)ntohs(a->port) - (int)ntohs(b->port);
	return order ? order : (int)a->proto - (int)b->proto;
}

const char *nb_frontend_format(const struct nb_frontend_key *key, char buf[NB_FRONTEND_STRLEN])
{
	char addr[NB_ADDR_STRLEN];

	nb_addr_format(&key->addr, addr);
	snprintf(buf, NB_FRONTEND_STRLEN, nb_addr_is_v4(&key->addr) ? "%s:%u/%s%s" : "[%s]:%u/%s%s", addr,
		 ntohs(key->port), nb_proto_name(key->proto),
		 key->side == NB_SIDE_OUTSIDE ? " (outside)" : "");
	return buf;
}
