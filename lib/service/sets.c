// SPDX-License-Identifier: GPL-2.0-or-later
/* Binary search in a whole snapshot, else look-ups in the maps. */
#include "sets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "frontend_index.h"
#include "service.h"
#include "snapshot.h"

const struct nb_member *nb_snapshot_members(const struct nb_snapshot *snapshot, __u32 set, size_t *n)
{
	const struct nb_member *all = snapshot->members.items;
	size_t low = 0, high = snapshot->members.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (all[middle].key.set < set)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < snapshot->members.n && all[high].key.set == set;)
		high++;
	*n = high - low;
	return all + low;
}

static struct nb_service_backend to_backend(const struct nb_backend *from)
{
	return (struct nb_service_backend){
		.addr = from->addr,
		.port = from->port,
		.here = from->flags & NB_CONN_HERE,
	};
}

/* One by one from the map. A missing one ends the set. */
static int look_up_set(const struct nb_snapshot *snapshot, __u32 set, __u32 count,
		       struct nb_service_backend *backends, size_t *n, struct nb_error *err)
{
	struct nb_backend_key key = { .set = set };
	struct nb_backend backend;

	for (key.index = 0; key.index < count; key.index++) {
		int found = nb_map_get(snapshot->dp, NB_MAP_BACKENDS, &key, &backend, err);

		if (found <= 0)
			return found;
		backends[(*n)++] = to_backend(&backend);
	}
	return 0;
}

/* The same from a whole snapshot. */
static size_t copy_set(const struct nb_snapshot *snapshot, __u32 set, __u32 count,
		       struct nb_service_backend *backends)
{
	size_t n_members, n = 0;
	const struct nb_member *members = nb_snapshot_members(snapshot, set, &n_members);

	for (; n < n_members && n < count && members[n].key.index == n; n++)
		backends[n] = to_backend(&members[n].backend);
	return n;
}

int nb_snapshot_set(const struct nb_snapshot *snapshot, __u32 set, __u32 count,
		    struct nb_service_backend **backends, size_t *n, struct nb_error *err)
{
	nb_autofree struct nb_service_backend *found = NULL;
	size_t n_found = 0;
	int rc;

	if (count > snapshot->max_backends)
		count = snapshot->max_backends;
	found = calloc(count + 1, sizeof(*found));
	if (!found)
		return nb_fail_nomem(err);
	if (snapshot->whole) {
		n_found = copy_set(snapshot, set, count, found);
	} else {
		rc = look_up_set(snapshot, set, count, found, &n_found, err);
		if (rc)
			return rc;
	}
	*backends = NB_TAKE_PTR(found);
	*n = n_found;
	return 0;
}

const struct nb_source_range *nb_snapshot_ranges(const struct nb_snapshot *snapshot, __u32 service, size_t *n)
{
	const struct nb_source_range *all = snapshot->ranges.items;
	size_t low = 0, high = snapshot->ranges.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (all[middle].service < service)
			low = middle + 1;
		else
			high = middle;
	}
	for (high = low; high < snapshot->ranges.n && all[high].service == service;)
		high++;
	*n = high - low;
	return all + low;
}

/* Adds the source ranges of the frontend's family. */
static int add_ranges(const struct nb_snapshot *snapshot, const struct nb_frontend *frontend,
		      struct nb_service *service, struct nb_error *err)
{
	const struct nb_source_range *ranges;
	size_t n;

	if (!(frontend->flags & NB_FRONTEND_RANGES))
		return 0;
	ranges = nb_snapshot_ranges(snapshot, frontend->service, &n);
	for (size_t i = 0; i < n; i++) {
		int rc = nb_service_add_range(service, &ranges[i].addr, nb_source_range_len(&ranges[i]), err);

		if (rc)
			return rc;
	}
	return 0;
}

int nb_snapshot_add_service(const struct nb_snapshot *snapshot, const struct nb_owner *owner,
			    struct nb_services *services, struct nb_error *err)
{
	const struct nb_frontend_cell *cell =
		nb_frontend_index_find(&snapshot->cells, &owner->entry.frontend);
	nb_autofree struct nb_service_backend *backends = NULL;
	struct nb_service *service;
	size_t n;
	int rc;

	if (!cell || !cell->owner || &snapshot->owners.items[cell->owner - 1] != owner)
		return 0;
	rc = nb_snapshot_set(snapshot, cell->before.set, cell->before.known, &backends, &n, err);
	if (rc)
		return rc;
	service = nb_services_add(services, err);
	if (!service)
		return -ENOMEM;
	memcpy(service->name, owner->key.name, sizeof(service->name));
	memcpy(service->port_name, owner->entry.port_name, sizeof(service->port_name));
	service->key = cell->key;
	service->port = owner->entry.port;
	service->kind = nb_frontend_kind(&cell->before);
	service->local = cell->before.flags & NB_FRONTEND_LOCAL;
	service->on_host = cell->before.flags & NB_FRONTEND_HOST;
	service->affinity = cell->before.affinity;
	service->origin = owner->entry.origin;
	service->n_backends = n;
	service->n_eligible = n < cell->before.count ? n : cell->before.count;
	for (size_t i = service->n_eligible; i < n; i++)
		backends[i].draining = true;
	service->backends = NB_TAKE_PTR(backends);
	return add_ranges(snapshot, &cell->before, service, err);
}

struct owner_search {
	const struct nb_frontend_key *key;
	char *name;
};

static int match_owner(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_entry *entries = values;
	const struct nb_service_key *names = keys;
	struct owner_search *search = arg;

	for (__u32 i = 0; i < n; i++) {
		if (!names[i].name[0] || memcmp(&entries[i].frontend, search->key, sizeof(*search->key)))
			continue;
		memcpy(search->name, names[i].name, NB_NAME_MAX - 1);
		search->name[NB_NAME_MAX - 1] = '\0';
		return 1;
	}
	return 0;
}

int nb_snapshot_find_owner(const struct nb_snapshot *snapshot, const struct nb_frontend_key *key, char *name,
			   struct nb_error *err)
{
	struct owner_search search = { key, name };
	int rc;

	memcpy(name, "?", sizeof("?"));
	rc = nb_map_walk(snapshot->dp, NB_MAP_SERVICES, match_owner, &search, err);
	return rc < 0 ? rc : 0;
}
