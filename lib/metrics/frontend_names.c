// SPDX-License-Identifier: GPL-2.0-or-later
/* The map of Services, read twice: the names, then who owns each frontend. */
#include "frontend_names.h"

#include <stdlib.h>
#include <string.h>

#include "lib/maps/map.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_frontends(const void *a, const void *b)
{
	return memcmp(&((const struct nb_named_frontend *)a)->key,
		      &((const struct nb_named_frontend *)b)->key, sizeof(struct nb_frontend_key));
}

void nb_frontend_names_free(struct nb_frontend_names *names)
{
	for (size_t i = 0; i < names->names.n; i++)
		free(names->names.items[i]);
	nb_vec_free(&names->names);
	nb_vec_free(&names->frontends);
	*names = (struct nb_frontend_names){ 0 };
}

int nb_frontend_names_add(struct nb_frontend_names *names, const char *name, struct nb_error *err)
{
	char *copy = NULL;
	int rc = nb_strdup(name, &copy, err);

	rc = rc ? rc : nb_vec_push(&names->names, copy, err);
	if (rc)
		free(copy);
	return rc;
}

int nb_frontend_names_own(struct nb_frontend_names *names, const char *name,
			  const struct nb_frontend_key *key, struct nb_error *err)
{
	const int index = nb_frontend_names_index(names, name);
	const struct nb_named_frontend named = { .key = *key, .name = (__u32)index };

	/* A Service that came between the two walks is there when the next change is read. */
	return index == NB_FRONTEND_NAME_NONE ? 0 : nb_vec_push(&names->frontends, named, err);
}

void nb_frontend_names_sort(struct nb_frontend_names *names)
{
	if (names->names.n)
		qsort(names->names.items, names->names.n, sizeof(char *), compare_names);
	if (names->frontends.n)
		qsort(names->frontends.items, names->frontends.n, sizeof(struct nb_named_frontend),
		      compare_frontends);
}

int nb_frontend_names_index(const struct nb_frontend_names *names, const char *name)
{
	char **found = names->names.n ? bsearch(&name, names->names.items, names->names.n, sizeof(char *),
						compare_names)
				      : NULL;

	return found ? (int)(found - names->names.items) : NB_FRONTEND_NAME_NONE;
}

int nb_frontend_names_find(const struct nb_frontend_names *names, const struct nb_frontend_key *key)
{
	const struct nb_named_frontend *all = names->frontends.items;
	const size_t bytes = key->port || key->proto ? sizeof(*key) : sizeof(key->addr);
	size_t low = 0, high = names->frontends.n;

	/* The first that is not less. */
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (memcmp(&all[middle].key, key, bytes) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < names->frontends.n && !memcmp(&all[low].key, key, bytes) ? (int)all[low].name
									      : NB_FRONTEND_NAME_NONE;
}

/* ---- from the map ---- */

struct reading {
	struct nb_frontend_names *names;
	struct nb_error *err;
};

/* A copy, since nothing says that the map's names end. */
static void name_of(const struct nb_service_key *key, char name[NB_NAME_MAX])
{
	memcpy(name, key->name, NB_NAME_MAX);
	name[NB_NAME_MAX - 1] = '\0';
}

/* Each Service has an element 0. One element is no Service and has no name. */
static int take_names(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_key *key = keys;
	const struct reading *reading = arg;
	char name[NB_NAME_MAX];
	int rc = 0;

	(void)values;
	for (__u32 i = 0; i < n && !rc; i++) {
		name_of(&key[i], name);
		if (*name && !key[i].index)
			rc = nb_frontend_names_add(reading->names, name, reading->err);
	}
	return rc;
}

static int take_frontends(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_key *key = keys;
	const struct nb_service_entry *entry = values;
	const struct reading *reading = arg;
	char name[NB_NAME_MAX];
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++) {
		name_of(&key[i], name);
		if (*name)
			rc = nb_frontend_names_own(reading->names, name, &entry[i].frontend, reading->err);
	}
	return rc;
}

int nb_frontend_names_read(const struct nb_datapath *dp, struct nb_frontend_names *names,
			   struct nb_error *err)
{
	struct reading reading = { names, err };
	int rc;

	*names = (struct nb_frontend_names){ 0 };
	rc = nb_map_walk(dp, NB_MAP_SERVICES, take_names, &reading, err);
	if (!rc) {
		nb_frontend_names_sort(names);
		rc = nb_map_walk(dp, NB_MAP_SERVICES, take_frontends, &reading, err);
	}
	if (rc) {
		nb_frontend_names_free(names);
		return rc;
	}
	nb_frontend_names_sort(names);
	return 0;
}
