// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wanted, merged with the Services of the table that an apply leaves alone. */
#include "keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "service.h"

int nb_service_names_add(struct nb_service_names *names, const char *name, struct nb_error *err)
{
	char **items = reallocarray(names->items, names->n + 1, sizeof(*items));

	if (!items)
		return nb_fail_nomem(err);
	names->items = items;
	items[names->n] = strdup(name);
	if (!items[names->n])
		return nb_fail_nomem(err);
	names->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void nb_service_names_sort(struct nb_service_names *names)
{
	if (names->n)
		qsort(names->items, names->n, sizeof(*names->items), compare_names);
}

void nb_service_names_free(struct nb_service_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct nb_service_names){ 0 };
}

/* A Service has what it has on both sides, or on none. */
static int compare_places(const void *a, const void *b)
{
	return nb_frontend_compare_place(&(*(const struct nb_service *const *)a)->key,
					 &(*(const struct nb_service *const *)b)->key);
}

/* Sorted, for bsearch(). Strings and Services belong to the caller. */
struct merge {
	const char **incomplete;          /* names whose frontends stay as the table has them */
	const struct nb_service **config; /* frontends of the network config, in the table */
	const struct nb_service **others; /* frontends that are wanted under other names */
	size_t n_incomplete, n_config, n_others;
};

static void merge_free(struct merge *merge)
{
	free(merge->incomplete);
	free(merge->config);
	free(merge->others);
}

static bool is_incomplete(const struct merge *merge, const struct nb_service *service)
{
	const char *name = service->name;

	return merge->n_incomplete &&
	       bsearch(&name, merge->incomplete, merge->n_incomplete, sizeof(name), compare_names);
}

static const struct nb_service *find_place(const struct nb_service *const *sorted, size_t n,
					   const struct nb_service *service)
{
	const struct nb_service *const *found =
		n ? bsearch(&service, sorted, n, sizeof(service), compare_places) : NULL;

	return found ? *found : NULL;
}

/* Finds the config's frontends and the incomplete names. The table is sorted by name. */
static int look_at_table(struct merge *merge, const struct nb_services *table,
			 const struct nb_service_names *names, struct nb_error *err)
{
	nb_autofree const char **sorted = calloc(names->n + 1, sizeof(*sorted));

	merge->incomplete = calloc(table->n + 1, sizeof(*merge->incomplete));
	merge->config = calloc(table->n + 1, sizeof(*merge->config));
	if (!sorted || !merge->incomplete || !merge->config)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < names->n; i++)
		sorted[i] = names->items[i];
	qsort(sorted, names->n, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < table->n; i++) {
		const struct nb_service *service = &table->items[i];
		const char *name = service->name;

		if (service->origin == NB_ORIGIN_CONFIG)
			merge->config[merge->n_config++] = service;
		else if (bsearch(&name, sorted, names->n, sizeof(name), compare_names))
			merge->incomplete[merge->n_incomplete++] = name;
	}
	qsort(merge->config, merge->n_config, sizeof(*merge->config), compare_places);
	return 0;
}

static int copy_service(struct nb_services *to, const struct nb_service *from, struct nb_error *err)
{
	struct nb_service *copy = nb_services_add(to, err);

	if (!copy)
		return -ENOMEM;
	*copy = *from;
	copy->n_backends = copy->n_eligible = copy->n_ranges = 0;
	copy->backends = NULL;
	copy->ranges = NULL;
	if (from->n_ranges) {
		copy->ranges = calloc(from->n_ranges, sizeof(*copy->ranges));
		if (!copy->ranges)
			return nb_fail_nomem(err);
		memcpy(copy->ranges, from->ranges, from->n_ranges * sizeof(*copy->ranges));
		copy->n_ranges = from->n_ranges;
	}
	for (size_t i = 0; i < from->n_backends; i++) {
		int rc = nb_service_add_backend(copy, &from->backends[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

static int copy_wanted(struct merge *merge, const struct nb_services *wanted, struct nb_services *kept,
		       void (*tell)(const struct nb_service *wanted, const struct nb_service *owner),
		       struct nb_error *err)
{
	merge->others = calloc(wanted->n + 1, sizeof(*merge->others));
	if (!merge->others)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < wanted->n; i++) {
		const struct nb_service *service = &wanted->items[i];
		const struct nb_service *owner = find_place(merge->config, merge->n_config, service);
		int rc;

		if (owner && service->key.side == NB_SIDE_INSIDE)
			tell(service, owner);
		if (owner || is_incomplete(merge, service))
			continue;
		merge->others[merge->n_others++] = service;
		rc = copy_service(kept, service, err);
		if (rc)
			return rc;
	}
	qsort(merge->others, merge->n_others, sizeof(*merge->others), compare_places);
	return 0;
}

/* The incomplete Services of the table, but for what is wanted under another name. */
static int copy_incomplete(const struct merge *merge, const struct nb_services *table,
			   struct nb_services *kept, struct nb_error *err)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct nb_service *service = &table->items[i];
		int rc;

		if (service->origin != NB_ORIGIN_APPLY || !is_incomplete(merge, service) ||
		    find_place(merge->others, merge->n_others, service))
			continue;
		rc = copy_service(kept, service, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_services_keep(const struct nb_services *wanted, const struct nb_services *table,
		     const struct nb_service_names *names, struct nb_services *kept,
		     void (*tell)(const struct nb_service *wanted, const struct nb_service *owner),
		     struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services made = { 0 };
	nb_cleanup(merge_free) struct merge merge = { 0 };
	int rc = look_at_table(&merge, table, names, err);

	if (rc)
		return rc;
	rc = copy_wanted(&merge, wanted, &made, tell, err);
	if (rc)
		return rc;
	rc = copy_incomplete(&merge, table, &made, err);
	if (rc)
		return rc;
	rc = nb_services_normalize(&made, err);
	if (rc)
		return rc;
	*kept = made;
	made = (struct nb_services){ 0 };
	return 0;
}
