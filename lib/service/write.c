// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Carries out a plan. The order, so that no packet sees half a set and a kill at any write leaves nothing
 * that the next change could not put right:
 *
 *   ledger "begun", numbers taken    what follows may be half done
 *   bounds of the VIPs               widened
 *   names of new frontends           no frontend is ever without a name
 *   marks of new backends and VIPs   direct connections to a backend are tracked before it is one
 *   for as many frontends as there is room for their new sets beside the old ones:
 *     backends of the new sets       under numbers that nobody uses yet
 *     frontends                      each switched by one update
 *     numbers of service ports       which are in use
 *     backends of the old sets       deleted
 *   epoch                            connections look whether their backend is still one
 *   marks of old ones, names         what nobody needs any more
 *   ledger "finished"
 */
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service.h"
#include "snapshot.h"

/* Elements of one map to be written, or with value_size 0 deleted. */
struct batch {
	struct nb_plan *plan;
	enum nb_map map;
	size_t key_size, value_size;
	NB_VEC(char) keys, values;
	size_t n;
};

static int batch_add(struct batch *batch, const void *key, const void *value, struct nb_error *err)
{
	int rc = nb_vec_reserve(&batch->keys, (batch->n + 1) * batch->key_size, err);

	if (!rc && batch->value_size)
		rc = nb_vec_reserve(&batch->values, (batch->n + 1) * batch->value_size, err);
	if (rc)
		return rc;
	memcpy(batch->keys.items + batch->n * batch->key_size, key, batch->key_size);
	if (batch->value_size && value)
		memcpy(batch->values.items + batch->n * batch->value_size, value, batch->value_size);
	batch->n++;
	return 0;
}

/* Hands the elements to the kernel, unless adding them failed, and frees them. */
static int batch_run(struct batch *batch, int rc, struct nb_error *err)
{
	unsigned int *writes = &batch->plan->changes.map_writes;
	const struct nb_datapath *dp = batch->plan->snapshot->dp;

	if (!rc && batch->value_size)
		rc = nb_map_write(dp, batch->map, batch->keys.items, batch->values.items, batch->n, writes,
				  err);
	else if (!rc)
		rc = nb_map_remove(dp, batch->map, batch->keys.items, batch->n, writes, err);
	nb_vec_free(&batch->keys);
	nb_vec_free(&batch->values);
	return rc;
}

#define BATCH_WRITE(p, m, key, value)                                                                        \
	{                                                                                                    \
		.plan = (p), .map = (m), .key_size = sizeof(key), .value_size = sizeof(value)                \
	}
#define BATCH_DELETE(p, m, key)                                                                              \
	{                                                                                                    \
		.plan = (p), .map = (m), .key_size = sizeof(key)                                             \
	}

static int write_ledger(struct nb_plan *plan, __u32 finished, struct nb_error *err)
{
	static const struct nb_service_key ledger_key;
	struct nb_service_ledger ledger = finished ? plan->ledger : plan->snapshot->ledger;

	ledger.finished = finished;
	return nb_map_write(plan->snapshot->dp, NB_MAP_SERVICES, &ledger_key, &ledger, 1,
			    &plan->changes.map_writes, err);
}

static int write_settings(struct nb_plan *plan, struct nb_error *err)
{
	if (!memcmp(&plan->settings, &plan->settings_before, sizeof(plan->settings)))
		return 0;
	plan->changes.map_writes++;
	return nb_settings_write(plan->snapshot->dp, &plan->settings, err);
}

static int write_owners(struct nb_plan *plan, const struct nb_owner_write *owners, size_t n,
			struct nb_error *err)
{
	struct batch batch = BATCH_WRITE(plan, NB_MAP_SERVICES, owners->key, owners->entry);
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++)
		rc = batch_add(&batch, &owners[i].key, &owners[i].entry, err);
	return batch_run(&batch, rc, err);
}

/* An element with the frontend of one and the mark of the other. */
static struct nb_frontend merge(const struct nb_frontend *frontend, const struct nb_frontend *mark)
{
	struct nb_frontend merged = { 0 };

	if (frontend->flags & NB_FRONTEND_SERVICE) {
		merged = *frontend;
	} else {
		merged.count = mark->count;
		merged.known = mark->known;
	}
	merged.flags = (merged.flags & ~NB_FRONTEND_MARKS) | (mark->flags & NB_FRONTEND_MARKS);
	merged.refs = mark->refs;
	return merged;
}

/* Whether the mark in an element stays as it is. */
static bool same_mark(const struct nb_frontend_cell *cell)
{
	return cell->before.flags & NB_FRONTEND_MARKS && cell->before.refs == cell->after.refs &&
	       (cell->key.proto ||
		(cell->before.count == cell->after.count && cell->before.known == cell->after.known));
}

static int write_new_marks(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	struct batch batch =
		BATCH_WRITE(plan, NB_MAP_FRONTENDS, cells->all.items->key, cells->all.items->before);
	int rc = 0;

	for (size_t i = 0; i < cells->all.n && !rc; i++) {
		const struct nb_frontend_cell *cell = &cells->all.items[i];
		struct nb_frontend value = merge(&cell->before, &cell->after);

		if (!(cell->after.flags & NB_FRONTEND_MARKS) || same_mark(cell))
			continue;
		rc = batch_add(&batch, &cell->key, &value, err);
	}
	return batch_run(&batch, rc, err);
}

static int drop_old_marks(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	struct batch writes =
		BATCH_WRITE(plan, NB_MAP_FRONTENDS, cells->all.items->key, cells->all.items->before);
	struct batch deletes = BATCH_DELETE(plan, NB_MAP_FRONTENDS, cells->all.items->key);
	int rc = 0;

	for (size_t i = 0; i < cells->all.n && !rc; i++) {
		const struct nb_frontend_cell *cell = &cells->all.items[i];
		bool was_mark = cell->before.flags & NB_FRONTEND_MARKS;
		bool unknown = cell->before.flags == 0 && plan->snapshot->whole && cell->after.flags == 0;

		if (cell->after.flags & NB_FRONTEND_MARKS || (!was_mark && !unknown))
			continue;
		rc = batch_add(cell->after.flags ? &writes : &deletes, &cell->key, &cell->after, err);
	}
	rc = batch_run(&writes, rc, err);
	return batch_run(&deletes, rc, err);
}

/* Sets that no frontend points at, left by a change that did not come to its end. */
static int drop_stray_members(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_snapshot *snapshot = plan->snapshot;
	struct batch batch = BATCH_DELETE(plan, NB_MAP_BACKENDS, snapshot->members.items->key);
	bool *kept = calloc(snapshot->members.n + 1, sizeof(*kept));
	int rc = 0;

	if (!kept)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < snapshot->cells.all.n; i++) {
		const struct nb_frontend *before = &snapshot->cells.all.items[i].before;
		const struct nb_member *members;
		size_t n;

		if (!(before->flags & NB_FRONTEND_SERVICE))
			continue;
		members = nb_snapshot_members(snapshot, before->set, &n);
		for (size_t k = 0; k < n && members[k].key.index < before->known; k++)
			kept[members - snapshot->members.items + k] = true;
	}
	for (size_t i = 0; i < snapshot->members.n && !rc; i++) {
		if (!kept[i])
			rc = batch_add(&batch, &snapshot->members.items[i].key, NULL, err);
	}
	free(kept);
	return batch_run(&batch, rc, err);
}

/* A stretch of plan->switches. */
struct stretch {
	size_t first, last;
};

static const struct nb_frontend_cell *switched(const struct nb_plan *plan, size_t i)
{
	return &plan->snapshot->cells.all.items[plan->switches.items[i]];
}

static bool has_new_set(const struct nb_frontend_cell *cell)
{
	return cell->after.known && cell->after.set != cell->before.set;
}

static bool has_old_set(const struct nb_frontend_cell *cell)
{
	return cell->before.flags & NB_FRONTEND_SERVICE && cell->before.set != cell->after.set;
}

static int write_new_sets(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	struct nb_backend_key key;
	struct nb_backend value;
	struct batch batch = BATCH_WRITE(plan, NB_MAP_BACKENDS, key, value);
	int rc = 0;

	for (size_t i = at.first; i < at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);
		const struct nb_service_backend *backends;

		if (!has_new_set(cell))
			continue;
		backends = plan->items.items[cell->item - 1].service->backends;
		for (__u32 k = 0; k < cell->after.known && !rc; k++) {
			key = (struct nb_backend_key){ cell->after.set, k };
			value = (struct nb_backend){ .addr = backends[k].addr, .port = backends[k].port };
			rc = batch_add(&batch, &key, &value, err);
		}
	}
	return batch_run(&batch, rc, err);
}

static int write_frontends(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	struct batch writes =
		BATCH_WRITE(plan, NB_MAP_FRONTENDS, switched(plan, 0)->key, switched(plan, 0)->after);
	struct batch deletes = BATCH_DELETE(plan, NB_MAP_FRONTENDS, switched(plan, 0)->key);
	int rc = 0;

	for (size_t i = at.first; i < at.last && !rc; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);
		bool is_mark = cell->after.flags & NB_FRONTEND_MARKS;
		struct nb_frontend value = merge(&cell->after, is_mark ? &cell->after : &cell->before);

		rc = batch_add(value.flags ? &writes : &deletes, &cell->key, &value, err);
	}
	rc = batch_run(&deletes, rc, err);
	return batch_run(&writes, rc, err);
}

/* Which numbers of service ports are in use now, of those that the stretch is about. */
static int write_ids(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	bool *done = calloc(NB_MAX_SERVICES, sizeof(*done));
	struct batch batch = BATCH_WRITE(plan, NB_MAP_SERVICE_IDS, __u32, __u32);
	int rc = 0;

	if (!done)
		return nb_fail_nomem(err);
	for (size_t i = 2 * at.first; i < 2 * at.last && !rc; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i / 2);
		__u32 service = i % 2 ? cell->before.service : cell->after.service;
		__u32 used;

		if (cell->before.service == cell->after.service || !service || service >= NB_MAX_SERVICES ||
		    done[service])
			continue;
		done[service] = true;
		used = plan->used[service];
		rc = batch_add(&batch, &service, &used, err);
	}
	free(done);
	return batch_run(&batch, rc, err);
}

static int drop_old_sets(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	struct nb_backend_key key;
	struct batch batch = BATCH_DELETE(plan, NB_MAP_BACKENDS, key);
	int rc = 0;

	for (size_t i = at.first; i < at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);

		if (!has_old_set(cell))
			continue;
		for (__u32 k = 0; k < cell->before.known && !rc; k++) {
			key = (struct nb_backend_key){ cell->before.set, k };
			rc = batch_add(&batch, &key, NULL, err);
		}
	}
	return batch_run(&batch, rc, err);
}

/* As many switches from at->last on as there is room for in backends[], one at least. */
static void next_stretch(const struct nb_plan *plan, __u64 room, struct stretch *at)
{
	__u64 needed = 0;

	at->first = at->last;
	while (at->last < plan->switches.n) {
		const struct nb_frontend_cell *cell = switched(plan, at->last);

		needed += has_new_set(cell) ? cell->after.known : 0;
		if (needed > room && at->last > at->first)
			break;
		at->last++;
	}
}

static int switch_frontends(struct nb_plan *plan, struct nb_error *err)
{
	struct stretch at = { 0, 0 };
	__u64 held = plan->ledger.backends, max = plan->snapshot->max_backends;
	int rc = 0;

	/* What backends[] holds now, from what it holds at the end. */
	for (size_t i = 0; i < plan->switches.n; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);

		held += (has_old_set(cell) ? cell->before.known : 0);
		held -= (has_new_set(cell) ? cell->after.known : 0);
	}
	while (!rc && at.last < plan->switches.n) {
		next_stretch(plan, max > held ? max - held : 0, &at);
		rc = write_new_sets(plan, at, err);
		if (!rc)
			rc = write_frontends(plan, at, err);
		if (!rc)
			rc = write_ids(plan, at, err);
		if (!rc)
			rc = drop_old_sets(plan, at, err);
		for (size_t i = at.first; i < at.last; i++) {
			const struct nb_frontend_cell *cell = switched(plan, i);

			held -= (has_old_set(cell) ? cell->before.known : 0);
			held += (has_new_set(cell) ? cell->after.known : 0);
		}
	}
	return rc;
}

struct id_walk {
	struct nb_plan *plan;
	struct batch batch;
	struct nb_error *err;
};

static int correct_ids(const void *keys, const void *values, __u32 n, void *arg)
{
	const __u32 *services = keys, *found = values;
	struct id_walk *walk = arg;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++) {
		__u32 used = services[i] < NB_MAX_SERVICES && walk->plan->used[services[i]];

		if (found[i] != used)
			rc = batch_add(&walk->batch, &services[i], &used, walk->err);
	}
	return rc;
}

/* After a change that did not come to its end any number may be noted wrongly. */
static int correct_all_ids(struct nb_plan *plan, struct nb_error *err)
{
	struct id_walk walk = { plan, BATCH_WRITE(plan, NB_MAP_SERVICE_IDS, __u32, __u32), err };
	int rc = nb_map_walk(plan->snapshot->dp, NB_MAP_SERVICE_IDS, correct_ids, &walk, err);

	return batch_run(&walk.batch, rc, err);
}

/*
 * The end of a change for the programs: connections look at their frontend once more, and the bounds of the
 * VIPs are those of what is left. A change that was killed before has given its frontends this same epoch.
 */
static int write_epoch(struct nb_plan *plan, struct nb_error *err)
{
	struct nb_settings last = plan->settings;

	if (plan->switches.n || !plan->snapshot->ledger.finished)
		last.epoch = plan->epoch;
	memcpy(last.vips, plan->vips, sizeof(last.vips));
	if (!memcmp(&last, &plan->settings, sizeof(last)))
		return 0;
	plan->changes.map_writes++;
	return nb_settings_write(plan->snapshot->dp, &last, err);
}

int nb_plan_write(struct nb_plan *plan, struct nb_error *err)
{
	int rc = write_ledger(plan, 0, err);

	if (!rc)
		rc = write_settings(plan, err);
	if (!rc && plan->snapshot->whole)
		rc = drop_stray_members(plan, err);
	if (!rc)
		rc = write_owners(plan, plan->owners_first.items, plan->owners_first.n, err);
	if (!rc)
		rc = write_new_marks(plan, err);
	if (!rc)
		rc = switch_frontends(plan, err);
	if (!rc && !plan->snapshot->ledger.finished && !plan->snapshot->fresh)
		rc = correct_all_ids(plan, err);
	if (!rc)
		rc = write_epoch(plan, err);
	if (!rc)
		rc = drop_old_marks(plan, err);
	if (!rc)
		rc = write_owners(plan, plan->owners_last.items, plan->owners_last.n, err);
	if (!rc)
		rc = nb_map_remove(plan->snapshot->dp, NB_MAP_SERVICES, plan->owners_gone.items,
				   plan->owners_gone.n, &plan->changes.map_writes, err);
	return rc ? rc : write_ledger(plan, 1, err);
}
