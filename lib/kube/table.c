// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects as they come, into the table or into the set that has begun. */
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "object.h"
#include "table_entry.h"

/* ---- making and freeing ---- */

struct nb_kube_table *nb_kube_table_new(const struct nb_kube_note *note, const char *node,
					struct nb_error *err)
{
	struct nb_kube_table *table = calloc(1, sizeof(*table));

	if (!table) {
		nb_fail_nomem(err);
		return NULL;
	}
	table->claims = nb_claims_new(err);
	if (!table->claims) {
		free(table);
		return NULL;
	}
	if (note)
		table->notes.note = *note;
	table->notes.node = node;
	table->notes.lenient = true;
	table->view.has_node = node;
	return table;
}

void nb_kube_table_free(struct nb_kube_table **table_at)
{
	struct nb_kube_table *table = *table_at;

	if (!table)
		return;
	for (size_t i = 0; i < table->entries.n; i++)
		nb_table_entry_free(table->entries.items[i]);
	for (size_t i = 0; i < table->slices.n; i++)
		nb_table_slice_free(table->slices.items[i]);
	nb_vec_free(&table->entries);
	nb_vec_free(&table->slices);
	nb_vec_free(&table->dirty);
	nb_claims_free(&table->claims);
	nb_table_set_clear(&table->sets[0]);
	nb_table_set_clear(&table->sets[1]);
	nb_service_names_free(&table->notes.incomplete);
	free(table);
	*table_at = NULL;
}

/* ---- objects as they come ---- */

static int read_meta(const struct nb_json *object, enum nb_kube_kind kind, struct nb_kube_meta *meta,
		     struct nb_error *err)
{
	return nb_kube_read_meta(object, kind == NB_KUBE_SLICE, meta, err);
}

static int put_json_service(struct nb_kube_table *table, const struct nb_json *object,
			    const struct nb_kube_meta *meta, struct nb_error *err)
{
	nb_cleanup(nb_kube_service_free) struct nb_kube_service service = { 0 };
	struct nb_table_set *set = nb_table_set_of(table, NB_KUBE_SERVICE);
	int rc;

	snprintf(service.name, sizeof(service.name), "%.127s", meta->full);
	rc = nb_kube_service_read(object, meta, &table->notes, &service, err);
	if (rc)
		return nb_wrap(err, "Service %s", meta->full);
	if (!set->begun)
		return nb_table_put_service(table, &service, err);
	rc = nb_vec_push(&set->services, service, err);
	if (!rc)
		service = (struct nb_kube_service){ 0 };
	return rc;
}

static int put_json_slice(struct nb_kube_table *table, const struct nb_json *object,
			  const struct nb_kube_meta *meta, struct nb_error *err)
{
	nb_cleanup(nb_kube_slice_free) struct nb_kube_slice slice = { .name = strdup(meta->full) };
	struct nb_table_set *set = nb_table_set_of(table, NB_KUBE_SLICE);
	int rc;

	if (!slice.name)
		return nb_fail_nomem(err);
	rc = nb_kube_slice_read(object, meta, &table->notes, &slice, err);
	if (rc)
		return nb_wrap(err, "EndpointSlice %s", meta->full);
	if (!set->begun)
		return nb_table_put_slice(table, &slice, err);
	rc = nb_vec_push(&set->slices, slice, err);
	if (!rc)
		slice = (struct nb_kube_slice){ 0 };
	return rc;
}

int nb_kube_table_put(struct nb_kube_table *table, enum nb_kube_kind kind, const struct nb_json *object,
		      struct nb_error *err)
{
	const struct nb_json self = nb_json_root(object->node);
	struct nb_kube_meta meta = { 0 };
	int rc = read_meta(object, kind, &meta, err);

	if (rc)
		return rc;
	/* Errors name the object and then the path inside of it. Each note is passed on. */
	meta.metadata.up = &self;
	memset(table->notes.counts, 0, sizeof(table->notes.counts));
	return kind == NB_KUBE_SLICE ? put_json_slice(table, &self, &meta, err)
				     : put_json_service(table, &self, &meta, err);
}

int nb_kube_table_remove(struct nb_kube_table *table, enum nb_kube_kind kind, const struct nb_json *object,
			 struct nb_error *err)
{
	struct nb_table_set *set = nb_table_set_of(table, kind);
	struct nb_kube_meta meta = { 0 };
	int rc = read_meta(object, kind, &meta, err);

	if (rc)
		return rc;
	if (set->begun)
		nb_table_set_remove(set, meta.full);
	else
		return kind == NB_KUBE_SLICE ? nb_table_remove_slice(table, meta.full, err)
					     : nb_table_remove_service(table, meta.full, err);
	return 0;
}

/* ---- what is there ---- */

bool nb_kube_table_has(const struct nb_kube_table *table, const char *name)
{
	const struct nb_table_entry *entry = nb_table_find_entry(table, name);

	return entry && entry->has_service;
}

static bool is_external(const struct nb_kube_service *service)
{
	for (size_t i = 0; i < service->ports.n; i++)
		if (service->ports.items[i].node_port)
			return true;
	return service->external_ips.n || service->balancers.n;
}

bool nb_kube_table_has_external(const struct nb_kube_table *table)
{
	for (size_t i = 0; i < table->entries.n; i++)
		if (table->entries.items[i]->has_service && is_external(&table->entries.items[i]->service))
			return true;
	return false;
}

void nb_kube_table_count(const struct nb_kube_table *table, struct nb_kube_table_size *size)
{
	*size = table->size;
}

/* Whether an address is among the endpoints of slices[n] before endpoint last of the last slice. */
static bool is_counted(const struct nb_kube_slice *const *slices, size_t n, size_t last,
		       const struct nb_addr *addr)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < (i + 1 < n ? slices[i]->endpoints.n : last); k++) {
			const struct nb_kube_endpoint *endpoint = &slices[i]->endpoints.items[k];

			if (endpoint->ready && endpoint->local && nb_addr_equal(&endpoint->addr, addr))
				return true;
		}
	return false;
}

/* An address in two slices, as while it moves from one to another, counts once. */
static size_t count_local(const struct nb_table_entry *entry)
{
	const struct nb_kube_slice *const *slices = entry->slices.items;
	const int family = nb_addr_family(&entry->service.vips[0]);
	size_t count = 0;

	for (size_t i = 0; i < entry->slices.n; i++)
		for (size_t k = 0; k < slices[i]->endpoints.n; k++) {
			const struct nb_kube_endpoint *endpoint = &slices[i]->endpoints.items[k];

			count += endpoint->ready && endpoint->local &&
				 nb_addr_family(&endpoint->addr) == family &&
				 !is_counted(slices, i + 1, k, &endpoint->addr);
		}
	return count;
}

void nb_kube_table_health(const struct nb_kube_table *table,
			  void (*fn)(const struct nb_kube_health *health, void *arg), void *arg)
{
	for (size_t i = 0; i < table->entries.n; i++) {
		const struct nb_table_entry *entry = table->entries.items[i];
		const struct nb_kube_health health = {
			.name = entry->name,
			.port = entry->service.health_port,
			.local = entry->service.health_port ? count_local(entry) : 0,
		};

		if (entry->has_service && health.port)
			fn(&health, arg);
	}
}

const struct nb_kube_slice *const *nb_kube_table_slices(const struct nb_kube_table *table, const char *name,
							size_t *n)
{
	const struct nb_table_entry *entry = nb_table_find_entry(table, name);

	*n = entry ? entry->slices.n : 0;
	return entry ? entry->slices.items : NULL;
}
