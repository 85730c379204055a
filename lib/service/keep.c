// SPDX-License-Identifier: GPL-2.0-or-later
/* Services that stay as the table has them, whatever else an apply changes. */
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

	if (items)
		names->items = items;
	if (items)
		items[names->n] = strdup(name);
	if (!items || !items[names->n])
		return nb_fail_nomem(err);
	names->n++;
	return 0;
}

void nb_service_names_free(struct nb_service_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct nb_service_names){ 0 };
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(&(*(const struct nb_service *const *)a)->key,
		      &(*(const struct nb_service *const *)b)->key, sizeof(struct nb_frontend_key));
}

/* Sorted, so that one is found in them; the strings and services are others'. */
struct merge {
	const char **incomplete;          /* names that the table has */
	const struct nb_service **config; /* of the table */
	const struct nb_service **others; /* of what is wanted, by other names */
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

static const struct nb_service *find_key(const struct nb_service *const *sorted, size_t n,
					 const struct nb_service *service)
{
	const struct nb_service *const *found =
		n ? bsearch(&service, sorted, n, sizeof(service), compare_keys) : NULL;

	return found ? *found : NULL;
}

/* Of the names those that the table has by apply; the table is sorted by name. */
static int look_at_table(struct merge *merge, const struct nb_services *snapshot,
			 const struct nb_service_names *names, struct nb_error *err)
{
	const char **sorted nb_autofree = calloc(names->n + 1, sizeof(*sorted));

	merge->incomplete = calloc(snapshot->n + 1, sizeof(*merge->incomplete));
	merge->config = calloc(snapshot->n + 1, sizeof(*merge->config));
	if (!sorted || !merge->incomplete || !merge->config)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < names->n; i++)
		sorted[i] = names->items[i];
	qsort(sorted, names->n, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < snapshot->n; i++) {
		const struct nb_service *service = &snapshot->items[i];
		const char *name = service->name;

		if (service->origin == NB_ORIGIN_CONFIG)
			merge->config[merge->n_config++] = service;
		else if (bsearch(&name, sorted, names->n, sizeof(name), compare_names))
			merge->incomplete[merge->n_incomplete++] = name;
	}
	qsort(merge->config, merge->n_config, sizeof(*merge->config), compare_keys);
	return 0;
}

static int copy_service(struct nb_services *to, const struct nb_service *from, struct nb_error *err)
{
	struct nb_service *copy = nb_services_add(to, err);
	int rc = 0;

	if (!copy)
		return -ENOMEM;
	*copy = *from;
	copy->n_backends = copy->n_eligible = 0;
	copy->backends = NULL;
	for (size_t i = 0; i < from->n_backends && !rc; i++)
		rc = nb_service_add_backend(copy, &from->backends[i], err);
	return rc;
}

static int copy_wanted(struct merge *merge, const struct nb_services *wanted, struct nb_services *kept,
		       void (*tell)(const struct nb_service *wanted, const struct nb_service *owner),
		       struct nb_error *err)
{
	int rc = 0;

	merge->others = calloc(wanted->n + 1, sizeof(*merge->others));
	if (!merge->others)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < wanted->n && !rc; i++) {
		const struct nb_service *service = &wanted->items[i];
		const struct nb_service *owner = find_key(merge->config, merge->n_config, service);

		if (owner)
			tell(service, owner);
		if (owner || is_incomplete(merge, service))
			continue;
		merge->others[merge->n_others++] = service;
		rc = copy_service(kept, service, err);
	}
	qsort(merge->others, merge->n_others, sizeof(*merge->others), compare_keys);
	return rc;
}

int nb_services_keep(const struct nb_services *wanted, const struct nb_services *snapshot,
		     const struct nb_service_names *names, struct nb_services *kept,
		     void (*tell)(const struct nb_service *wanted, const struct nb_service *owner),
		     struct nb_error *err)
{
	struct nb_services made nb_cleanup(nb_services_free) = { 0 };
	struct merge merge nb_cleanup(merge_free) = { 0 };
	int rc = look_at_table(&merge, snapshot, names, err);

	if (!rc)
		rc = copy_wanted(&merge, wanted, &made, tell, err);
	for (size_t i = 0; i < snapshot->n && !rc; i++) {
		const struct nb_service *service = &snapshot->items[i];

		if (service->origin == NB_ORIGIN_APPLY && is_incomplete(&merge, service) &&
		    !find_key(merge.others, merge.n_others, service))
			rc = copy_service(&made, service, err);
	}
	if (!rc)
		rc = nb_services_normalize(&made, err);
	if (rc)
		return rc;
	*kept = made;
	made = (struct nb_services){ 0 };
	return 0;
}
