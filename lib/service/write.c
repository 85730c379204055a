// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes in an order in which no packet sees half a set, and whatever a kill between two writes leaves, the
 * next change repairs: steps[], at the end of this file, and write_stretch().
 */
#include "write.h"

#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "batch.h"
#include "frontend_index.h"
#include "plan.h"
#include "service.h"
#include "sets.h"
#include "snapshot.h"

static int write_ledger(struct nb_plan *plan, __u32 finished, struct nb_error *err)
{
	static const struct nb_service_key ledger_key;
	struct nb_service_ledger ledger = finished ? plan->ledger : plan->snapshot->ledger;

	ledger.finished = finished;
	return nb_map_write(plan->snapshot->dp, NB_MAP_SERVICES, &ledger_key, &ledger, 1,
			    &plan->changes.map_writes, err);
}

static int begin_ledger(struct nb_plan *plan, struct nb_error *err)
{
	return write_ledger(plan, 0, err);
}

static int finish_ledger(struct nb_plan *plan, struct nb_error *err)
{
	return write_ledger(plan, 1, err);
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
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_write(plan, NB_MAP_SERVICES);

	for (size_t i = 0; i < n; i++) {
		int rc = nb_batch_add(&batch, &owners[i].key, &owners[i].entry, err);

		if (rc)
			return rc;
	}
	return nb_batch_run(&batch, err);
}

static int write_first_owners(struct nb_plan *plan, struct nb_error *err)
{
	return write_owners(plan, plan->owners_first.items, plan->owners_first.n, err);
}

static int write_last_owners(struct nb_plan *plan, struct nb_error *err)
{
	return write_owners(plan, plan->owners_last.items, plan->owners_last.n, err);
}

static int remove_owners(struct nb_plan *plan, struct nb_error *err)
{
	return nb_map_remove(plan->snapshot->dp, NB_MAP_SERVICES, plan->owners_gone.items,
			     plan->owners_gone.n, &plan->changes.map_writes, err);
}

static int write_new_ranges(struct nb_plan *plan, struct nb_error *err)
{
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_write(plan, NB_MAP_SOURCE_RANGES);

	for (size_t i = 0; i < plan->ranges_new.n; i++) {
		const __u32 version = nb_addr_is_v4(&plan->ranges_new.items[i].addr) ? 4 : 6;
		int rc = nb_batch_add(&batch, &plan->ranges_new.items[i], &version, err);

		if (rc)
			return rc;
	}
	return nb_batch_run(&batch, err);
}

static int drop_old_ranges(struct nb_plan *plan, struct nb_error *err)
{
	return nb_map_remove(plan->snapshot->dp, NB_MAP_SOURCE_RANGES, plan->ranges_gone.items,
			     plan->ranges_gone.n, &plan->changes.map_writes, err);
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

/* Whether the change leaves the mark in an element as it is. */
static bool same_mark(const struct nb_frontend_cell *cell)
{
	return cell->before.flags & NB_FRONTEND_MARKS && cell->before.refs == cell->after.refs &&
	       (cell->key.proto ||
		(cell->before.count == cell->after.count && cell->before.known == cell->after.known));
}

static int write_new_marks(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_write(plan, NB_MAP_FRONTENDS);

	for (size_t i = 0; i < cells->all.n; i++) {
		const struct nb_frontend_cell *cell = &cells->all.items[i];
		struct nb_frontend value = merge(&cell->before, &cell->after);
		int rc;

		if (!(cell->after.flags & NB_FRONTEND_MARKS) || same_mark(cell))
			continue;
		rc = nb_batch_add(&batch, &cell->key, &value, err);
		if (rc)
			return rc;
	}
	return nb_batch_run(&batch, err);
}

static int drop_old_marks(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	nb_cleanup(nb_batch_free) struct nb_batch writes = nb_batch_write(plan, NB_MAP_FRONTENDS);
	nb_cleanup(nb_batch_free) struct nb_batch deletes = nb_batch_delete(plan, NB_MAP_FRONTENDS);
	int rc;

	for (size_t i = 0; i < cells->all.n; i++) {
		const struct nb_frontend_cell *cell = &cells->all.items[i];
		bool was_mark = cell->before.flags & NB_FRONTEND_MARKS;
		bool unknown = cell->before.flags == 0 && plan->snapshot->whole && cell->after.flags == 0;

		if (cell->after.flags & NB_FRONTEND_MARKS || (!was_mark && !unknown))
			continue;
		rc = nb_batch_add(cell->after.flags ? &writes : &deletes, &cell->key, &cell->after, err);
		if (rc)
			return rc;
	}
	rc = nb_batch_run(&writes, err);
	if (rc)
		return rc;
	return nb_batch_run(&deletes, err);
}

/* Deletes sets that no frontend points at, which a killed change left. */
static int drop_stray_members(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_snapshot *snapshot = plan->snapshot;
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_delete(plan, NB_MAP_BACKENDS);
	nb_autofree bool *kept = calloc(snapshot->members.n + 1, sizeof(*kept)); /* by index in members */

	if (!snapshot->whole)
		return 0;
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
	for (size_t i = 0; i < snapshot->members.n; i++) {
		int rc = kept[i] ? 0 : nb_batch_add(&batch, &snapshot->members.items[i].key, NULL, err);

		if (rc)
			return rc;
	}
	return nb_batch_run(&batch, err);
}

/* A part of plan->switches: first .. last - 1. */
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
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_write(plan, NB_MAP_BACKENDS);

	for (size_t i = at.first; i < at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);
		const struct nb_service_backend *backends;

		if (!has_new_set(cell))
			continue;
		backends = plan->items.items[cell->item - 1].service->backends;
		for (__u32 k = 0; k < cell->after.known; k++) {
			int rc;

			key = (struct nb_backend_key){ cell->after.set, k };
			value = (struct nb_backend){ .addr = backends[k].addr,
						     .port = backends[k].port,
						     .flags = backends[k].here ? NB_CONN_HERE : 0 };
			rc = nb_batch_add(&batch, &key, &value, err);
			if (rc)
				return rc;
		}
	}
	return nb_batch_run(&batch, err);
}

static int write_frontends(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	nb_cleanup(nb_batch_free) struct nb_batch writes = nb_batch_write(plan, NB_MAP_FRONTENDS);
	nb_cleanup(nb_batch_free) struct nb_batch deletes = nb_batch_delete(plan, NB_MAP_FRONTENDS);
	int rc;

	for (size_t i = at.first; i < at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);
		bool is_mark = cell->after.flags & NB_FRONTEND_MARKS;
		struct nb_frontend value = merge(&cell->after, is_mark ? &cell->after : &cell->before);

		rc = nb_batch_add(value.flags ? &writes : &deletes, &cell->key, &value, err);
		if (rc)
			return rc;
	}
	rc = nb_batch_run(&deletes, err);
	if (rc)
		return rc;
	return nb_batch_run(&writes, err);
}

/* Notes which numbers of service ports are in use now, of those that the stretch changes. */
static int write_ids(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	nb_autofree bool *done = calloc(NB_MAX_SERVICE_PORTS, sizeof(*done));
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_write(plan, NB_MAP_SERVICE_IDS);

	if (!done)
		return nb_fail_nomem(err);
	/* Each cell twice: the number after the change, and the one before. */
	for (size_t i = 2 * at.first; i < 2 * at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i / 2);
		__u32 service = i % 2 ? cell->before.service : cell->after.service;
		__u32 used;
		int rc;

		if (cell->before.service == cell->after.service || !service ||
		    service >= NB_MAX_SERVICE_PORTS || done[service])
			continue;
		done[service] = true;
		used = plan->used[service];
		rc = nb_batch_add(&batch, &service, &used, err);
		if (rc)
			return rc;
	}
	return nb_batch_run(&batch, err);
}

static int drop_old_sets(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	struct nb_backend_key key;
	nb_cleanup(nb_batch_free) struct nb_batch batch = nb_batch_delete(plan, NB_MAP_BACKENDS);

	for (size_t i = at.first; i < at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);

		if (!has_old_set(cell))
			continue;
		for (__u32 k = 0; k < cell->before.known; k++) {
			int rc;

			key = (struct nb_backend_key){ cell->before.set, k };
			rc = nb_batch_add(&batch, &key, NULL, err);
			if (rc)
				return rc;
		}
	}
	return nb_batch_run(&batch, err);
}

/* Moves *at on to as many switches as free elements of backends[] can take, but to one at least. */
static void next_stretch(const struct nb_plan *plan, __u64 n_free, struct stretch *at)
{
	__u64 needed = 0;

	at->first = at->last;
	while (at->last < plan->switches.n) {
		const struct nb_frontend_cell *cell = switched(plan, at->last);

		needed += has_new_set(cell) ? cell->after.known : 0;
		if (needed > n_free && at->last > at->first)
			break;
		at->last++;
	}
}

/* New sets get numbers that nobody uses yet; then each frontend is switched by one update. */
static int write_stretch(struct nb_plan *plan, struct stretch at, struct nb_error *err)
{
	int rc = write_new_sets(plan, at, err);

	if (rc)
		return rc;
	rc = write_frontends(plan, at, err);
	if (rc)
		return rc;
	rc = write_ids(plan, at, err);
	if (rc)
		return rc;
	return drop_old_sets(plan, at, err);
}

/* How many more elements backends[] holds after the switches of a stretch than before. */
static __s64 growth(const struct nb_plan *plan, struct stretch at)
{
	__s64 more = 0;

	for (size_t i = at.first; i < at.last; i++) {
		const struct nb_frontend_cell *cell = switched(plan, i);

		more += has_new_set(cell) ? cell->after.known : 0;
		more -= has_old_set(cell) ? cell->before.known : 0;
	}
	return more;
}

static int switch_frontends(struct nb_plan *plan, struct nb_error *err)
{
	const struct stretch all = { 0, plan->switches.n };
	__u64 held = plan->ledger.backends - growth(plan, all), max = plan->snapshot->max_backends;
	struct stretch at = { 0, 0 };

	while (at.last < plan->switches.n) {
		int rc;

		next_stretch(plan, max > held ? max - held : 0, &at);
		rc = write_stretch(plan, at, err);
		if (rc)
			return rc;
		held += growth(plan, at);
	}
	return 0;
}

struct id_walk {
	struct nb_plan *plan;
	struct nb_batch batch;
	struct nb_error *err;
};

static int correct_ids(const void *keys, const void *values, __u32 n, void *arg)
{
	const __u32 *services = keys, *found = values;
	struct id_walk *walk = arg;

	for (__u32 i = 0; i < n; i++) {
		__u32 used = services[i] < NB_MAX_SERVICE_PORTS && walk->plan->used[services[i]];
		int rc = found[i] == used ? 0 : nb_batch_add(&walk->batch, &services[i], &used, walk->err);

		if (rc)
			return rc;
	}
	return 0;
}

static void id_walk_free(struct id_walk *walk)
{
	nb_batch_free(&walk->batch);
}

/* After a killed change, service_ids[] may be wrong about any number. */
static int correct_all_ids(struct nb_plan *plan, struct nb_error *err)
{
	nb_cleanup(id_walk_free) struct id_walk walk = { plan, nb_batch_write(plan, NB_MAP_SERVICE_IDS),
							 err };
	int rc;

	if (plan->snapshot->ledger.finished || plan->snapshot->fresh)
		return 0;
	rc = nb_map_walk(plan->snapshot->dp, NB_MAP_SERVICE_IDS, correct_ids, &walk, err);
	if (rc)
		return rc;
	return nb_batch_run(&walk.batch, err);
}

/*
 * Tells the programs that the change is done: connections check their frontend again, and the bounds of the
 * VIPs shrink to what is left. A killed change before this one gave its frontends the same epoch, hence the
 * second condition.
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

typedef int (*step_fn)(struct nb_plan *plan, struct nb_error *err);

static const step_fn steps[] = {
	begin_ledger,       /* not finished: from here on, anything may be half done */
	write_settings,     /* numbers taken; bounds of the VIPs widened */
	drop_stray_members, /* of a killed change: makes room */
	write_first_owners, /* names of new frontends: a frontend always has a name */
	write_new_marks,    /* direct connections to a backend are tracked before it is one */
	write_new_ranges,   /* a frontend never refuses a client that is in its new source ranges */
	switch_frontends,   /* a stretch at a time */
	drop_old_ranges,    correct_all_ids, /* after a killed change */
	write_epoch,                         /* connections check whether their backend still is one */
	drop_old_marks,                      /* those that nobody needs any more */
	write_last_owners,                   /* the last names of a Service fill its gaps ... */
	remove_owners,                       /* ... and leave their old index */
	finish_ledger,
};

int nb_plan_write(struct nb_plan *plan, struct nb_error *err)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		int rc = steps[i](plan, err);

		if (rc)
			return rc;
	}
	return 0;
}
