// SPDX-License-Identifier: GPL-2.0-or-later
/* Batches: the frontends of dirty Services, and of those that claim the same addresses. */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "frontends.h"
#include "table_entry.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void nb_kube_table_set_view(struct nb_kube_table *table, const struct nb_kube_view *view)
{
	table->view = *view;
	table->view.has_node = table->notes.node;
	/* Without memory for that, what is not dirty now follows its next change. */
	for (size_t i = 0; i < table->entries.n; i++)
		if (nb_table_make_dirty(table, table->entries.items[i], NULL))
			return;
}

static bool claims(const struct nb_table_entry *entry, const struct nb_addr *addr)
{
	for (size_t i = 0; i < entry->claims.keys.n; i++)
		if (nb_addr_equal(&entry->claims.keys.items[i].addr, addr))
			return true;
	return false;
}

bool nb_kube_table_touch(struct nb_kube_table *table, const struct nb_addr *addr)
{
	bool found = false;

	for (size_t i = 0; i < table->entries.n; i++) {
		if (!claims(table->entries.items[i], addr))
			continue;
		found = true;
		nb_table_make_dirty(table, table->entries.items[i], NULL);
	}
	return found;
}

size_t nb_kube_table_n_dirty(const struct nb_kube_table *table)
{
	return table->dirty.n;
}

void nb_kube_batch_free(struct nb_kube_batch *batch)
{
	nb_service_names_free(&batch->names);
	nb_services_free(&batch->services);
	nb_vec_free(&batch->triggers);
	*batch = (struct nb_kube_batch){ 0 };
}

/* All that the Service claims, also what another one has. */
static int add_frontends(const struct nb_kube_table *table, const struct nb_table_entry *entry,
			 struct nb_services *services, struct nb_error *err)
{
	const struct nb_kube_group group = {
		.service = &entry->service,
		.slices = entry->slices.items,
		.n = entry->slices.n,
	};

	return entry->has_service ? nb_kube_frontends_add(&group, &table->view, services, err) : 0;
}

static int add_triggers(struct nb_table_entry *entry, struct nb_kube_batch *batch, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < entry->triggers.n && !rc; i++)
		rc = nb_vec_push(&batch->triggers, entry->triggers.items[i], err);
	nb_vec_free(&entry->triggers);
	memset(&entry->triggers, 0, sizeof(entry->triggers));
	return rc;
}

/* A batch in the making. */
struct taking {
	struct nb_kube_table *table;
	struct nb_kube_batch *batch;
	NB_VEC(struct nb_table_entry *) entries;
	struct nb_error *err;
};

static void taking_free(struct taking *taking)
{
	nb_vec_free(&taking->entries);
}

/* The table has room to make it dirty again, should the batch fail. */
static int want_entry(struct taking *taking, struct nb_table_entry *entry)
{
	int rc;

	if (entry->in_batch)
		return 0;
	rc = nb_vec_reserve(&taking->table->dirty, taking->table->dirty.n + taking->entries.n + 1,
			    taking->err);
	rc = rc ? rc : nb_vec_push(&taking->entries, entry, taking->err);
	if (!rc)
		entry->in_batch = true;
	return rc;
}

/* For nb_claims_set(): a Service that wins or loses an address belongs to the same batch. */
static int want_rival(const char *name, void *arg)
{
	struct taking *taking = arg;
	struct nb_table_entry *entry = nb_table_find_entry(taking->table, name);

	return entry ? want_entry(taking, entry) : 0;
}

/*
 * A port counts once in each family, whatever its addresses: inside its ClusterIP stands for it, outside the
 * first frontend, which follows one inside.
 */
static bool stands_for_port(const struct nb_service *service)
{
	return service->key.side == NB_SIDE_INSIDE ? service->kind == NB_CLUSTER_IP
						   : service[-1].key.side == NB_SIDE_INSIDE;
}

/* The frontends of the entry's Service are those from index first on. */
static void count_no_local(struct nb_kube_table *table, struct nb_table_entry *entry,
			   const struct nb_services *services, size_t first)
{
	unsigned int now[2][2] = { 0 };

	for (size_t i = first; i < services->n; i++) {
		const struct nb_service *service = &services->items[i];

		if (service->local && stands_for_port(service))
			now[service->key.side][nb_addr_family(&service->key.addr) == AF_INET6]++;
	}
	for (size_t side = 0; side < 2; side++)
		for (size_t i = 0; i < 2; i++) {
			table->size.no_local[side][i] -= entry->no_local[side][i];
			table->size.no_local[side][i] += now[side][i];
			entry->no_local[side][i] = now[side][i];
		}
}

/* Adds a Service with all that it claims. */
static int take_entry(struct taking *taking, struct nb_table_entry *entry)
{
	struct nb_services *services = &taking->batch->services;
	const size_t first = services->n;
	int rc = nb_service_names_add(&taking->batch->names, entry->name, taking->err);

	rc = rc ? rc : add_frontends(taking->table, entry, services, taking->err);
	rc = rc ? rc : add_triggers(entry, taking->batch, taking->err);
	if (rc)
		return rc;
	count_no_local(taking->table, entry, services, first);
	return nb_claims_set(taking->table->claims, entry->name, &entry->claims,
			     services->items ? services->items + first : NULL, services->n - first,
			     want_rival, taking, taking->err);
}

/* Removes the frontends whose addresses other Services have. */
static void drop_losers(struct nb_kube_table *table, struct nb_services *services)
{
	char frontend[NB_FRONTEND_STRLEN];
	size_t n = 0;

	for (size_t i = 0; i < services->n; i++) {
		struct nb_service *service = &services->items[i];
		const char *winner = nb_claims_winner(table->claims, &service->key);

		if (!winner || !strcmp(winner, service->name)) {
			services->items[n++] = *service;
			continue;
		}
		if (service->key.side == NB_SIDE_INSIDE)
			nb_kube_notes_add(&table->notes, NB_KUBE_CONFLICT,
					  "Service %s: left out %s, which belongs to Service %s",
					  service->name, nb_frontend_format(&service->key, frontend), winner);
		free(service->backends);
		free(service->ranges);
	}
	services->n = n;
}

static int complete_batch(struct nb_kube_table *table, struct nb_kube_batch *batch, struct nb_error *err)
{
	memset(table->notes.counts, 0, sizeof(table->notes.counts));
	drop_losers(table, &batch->services);
	if (batch->names.n)
		qsort(batch->names.items, batch->names.n, sizeof(*batch->names.items), compare_names);
	return nb_services_normalize(&batch->services, err);
}

/* What the batch has is clean, or if it failed, dirty. */
static void settle(struct taking *taking, bool failed)
{
	struct nb_kube_table *table = taking->table;
	size_t n = 0;

	for (size_t i = 0; i < table->dirty.n; i++) {
		struct nb_table_entry *entry = table->dirty.items[i];

		entry->dirty = failed || !entry->in_batch;
		if (entry->dirty)
			table->dirty.items[n++] = entry;
	}
	table->dirty.n = n;
	for (size_t i = 0; i < taking->entries.n; i++) {
		struct nb_table_entry *entry = taking->entries.items[i];

		entry->in_batch = false;
		if (failed)
			nb_table_make_dirty(table, entry, NULL);
		else
			nb_table_remove_if_empty(table, entry);
	}
}

int nb_kube_table_take(struct nb_kube_table *table, size_t max, struct nb_kube_batch *batch,
		       struct nb_error *err)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch made = { 0 };
	nb_cleanup(taking_free) struct taking taking = { .table = table, .batch = &made, .err = err };
	int rc = 0;

	for (size_t i = 0; i < max && i < table->dirty.n && !rc; i++)
		rc = want_entry(&taking, table->dirty.items[i]);
	/* Rivals join while this runs, and may have rivals themselves. */
	for (size_t i = 0; i < taking.entries.n && !rc; i++)
		rc = take_entry(&taking, taking.entries.items[i]);
	rc = rc ? rc : complete_batch(table, &made, err);
	settle(&taking, rc);
	if (rc)
		return rc;
	*batch = made;
	made = (struct nb_kube_batch){ 0 };
	return 0;
}

int nb_kube_table_list(struct nb_kube_table *table, const char *after, size_t max,
		       struct nb_kube_batch *batch, struct nb_error *err)
{
	nb_cleanup(nb_kube_batch_free) struct nb_kube_batch made = { 0 };
	size_t at = nb_table_lower_entry(table, after);
	int rc = 0;

	at += at < table->entries.n && !strcmp(table->entries.items[at]->name, after);
	for (size_t end = at + max; at < end && at < table->entries.n && !rc; at++) {
		const struct nb_table_entry *entry = table->entries.items[at];

		rc = nb_service_names_add(&made.names, entry->name, err);
		rc = rc ? rc : add_frontends(table, entry, &made.services, err);
	}
	rc = rc ? rc : complete_batch(table, &made, err);
	if (rc)
		return rc;
	*batch = made;
	made = (struct nb_kube_batch){ 0 };
	return 0;
}
