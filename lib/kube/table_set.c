// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of all objects of a kind: collected apart, and compared with the table when they are complete. */
#include "table.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "table_entry.h"

struct nb_table_set *nb_table_set_of(struct nb_kube_table *table, enum nb_kube_kind kind)
{
	return &table->sets[kind == NB_KUBE_SLICE];
}

void nb_table_set_clear(struct nb_table_set *set)
{
	for (size_t i = 0; i < set->services.n; i++)
		nb_kube_service_free(&set->services.items[i]);
	for (size_t i = 0; i < set->slices.n; i++)
		nb_kube_slice_free(&set->slices.items[i]);
	nb_vec_free(&set->services);
	nb_vec_free(&set->slices);
	nb_service_names_free(&set->kept);
	*set = (struct nb_table_set){ 0 };
}

void nb_table_set_remove(struct nb_table_set *set, const char *name)
{
	for (size_t i = 0; i < set->services.n; i++) {
		if (strcmp(set->services.items[i].name, name))
			continue;
		nb_kube_service_free(&set->services.items[i]);
		set->services.items[i--] = set->services.items[--set->services.n];
	}
	for (size_t i = 0; i < set->slices.n; i++) {
		if (strcmp(set->slices.items[i].name, name))
			continue;
		nb_kube_slice_free(&set->slices.items[i]);
		set->slices.items[i--] = set->slices.items[--set->slices.n];
	}
}

void nb_kube_table_begin(struct nb_kube_table *table, enum nb_kube_kind kind)
{
	struct nb_table_set *set = nb_table_set_of(table, kind);

	nb_table_set_clear(set);
	set->begun = true;
}

void nb_kube_table_abort(struct nb_kube_table *table, enum nb_kube_kind kind)
{
	nb_table_set_clear(nb_table_set_of(table, kind));
}

int nb_kube_table_keep(struct nb_kube_table *table, enum nb_kube_kind kind, const char *name,
		       struct nb_error *err)
{
	return nb_service_names_add(&nb_table_set_of(table, kind)->kept, name, err);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of a set, sorted. */
struct names {
	NB_VEC(const char *) all;
};

static void names_free(struct names *names)
{
	nb_vec_free(&names->all);
}

static int collect_names(const struct nb_table_set *set, struct names *names, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < set->services.n && !rc; i++)
		rc = nb_vec_push(&names->all, set->services.items[i].name, err);
	for (size_t i = 0; i < set->slices.n && !rc; i++)
		rc = nb_vec_push(&names->all, set->slices.items[i].name, err);
	for (size_t i = 0; i < set->kept.n && !rc; i++)
		rc = nb_vec_push(&names->all, set->kept.items[i], err);
	if (!rc && names->all.n)
		qsort(names->all.items, names->all.n, sizeof(*names->all.items), compare_names);
	return rc;
}

static bool has_name(const struct names *names, const char *name)
{
	return names->all.n && bsearch(&name, names->all.items, names->all.n, sizeof(name), compare_names);
}

static int remove_missing_services(struct nb_kube_table *table, const struct names *names,
				   struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < table->entries.n && !rc; i++)
		if (!has_name(names, table->entries.items[i]->name))
			rc = nb_table_remove_service(table, table->entries.items[i]->name, err);
	return rc;
}

static int remove_missing_slices(struct nb_kube_table *table, const struct names *names, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = table->slices.n; i-- > 0 && !rc;)
		if (!has_name(names, table->slices.items[i]->object.name))
			rc = nb_table_remove_slice(table, table->slices.items[i]->object.name, err);
	return rc;
}

int nb_kube_table_end(struct nb_kube_table *table, enum nb_kube_kind kind, struct nb_error *err)
{
	nb_cleanup(names_free) struct names names = { 0 };
	struct nb_table_set *set = nb_table_set_of(table, kind);
	int rc = collect_names(set, &names, err);

	if (!rc)
		rc = kind == NB_KUBE_SLICE ? remove_missing_slices(table, &names, err)
					   : remove_missing_services(table, &names, err);
	for (size_t i = 0; i < set->services.n && !rc; i++)
		rc = nb_table_put_service(table, &set->services.items[i], err);
	for (size_t i = 0; i < set->slices.n && !rc; i++)
		rc = nb_table_put_slice(table, &set->slices.items[i], err);
	nb_table_set_clear(set);
	return rc;
}
