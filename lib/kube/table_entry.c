// SPDX-License-Identifier: GPL-2.0-or-later
/* Services by name, each with its slices; slices by name. Both are sorted arrays, as the server sends them
 * sorted. */
#include "table_entry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

enum { TRIGGERS_MAX = 64 }; /* of one Service */

/* ---- entries ---- */

void nb_table_entry_free(struct nb_table_entry *entry)
{
	nb_kube_service_free(&entry->service);
	nb_vec_free(&entry->slices);
	nb_claim_keys_free(&entry->claims);
	nb_vec_free(&entry->triggers);
	free(entry);
}

size_t nb_table_lower_entry(const struct nb_kube_table *table, const char *name)
{
	size_t low = 0, high = table->entries.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(table->entries.items[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct nb_table_entry *nb_table_find_entry(const struct nb_kube_table *table, const char *name)
{
	size_t at = nb_table_lower_entry(table, name);

	return at < table->entries.n && !strcmp(table->entries.items[at]->name, name)
		       ? table->entries.items[at]
		       : NULL;
}

/* NULL: out of memory. */
static struct nb_table_entry *find_or_add_entry(struct nb_kube_table *table, const char *name,
						struct nb_error *err)
{
	size_t at = nb_table_lower_entry(table, name);
	struct nb_table_entry *entry;

	if (at < table->entries.n && !strcmp(table->entries.items[at]->name, name))
		return table->entries.items[at];
	if (nb_vec_reserve(&table->entries, table->entries.n + 1, err))
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		nb_fail_nomem(err);
		return NULL;
	}
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	memmove(&table->entries.items[at + 1], &table->entries.items[at],
		(table->entries.n++ - at) * sizeof(entry));
	table->entries.items[at] = entry;
	return entry;
}

void nb_table_remove_if_empty(struct nb_kube_table *table, struct nb_table_entry *entry)
{
	size_t at = nb_table_lower_entry(table, entry->name);

	if (entry->has_service || entry->slices.n || entry->dirty || entry->in_batch || entry->claims.keys.n)
		return;
	memmove(&table->entries.items[at], &table->entries.items[at + 1],
		(--table->entries.n - at) * sizeof(entry));
	nb_table_entry_free(entry);
}

int nb_table_make_dirty(struct nb_kube_table *table, struct nb_table_entry *entry, struct nb_error *err)
{
	if (entry->dirty || entry->in_batch)
		return 0;
	if (nb_vec_push(&table->dirty, entry, err))
		return -ENOMEM;
	entry->dirty = true;
	return 0;
}

/* ---- objects ---- */

int nb_table_put_service(struct nb_kube_table *table, struct nb_kube_service *service, struct nb_error *err)
{
	struct nb_table_entry *entry = find_or_add_entry(table, service->name, err);
	int rc;

	if (!entry)
		return -ENOMEM;
	if (entry->has_service && nb_kube_service_equal(&entry->service, service))
		return 0;
	rc = nb_table_make_dirty(table, entry, err);
	if (rc)
		return rc;
	table->size.services += !entry->has_service;
	nb_kube_service_free(&entry->service);
	entry->service = *service;
	entry->has_service = true;
	*service = (struct nb_kube_service){ 0 };
	return 0;
}

int nb_table_remove_service(struct nb_kube_table *table, const char *name, struct nb_error *err)
{
	struct nb_table_entry *entry = nb_table_find_entry(table, name);
	int rc = entry && entry->has_service ? nb_table_make_dirty(table, entry, err) : 0;

	if (rc || !entry || !entry->has_service)
		return rc;
	nb_kube_service_free(&entry->service);
	entry->service = (struct nb_kube_service){ 0 };
	entry->has_service = false;
	table->size.services--;
	return 0;
}

void nb_table_slice_free(struct nb_table_slice *slice)
{
	nb_kube_slice_free(&slice->object);
	free(slice);
}

static size_t lower_slice(const struct nb_kube_table *table, const char *name)
{
	size_t low = 0, high = table->slices.n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(table->slices.items[middle]->object.name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct nb_table_slice *find_slice(const struct nb_kube_table *table, const char *name)
{
	size_t at = lower_slice(table, name);

	return at < table->slices.n && !strcmp(table->slices.items[at]->object.name, name)
		       ? table->slices.items[at]
		       : NULL;
}

static int note_trigger(struct nb_table_entry *entry, int64_t trigger, struct nb_error *err)
{
	if (!trigger || entry->triggers.n == TRIGGERS_MAX)
		return 0;
	return nb_vec_push(&entry->triggers, trigger, err);
}

static void detach_slice(struct nb_table_slice *slice)
{
	struct nb_table_entry *entry = slice->entry;
	size_t n = 0;

	for (size_t i = 0; i < entry->slices.n; i++)
		if (entry->slices.items[i] != &slice->object)
			entry->slices.items[n++] = entry->slices.items[i];
	entry->slices.n = n;
}

int nb_table_remove_slice(struct nb_kube_table *table, const char *name, struct nb_error *err)
{
	struct nb_table_slice *slice = find_slice(table, name);
	size_t at = lower_slice(table, name);
	int rc = slice ? nb_table_make_dirty(table, slice->entry, err) : 0;

	if (rc || !slice)
		return rc;
	detach_slice(slice);
	memmove(&table->slices.items[at], &table->slices.items[at + 1],
		(--table->slices.n - at) * sizeof(slice));
	table->size.slices--;
	table->size.endpoints -= slice->object.endpoints.n;
	nb_table_slice_free(slice);
	return 0;
}

/* A slice that has no Service, or that its labels exclude, is none. */
static int add_slice(struct nb_kube_table *table, struct nb_kube_slice *object, struct nb_error *err)
{
	const size_t at = lower_slice(table, object->name);
	struct nb_table_entry *entry = find_or_add_entry(table, object->service, err);
	struct nb_table_slice *slice;
	int rc;

	if (!entry)
		return -ENOMEM;
	rc = nb_vec_reserve(&table->slices, table->slices.n + 1, err);
	rc = rc ? rc : nb_vec_reserve(&entry->slices, entry->slices.n + 1, err);
	rc = rc ? rc : nb_table_make_dirty(table, entry, err);
	rc = rc ? rc : note_trigger(entry, object->trigger, err);
	if (rc)
		return rc;
	slice = calloc(1, sizeof(*slice));
	if (!slice)
		return nb_fail_nomem(err);
	slice->object = *object;
	slice->entry = entry;
	*object = (struct nb_kube_slice){ 0 };
	entry->slices.items[entry->slices.n++] = &slice->object;
	nb_vec_trim(&entry->slices); /* mostly there is one */
	memmove(&table->slices.items[at + 1], &table->slices.items[at],
		(table->slices.n++ - at) * sizeof(slice));
	table->slices.items[at] = slice;
	table->size.slices++;
	table->size.endpoints += slice->object.endpoints.n;
	return 0;
}

int nb_table_put_slice(struct nb_kube_table *table, struct nb_kube_slice *object, struct nb_error *err)
{
	const struct nb_table_slice *old = find_slice(table, object->name);
	int rc;

	if (old && nb_kube_slice_equal(&old->object, object))
		return 0;
	rc = nb_table_remove_slice(table, object->name, err);
	if (rc || !object->service[0])
		return rc;
	return add_slice(table, object, err);
}
