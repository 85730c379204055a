// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the service maps: in batches as a whole, or one by one what some Services own. */
#include "snapshot.h"

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
#include "service.h"

int nb_snapshot_begin(struct nb_snapshot *snapshot, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	static const struct nb_service_key ledger_key;
	struct nb_service_ledger ledger = { 0 };
	int found, rc = nb_map_sizes(snapshot->dp, NB_MAP_BACKENDS, &sizes, err);

	if (rc)
		return rc;
	found = nb_map_get(snapshot->dp, NB_MAP_SERVICES, &ledger_key, &ledger, err);
	if (found < 0)
		return found;
	snapshot->max_backends = sizes.max;
	snapshot->ledger = ledger;
	snapshot->fresh = !found;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool scope_names(const struct nb_scope *scope, const char *name)
{
	return scope->names.n &&
	       bsearch(&name, scope->names.items, scope->names.n, sizeof(*scope->names.items), compare_names);
}

static bool in_scope(const struct nb_scope *scope, const struct nb_owner *owner)
{
	if (scope->origin >= 0 && owner->entry.origin != (__u32)scope->origin)
		return false;
	return scope->all_names || scope_names(scope, owner->key.name);
}

struct walk {
	struct nb_snapshot *snapshot;
	const struct nb_scope *scope; /* NULL: everything */
	struct nb_error *err;
};

/* Other programs may have written to the map: the values must not lead outside of arrays. */
static void sanitize(struct nb_owner *owner)
{
	owner->key.name[NB_NAME_MAX - 1] = '\0';
	owner->entry.port_name[NB_PORT_NAME_MAX - 1] = '\0';
	if (owner->entry.origin > NB_ORIGIN_CONFIG)
		owner->entry.origin = NB_ORIGIN_APPLY;
	if (!owner->entry.port)
		owner->entry.port = owner->entry.frontend.port;
}

static int add_owners(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_entry *entries = values;
	const struct nb_service_key *names = keys;
	struct walk *walk = arg;

	for (__u32 i = 0; i < n; i++) {
		struct nb_owner owner = { .key = names[i], .entry = entries[i] };

		if (!owner.key.name[0])
			continue;
		sanitize(&owner);
		owner.in_scope = !walk->scope || in_scope(walk->scope, &owner);
		if (nb_vec_push(&walk->snapshot->owners, owner, walk->err))
			return -ENOMEM;
	}
	return 0;
}

static int add_cells(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_frontend_key *frontends = keys;
	const struct nb_frontend *elements = values;
	struct walk *walk = arg;

	for (__u32 i = 0; i < n; i++) {
		bool is_new;
		struct nb_frontend_cell *cell =
			nb_frontend_index_add(&walk->snapshot->cells, &frontends[i], &is_new, walk->err);

		if (!cell)
			return -ENOMEM;
		cell->before = elements[i];
		cell->before.seal = 0; /* what is planned has none yet */
	}
	return 0;
}

static int add_members(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_backend *backends = values;
	const struct nb_backend_key *sets = keys;
	struct walk *walk = arg;

	for (__u32 i = 0; i < n; i++) {
		struct nb_member member = { .key = sets[i], .backend = backends[i] };

		if (nb_vec_push(&walk->snapshot->members, member, walk->err))
			return -ENOMEM;
	}
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	const struct nb_backend_key *x = &((const struct nb_member *)a)->key;
	const struct nb_backend_key *y = &((const struct nb_member *)b)->key;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int compare_owners(const void *a, const void *b)
{
	const struct nb_service_key *x = &((const struct nb_owner *)a)->key;
	const struct nb_service_key *y = &((const struct nb_owner *)b)->key;
	int order = strcmp(x->name, y->name);

	return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

/* Sorts the owners and links each frontend to its own. If two name the same frontend, the first counts. */
static void link_owners(struct nb_snapshot *snapshot)
{
	if (snapshot->owners.n)
		qsort(snapshot->owners.items, snapshot->owners.n, sizeof(*snapshot->owners.items),
		      compare_owners);
	for (size_t i = 0; i < snapshot->owners.n; i++) {
		struct nb_frontend_cell *cell =
			nb_frontend_index_find(&snapshot->cells, &snapshot->owners.items[i].entry.frontend);

		if (cell && cell->before.flags & NB_FRONTEND_SERVICE && !cell->owner)
			cell->owner = i + 1;
	}
}

static int add_ranges(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_source_range *ranges = keys;
	struct walk *walk = arg;

	(void)values;
	for (__u32 i = 0; i < n; i++)
		if (nb_vec_push(&walk->snapshot->ranges, ranges[i], walk->err))
			return -ENOMEM;
	return 0;
}

int nb_snapshot_read_ranges(struct nb_snapshot *snapshot, struct nb_error *err)
{
	struct walk walk = { .snapshot = snapshot, .err = err };
	int rc;

	if (snapshot->ranges_read)
		return 0;
	rc = nb_map_walk(snapshot->dp, NB_MAP_SOURCE_RANGES, add_ranges, &walk, err);
	if (rc)
		return rc;
	if (snapshot->ranges.n)
		qsort(snapshot->ranges.items, snapshot->ranges.n, sizeof(*snapshot->ranges.items),
		      nb_source_range_compare);
	snapshot->ranges_read = true;
	return 0;
}

int nb_snapshot_read_whole(struct nb_snapshot *snapshot, const struct nb_scope *scope, struct nb_error *err)
{
	struct walk walk = { snapshot, scope, err };
	int rc;

	snapshot->whole = true;
	if (snapshot->fresh) /* every change writes the ledger first */
		return 0;
	/* Listings take no lock. Names come last, so that a frontend added meanwhile has its name as well. */
	rc = nb_map_walk(snapshot->dp, NB_MAP_FRONTENDS, add_cells, &walk, err);
	if (rc)
		return rc;
	rc = nb_map_walk(snapshot->dp, NB_MAP_BACKENDS, add_members, &walk, err);
	if (rc)
		return rc;
	rc = nb_map_walk(snapshot->dp, NB_MAP_SERVICES, add_owners, &walk, err);
	if (rc)
		return rc;
	rc = nb_snapshot_read_ranges(snapshot, err);
	if (rc)
		return rc;
	if (snapshot->members.n)
		qsort(snapshot->members.items, snapshot->members.n, sizeof(*snapshot->members.items),
		      compare_members);
	link_owners(snapshot);
	return 0;
}

/* Reads every element of services[] under a name, and the frontends of those in scope. */
static int read_name(struct nb_snapshot *snapshot, const struct nb_scope *scope, const char *name,
		     struct nb_error *err)
{
	struct nb_owner owner = { 0 };
	int found;

	memcpy(owner.key.name, name, strnlen(name, NB_NAME_MAX - 1));
	for (;;) {
		found = nb_map_get(snapshot->dp, NB_MAP_SERVICES, &owner.key, &owner.entry, err);
		if (found <= 0)
			return found;
		sanitize(&owner);
		owner.in_scope = in_scope(scope, &owner);
		if (nb_vec_push(&snapshot->owners, owner, err) ||
		    (owner.in_scope && !nb_snapshot_cell(snapshot, &owner.entry.frontend, err)))
			return -err->errnum;
		owner.key.index++;
	}
}

/* Collects the names of the scope's origin that the scope does not list. */
struct name_walk {
	const struct nb_scope *scope;
	NB_VEC(struct nb_service_key) found;
	struct nb_error *err;
};

static int find_names(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_entry *entries = values;
	const struct nb_service_key *names = keys;
	struct name_walk *walk = arg;

	for (__u32 i = 0; i < n; i++) {
		struct nb_service_key key = names[i];

		key.name[NB_NAME_MAX - 1] = '\0';
		if (!key.name[0] || entries[i].origin != (__u32)walk->scope->origin ||
		    scope_names(walk->scope, key.name))
			continue;
		if (nb_vec_push(&walk->found, key, walk->err))
			return -ENOMEM;
	}
	return 0;
}

static void name_walk_free(struct name_walk *walk)
{
	nb_vec_free(&walk->found);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct nb_service_key *)a)->name, ((const struct nb_service_key *)b)->name);
}

static int read_other_names(struct nb_snapshot *snapshot, const struct nb_scope *scope, struct nb_error *err)
{
	nb_cleanup(name_walk_free) struct name_walk walk = { .scope = scope, .err = err };
	int rc = nb_map_walk(snapshot->dp, NB_MAP_SERVICES, find_names, &walk, err);

	if (rc || !walk.found.n)
		return rc;
	qsort(walk.found.items, walk.found.n, sizeof(*walk.found.items), compare_keys);
	for (size_t i = 0; i < walk.found.n; i++) {
		if (i && !strcmp(walk.found.items[i].name, walk.found.items[i - 1].name))
			continue;
		rc = read_name(snapshot, scope, walk.found.items[i].name, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nb_snapshot_read_named(struct nb_snapshot *snapshot, const struct nb_scope *scope, struct nb_error *err)
{
	__u32 found = 0;
	int rc;

	for (size_t i = 0; i < scope->names.n; i++) {
		rc = read_name(snapshot, scope, scope->names.items[i], err);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < snapshot->owners.n; i++)
		found += snapshot->owners.items[i].in_scope;
	/* A walk over all names costs much: only if the ledger says that the scope's names are not all. */
	if (scope->all_names && found != snapshot->ledger.frontends[scope->origin]) {
		rc = read_other_names(snapshot, scope, err);
		if (rc)
			return rc;
	}
	link_owners(snapshot);
	return 0;
}

void nb_snapshot_free(struct nb_snapshot *snapshot)
{
	nb_frontend_index_free(&snapshot->cells);
	nb_vec_free(&snapshot->owners);
	nb_vec_free(&snapshot->members);
	nb_vec_free(&snapshot->ranges);
}

struct nb_frontend_cell *nb_snapshot_cell(struct nb_snapshot *snapshot, const struct nb_frontend_key *key,
					  struct nb_error *err)
{
	bool is_new;
	struct nb_frontend_cell *cell = nb_frontend_index_add(&snapshot->cells, key, &is_new, err);

	if (!cell || !is_new || snapshot->whole)
		return cell;
	if (nb_map_get(snapshot->dp, NB_MAP_FRONTENDS, key, &cell->before, err) < 0)
		return NULL;
	cell->before.seal = 0;
	cell->after.refs = cell->before.refs;
	if (!key->proto) {
		cell->after.count = cell->before.count;
		cell->after.known = cell->before.known;
	}
	return cell;
}
