// SPDX-License-Identifier: GPL-2.0-or-later
/* A change is a snapshot, a plan and its writing; a listing is a snapshot. */
#include "change.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "frontend_index.h"
#include "plan.h"
#include "service.h"
#include "sets.h"
#include "snapshot.h"
#include "write.h"

enum {
	NAMES_FOR_WHOLE = 512, /* for more names, reading everything in batches is cheaper */
	READ_TRIES = 5,
};

static void scope_free(struct nb_scope *scope)
{
	nb_vec_free(&scope->names);
}

/* services is normalized, so the names are sorted. */
static int scope_add_names(struct nb_scope *scope, const struct nb_services *services, struct nb_error *err)
{
	for (size_t i = 0; i < services->n; i++) {
		if (i && !strcmp(services->items[i].name, services->items[i - 1].name))
			continue;
		if (nb_vec_push(&scope->names, services->items[i].name, err))
			return -ENOMEM;
	}
	return 0;
}

/*
 * An operator's apply reads everything, so that it also repairs what is wrong. Every ADD applies the few
 * Services of the config, and its cost must not grow with the number of others.
 */
static bool reads_whole(const struct nb_snapshot *snapshot, const struct nb_scope *scope)
{
	return !snapshot->ledger.finished || scope->names.n > NAMES_FOR_WHOLE ||
	       (scope->all_names && scope->origin == NB_ORIGIN_APPLY);
}

/* Whether a killed change left elements: no map may hold more than the plan's end. */
static bool has_leftovers(const struct nb_plan *plan)
{
	const struct nb_snapshot *snapshot = plan->snapshot;
	const struct nb_frontend_index *cells = &snapshot->cells;

	if (!snapshot->whole)
		return false;
	for (size_t i = 0; i < cells->all.n; i++) {
		if (memcmp(&cells->all.items[i].before, &cells->all.items[i].after,
			   sizeof(cells->all.items[i].before)))
			return true;
	}
	return snapshot->members.n != plan->ledger.backends;
}

static bool has_work(const struct nb_plan *plan)
{
	return plan->switches.n || plan->ranges_new.n || plan->ranges_gone.n || plan->owners_first.n ||
	       plan->owners_last.n || plan->owners_gone.n ||
	       memcmp(&plan->ledger, &plan->snapshot->ledger, sizeof(plan->ledger)) ||
	       memcmp(plan->vips, plan->settings_before.vips, sizeof(plan->vips)) || has_leftovers(plan);
}

/* snapshot->dp is set, all else zeroed. */
static int read_and_plan(struct nb_plan *plan, struct nb_snapshot *snapshot,
			 const struct nb_services *services, const struct nb_scope *scope,
			 struct nb_error *err)
{
	int rc = nb_snapshot_begin(snapshot, err);

	if (rc)
		return rc;
	rc = reads_whole(snapshot, scope) ? nb_snapshot_read_whole(snapshot, scope, err)
					  : nb_snapshot_read_named(snapshot, scope, err);
	if (rc)
		return rc;
	return nb_plan_make(plan, snapshot, services, scope, err);
}

static int change(const struct nb_datapath *dp, const struct nb_services *services,
		  const struct nb_scope *scope, struct nb_service_changes *changes, struct nb_error *err)
{
	nb_cleanup(nb_snapshot_free) struct nb_snapshot snapshot = { .dp = dp };
	nb_cleanup(nb_plan_free) struct nb_plan plan = { 0 };
	int rc = read_and_plan(&plan, &snapshot, services, scope, err);

	if (rc)
		return rc;
	if (has_work(&plan)) {
		rc = nb_plan_write(&plan, err);
		if (rc)
			return rc;
	}
	if (changes)
		*changes = plan.changes;
	return 0;
}

int nb_service_apply(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_service_changes *changes, struct nb_error *err)
{
	nb_cleanup(scope_free) struct nb_scope scope = { .all_names = true, .origin = origin };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add_names(&scope, services, err);
	if (rc)
		return rc;
	return change(dp, services, &scope, changes, err);
}

int nb_service_check(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_error *err)
{
	nb_cleanup(scope_free) struct nb_scope scope = { .all_names = true, .origin = origin };
	nb_cleanup(nb_snapshot_free) struct nb_snapshot snapshot = { .dp = dp };
	nb_cleanup(nb_plan_free) struct nb_plan plan = { 0 };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add_names(&scope, services, err);
	if (rc)
		return rc;
	return read_and_plan(&plan, &snapshot, services, &scope, err);
}

int nb_service_update(const struct nb_datapath *dp, const struct nb_services *services,
		      enum nb_service_origin origin, struct nb_service_changes *changes, struct nb_error *err)
{
	nb_cleanup(scope_free) struct nb_scope scope = { .origin = origin };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add_names(&scope, services, err);
	if (rc)
		return rc;
	return change(dp, services, &scope, changes, err);
}

static int scope_add(struct nb_scope *scope, const struct nb_service_names *names, struct nb_error *err)
{
	for (size_t i = 0; i < names->n; i++)
		if (nb_vec_push(&scope->names, names->items[i], err))
			return -ENOMEM;
	return 0;
}

int nb_service_preview(const struct nb_datapath *dp, const struct nb_service_names *names,
		       const struct nb_services *services, enum nb_service_origin origin,
		       struct nb_service_changes *changes, struct nb_error *err)
{
	nb_cleanup(scope_free) struct nb_scope scope = { .origin = origin };
	nb_cleanup(nb_snapshot_free) struct nb_snapshot snapshot = { .dp = dp };
	nb_cleanup(nb_plan_free) struct nb_plan plan = { 0 };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add(&scope, names, err);
	rc = rc ? rc : read_and_plan(&plan, &snapshot, services, &scope, err);
	if (!rc)
		*changes = plan.changes;
	return rc;
}

int nb_service_replace(const struct nb_datapath *dp, const struct nb_service_names *names,
		       const struct nb_services *services, enum nb_service_origin origin,
		       struct nb_service_changes *changes, struct nb_error *err)
{
	nb_cleanup(scope_free) struct nb_scope scope = { .origin = origin };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add(&scope, names, err);
	return rc ? rc : change(dp, services, &scope, changes, err);
}

struct name_list {
	enum nb_service_origin origin;
	struct nb_service_names *names;
	struct nb_error *err;
};

/* The element of index 0 stands for its Service. */
static int list_names(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_entry *entries = values;
	const struct nb_service_key *at = keys;
	struct name_list *list = arg;

	for (__u32 i = 0; i < n; i++) {
		struct nb_service_key key = at[i];
		int rc;

		key.name[NB_NAME_MAX - 1] = '\0';
		if (!key.name[0] || key.index || entries[i].origin != (__u32)list->origin)
			continue;
		rc = nb_service_names_add(list->names, key.name, list->err);
		if (rc)
			return rc;
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int nb_service_list_names(const struct nb_datapath *dp, enum nb_service_origin origin,
			  struct nb_service_names *names, struct nb_error *err)
{
	nb_cleanup(nb_service_names_free) struct nb_service_names found = { 0 };
	struct name_list list = { origin, &found, err };
	int rc = nb_map_walk(dp, NB_MAP_SERVICES, list_names, &list, err);

	if (rc)
		return rc;
	if (found.n)
		qsort(found.items, found.n, sizeof(*found.items), compare_names);
	*names = found;
	found = (struct nb_service_names){ 0 };
	return 0;
}

int nb_service_delete(const struct nb_datapath *dp, const char *name, struct nb_service_changes *changes,
		      struct nb_error *err)
{
	static const struct nb_services none;
	nb_cleanup(scope_free) struct nb_scope scope = { .origin = -1 };
	struct nb_service_key key = { 0 };
	struct nb_service_entry entry;
	struct nb_error unused = { 0 };
	int found = 0;

	err = err ? err : &unused;
	if (strlen(name) && strlen(name) < sizeof(key.name)) {
		memcpy(key.name, name, strlen(name));
		found = nb_map_get(dp, NB_MAP_SERVICES, &key, &entry, err);
	}
	if (found < 0)
		return found;
	if (!found) {
		/* Without ": No such file or directory" at its end. */
		nb_fail(err, NB_ERR_CONFIG, 0, "there is no Service %s", name);
		err->errnum = ENOENT;
		return -ENOENT;
	}
	if (nb_vec_push(&scope.names, name, err))
		return -ENOMEM;
	return change(dp, &none, &scope, changes, err);
}

/* *torn: a set was incomplete, because a change replaced it between two reads. */
static int read_once(const struct nb_datapath *dp, struct nb_services *services, bool *torn,
		     struct nb_error *err)
{
	nb_cleanup(nb_snapshot_free) struct nb_snapshot snapshot = { .dp = dp };
	nb_cleanup(nb_services_free) struct nb_services found = { 0 };
	int rc = nb_snapshot_begin(&snapshot, err);

	if (rc)
		return rc;
	rc = nb_snapshot_read_whole(&snapshot, NULL, err);
	if (rc)
		return rc;
	*torn = false;
	for (size_t i = 0; i < snapshot.owners.n; i++) {
		const struct nb_owner *owner = &snapshot.owners.items[i];
		const struct nb_frontend_cell *cell =
			nb_frontend_index_find(&snapshot.cells, &owner->entry.frontend);
		size_t before = found.n;

		rc = nb_snapshot_add_service(&snapshot, owner, &found, err);
		if (rc)
			return rc;
		if (found.n > before && found.items[before].n_backends != cell->before.known)
			*torn = true;
	}
	rc = nb_services_normalize(&found, err);
	if (rc)
		return rc;
	nb_services_free(services);
	*services = found;
	found = (struct nb_services){ 0 };
	return 0;
}

int nb_service_read(const struct nb_datapath *dp, struct nb_services *services, struct nb_error *err)
{
	nb_cleanup(nb_services_free) struct nb_services found = { 0 };
	struct nb_error unused = { 0 };
	bool torn = true;

	err = err ? err : &unused;
	for (int tries = 0; tries < READ_TRIES && torn; tries++) {
		int rc = read_once(dp, &found, &torn, err);

		if (rc)
			return rc;
	}
	*services = found;
	found = (struct nb_services){ 0 };
	return 0;
}
