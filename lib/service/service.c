// SPDX-License-Identifier: GPL-2.0-or-later
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/addr.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"

void nb_services_free(struct nb_services *services)
{
	for (size_t i = 0; i < services->n; i++)
		free(services->items[i].backends);
	free(services->items);
	*services = (struct nb_services){ 0 };
}

/* Room for one more in an array that grows by doubling and whose capacity is not stored: it is used up only
 * when n is 0 or a power of two. */
static void *room_for_one(void *items, size_t n, size_t size)
{
	if (n & (n - 1))
		return items;
	return reallocarray(items, n ? 2 * n : 1, size);
}

struct nb_service *nb_services_add(struct nb_services *services, struct nb_error *err)
{
	struct nb_service *items = room_for_one(services->items, services->n, sizeof(*items));

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
		room_for_one(service->backends, service->n_backends, sizeof(*backends));

	if (!backends)
		return nb_fail_nomem(err);
	service->backends = backends;
	backends[service->n_backends++] = *backend;
	return 0;
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
	return order ? order : memcmp(&x->key.addr, &y->key.addr, sizeof(x->key.addr));
}

static int compare_keys(const void *a, const void *b)
{
	const struct nb_service *const *x = a, *const *y = b;
	int order = memcmp(&(*x)->key, &(*y)->key, sizeof((*x)->key));

	return order ? order : compare_services(*x, *y);
}

static int refuse_double_keys(const struct nb_services *services, struct nb_error *err)
{
	char frontend[NB_FRONTEND_STRLEN];
	const struct nb_service **by_key = calloc(services->n + 1, sizeof(*by_key));
	size_t i = 1;

	if (!by_key)
		return nb_fail_nomem(err);
	for (size_t k = 0; k < services->n; k++)
		by_key[k] = &services->items[k];
	qsort(by_key, services->n, sizeof(*by_key), compare_keys);
	while (i < services->n && memcmp(&by_key[i - 1]->key, &by_key[i]->key, sizeof(by_key[i]->key)))
		i++;
	if (i < services->n) {
		nb_frontend_format(&by_key[i]->key, frontend);
		nb_fail(err, NB_ERR_CONFIG, 0, "Service %s and Service %s both claim %s", by_key[i - 1]->name,
			by_key[i]->name, frontend);
	}
	free(by_key);
	return i < services->n ? -EINVAL : 0;
}

int nb_services_normalize(struct nb_services *services, struct nb_error *err)
{
	int rc = refuse_double_keys(services, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < services->n; i++)
		normalize_backends(&services->items[i]);
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
	}
	return hash;
}

const char *nb_proto_name(unsigned int proto)
{
	return proto == IPPROTO_TCP ? "TCP" : proto == IPPROTO_UDP ? "UDP" : "?";
}

const char *nb_frontend_format(const struct nb_frontend_key *key, char buf[NB_FRONTEND_STRLEN])
{
	char addr[NB_ADDR_STRLEN];

	nb_addr_format(&key->addr, addr);
	snprintf(buf, NB_FRONTEND_STRLEN, nb_addr_is_v4(&key->addr) ? "%s:%u/%s" : "[%s]:%u/%s", addr,
		 ntohs(key->port), nb_proto_name(key->proto));
	return buf;
}
