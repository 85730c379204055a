// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes and listings of the service maps, see snapshot.h for how they are done. */
#include <errno.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service.h"
#include "snapshot.h"

enum {
	NAMES_FOR_WHOLE = 512, /* from so many names on reading everything in batches is cheaper */
	READ_TRIES = 5,
};

static void scope_free(struct nb_scope *scope)
{
	nb_vec_free(&scope->names);
}

/* services is normalized, so the names are sorted. */
static int scope_add_names(struct nb_scope *scope, const struct nb_services *services, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < services->n && !rc; i++) {
		if (!i || strcmp(services->items[i].name, services->items[i - 1].name))
			rc = nb_vec_push(&scope->names, services->items[i].name, err);
	}
	return rc;
}

/*
 * apply by the operator reads everything, so that it also puts right what was wrong; the config's few
 * Services are changed by every ADD, which must not depend on how many others there are.
 */
static bool reads_whole(const struct nb_snapshot *snapshot, const struct nb_scope *scope)
{
	return !snapshot->ledger.finished || scope->names.n > NAMES_FOR_WHOLE ||
	       (scope->all_names && scope->origin == NB_ORIGIN_APPLY);
}

/* Elements that a killed change left: in no map may be more than the plan's end wants. */
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
	return plan->switches.n || plan->owners_first.n || plan->owners_last.n || plan->owners_gone.n ||
	       memcmp(&plan->ledger, &plan->snapshot->ledger, sizeof(plan->ledger)) ||
	       memcmp(plan->vips, plan->settings_before.vips, sizeof(plan->vips)) || has_leftovers(plan);
}

/* snapshot->dp is set, all else zeroed. */
static int read_and_plan(struct nb_plan *plan, struct nb_snapshot *snapshot,
			 const struct nb_services *services, struct nb_scope *scope, struct nb_error *err)
{
	int rc = nb_snapshot_begin(snapshot, err);

	if (rc)
		return rc;
	rc = reads_whole(snapshot, scope) ? nb_snapshot_read_whole(snapshot, scope, err)
					  : nb_snapshot_read_named(snapshot, scope, err);
	return rc ? rc : nb_plan_make(plan, snapshot, services, scope, err);
}

static int change(const struct nb_datapath *dp, const struct nb_services *services, struct nb_scope *scope,
		  struct nb_service_changes *changes, struct nb_error *err)
{
	struct nb_snapshot snapshot nb_cleanup(nb_snapshot_free) = { .dp = dp };
	struct nb_plan plan nb_cleanup(nb_plan_free) = { 0 };
	int rc = read_and_plan(&plan, &snapshot, services, scope, err);

	if (!rc && has_work(&plan))
		rc = nb_plan_write(&plan, err);
	if (!rc && changes)
		*changes = plan.changes;
	return rc;
}

int nb_service_apply(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_service_changes *changes, struct nb_error *err)
{
	struct nb_scope scope nb_cleanup(scope_free) = { .all_names = true, .origin = origin };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add_names(&scope, services, err);
	return rc ? rc : change(dp, services, &scope, changes, err);
}

int nb_service_check(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_error *err)
{
	struct nb_scope scope nb_cleanup(scope_free) = { .all_names = true, .origin = origin };
	struct nb_snapshot snapshot nb_cleanup(nb_snapshot_free) = { .dp = dp };
	struct nb_plan plan nb_cleanup(nb_plan_free) = { 0 };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add_names(&scope, services, err);
	return rc ? rc : read_and_plan(&plan, &snapshot, services, &scope, err);
}

int nb_service_update(const struct nb_datapath *dp, const struct nb_services *services,
		      enum nb_service_origin origin, struct nb_service_changes *changes, struct nb_error *err)
{
	struct nb_scope scope nb_cleanup(scope_free) = { .origin = origin };
	struct nb_error unused = { 0 };
	int rc;

	err = err ? err : &unused;
	rc = scope_add_names(&scope, services, err);
	return rc ? rc : change(dp, services, &scope, changes, err);
}

int nb_service_delete(const struct nb_datapath *dp, const char *name, struct nb_service_changes *changes,
		      struct nb_error *err)
{
	static const struct nb_services none;
	struct nb_scope scope nb_cleanup(scope_free) = { .origin = -1 };
	struct nb_service_key key = { 0 };
	struct nb_service_entry entry;
	struct nb_error unused = { 0 };
	int rc = 0;

	err = err ? err : &unused;
	if (strlen(name) && strlen(name) < sizeof(key.name)) {
		memcpy(key.name, name, strlen(name));
		rc = nb_map_get(dp, NB_MAP_SERVICES, &key, &entry, err);
	}
	if (rc < 0)
		return rc;
	if (!rc) {
		nb_fail(err, NB_ERR_CONFIG, 0, "there is no Service %s", name);
		err->errnum = ENOENT;
		return -ENOENT;
	}
	rc = nb_vec_push(&scope.names, name, err);
	return rc ? rc : change(dp, &none, &scope, changes, err);
}

/* One reading. *torn: some set was not all there, since it was replaced between two looks. */
static int read_once(const struct nb_datapath *dp, struct nb_services *services, bool *torn,
		     struct nb_error *err)
{
	struct nb_snapshot snapshot nb_cleanup(nb_snapshot_free) = { .dp = dp };
	struct nb_services found nb_cleanup(nb_services_free) = { 0 };
	int rc = nb_snapshot_begin(&snapshot, err);

	if (!rc)
		rc = nb_snapshot_read_whole(&snapshot, NULL, err);

	*torn = false;
	for (size_t i = 0; i < snapshot.owners.n && !rc; i++) {
		const struct nb_owner *owner = &snapshot.owners.items[i];
		const struct nb_frontend_cell *cell =
			nb_frontend_index_find(&snapshot.cells, &owner->entry.frontend);
		size_t before = found.n;

		rc = nb_snapshot_add_service(&snapshot, owner, &found, err);
		if (!rc && found.n > before && found.items[before].n_backends != cell->before.known)
			*torn = true;
	}
	if (!rc)
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
	struct nb_services found = { 0 };
	struct nb_error unused = { 0 };
	bool torn = true;
	int rc = 0;

	err = err ? err : &unused;
	for (int tries = 0; tries < READ_TRIES && torn && !rc; tries++)
		rc = read_once(dp, &found, &torn, err);
	if (rc) {
		nb_services_free(&found);
		return rc;
	}
	*services = found;
	return 0;
}
