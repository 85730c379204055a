// SPDX-License-Identifier: GPL-2.0-or-later
/* Compares what the maps hold with what is wanted, element by element. */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "capacity.h"
#include "frontend_index.h"
#include "marks.h"
#include "names.h"
#include "ranges.h"
#include "service.h"
#include "sets.h"
#include "snapshot.h"

void nb_plan_free(struct nb_plan *plan)
{
	nb_services_free(&plan->kept);
	nb_vec_free(&plan->items);
	nb_vec_free(&plan->switches);
	free(plan->used);
	free(plan->taken);
	nb_vec_free(&plan->ranges_new);
	nb_vec_free(&plan->ranges_gone);
	nb_vec_free(&plan->owners_first);
	nb_vec_free(&plan->owners_last);
	nb_vec_free(&plan->owners_gone);
}

/* Puts the frontends of one service port together: they share a number in service_ids[]. */
static int compare_ports(const struct nb_item *x, const struct nb_item *y)
{
	int order = strcmp(x->service->name, y->service->name);

	if (!order)
		order = (int)x->origin - (int)y->origin;
	if (!order)
		order = (int)ntohs(x->service->port) - (int)ntohs(y->service->port);
	return order ? order : (int)x->service->key.proto - (int)y->service->key.proto;
}

static int compare_items(const void *a, const void *b)
{
	const struct nb_item *x = a, *y = b;
	int order = compare_ports(x, y);

	if (!order)
		order = (int)ntohs(x->service->key.port) - (int)ntohs(y->service->key.port);
	return order ? order : memcmp(&x->service->key, &y->service->key, sizeof(x->service->key));
}

static int collect_items(struct nb_plan *plan, const struct nb_services *services, int origin,
			 struct nb_error *err)
{
	const struct nb_snapshot *snapshot = plan->snapshot;
	int rc;

	for (size_t i = 0; snapshot->whole && i < snapshot->owners.n; i++) {
		if (snapshot->owners.items[i].in_scope)
			continue;
		rc = nb_snapshot_add_service(snapshot, &snapshot->owners.items[i], &plan->kept, err);
		if (rc)
			return rc;
	}
	rc = nb_vec_reserve(&plan->items, plan->kept.n + services->n, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < plan->kept.n; i++)
		plan->items.items[plan->items.n++] =
			(struct nb_item){ &plan->kept.items[i], plan->kept.items[i].origin, false };
	for (size_t i = 0; i < services->n; i++)
		plan->items.items[plan->items.n++] = (struct nb_item){ &services->items[i], origin, false };
	if (plan->items.n)
		qsort(plan->items.items, plan->items.n, sizeof(*plan->items.items), compare_items);
	return 0;
}

static int refuse_claim(const struct nb_service *service, const char *other, struct nb_error *err)
{
	char frontend[NB_FRONTEND_STRLEN];

	nb_frontend_format(&service->key, frontend);
	nb_fail(err, NB_ERR_CONFIG, 0, "Service %s and Service %s both claim %s", other, service->name,
		frontend);
	return -EEXIST;
}

/* Links each item to its frontend. Refuses one that somebody else has, and names both. */
static int claim_frontends(struct nb_plan *plan, struct nb_error *err)
{
	struct nb_snapshot *snapshot = plan->snapshot;
	char name[NB_NAME_MAX];

	for (size_t i = 0; i < plan->items.n; i++) {
		const struct nb_service *service = plan->items.items[i].service;
		struct nb_frontend_cell *cell = nb_snapshot_cell(snapshot, &service->key, err);
		int rc;

		if (!cell)
			return -err->errnum;
		if (cell->item)
			return refuse_claim(service, plan->items.items[cell->item - 1].service->name, err);
		if (!snapshot->whole && cell->before.flags & NB_FRONTEND_SERVICE && !cell->owner) {
			rc = nb_snapshot_find_owner(snapshot, &service->key, name, err);
			if (rc)
				return rc;
			return refuse_claim(service, name, err);
		}
		cell->item = i + 1;
	}
	return 0;
}

/* Whether the cell was a frontend of the same Service before: then it keeps its number. */
static bool same_owner(const struct nb_plan *plan, const struct nb_frontend_cell *cell,
		       const struct nb_item *item)
{
	return cell->before.flags & NB_FRONTEND_SERVICE && cell->owner &&
	       !strcmp(plan->snapshot->owners.items[cell->owner - 1].key.name, item->service->name) &&
	       plan->snapshot->owners.items[cell->owner - 1].entry.origin == item->origin;
}

/* 1: yes; 0: no; negative: *err. service_ids[] knows it without reading all frontends. */
static int service_is_taken(struct nb_plan *plan, __u32 service, struct nb_error *err)
{
	__u32 used = 0;
	int found;

	if (plan->used[service])
		return 1;
	if (plan->snapshot->whole)
		return plan->taken[service];
	found = nb_map_get(plan->snapshot->dp, NB_MAP_SERVICE_IDS, &service, &used, err);
	return found < 0 ? found : used != 0;
}

static int take_service(struct nb_plan *plan, __u32 *service, struct nb_error *err)
{
	for (__u32 tries = 0; tries < NB_MAX_SERVICE_PORTS; tries++) {
		__u32 next = plan->settings.next_service;
		int taken;

		if (!next || next >= NB_MAX_SERVICE_PORTS)
			next = 1;
		plan->settings.next_service = next + 1;
		taken = service_is_taken(plan, next, err);
		if (taken < 0)
			return taken;
		if (taken)
			continue;
		*service = next;
		return 0;
	}
	return nb_fail(err, NB_ERR_DATAPATH, ENOSPC, "too many service ports: a network holds at most %u",
		       NB_MAX_SERVICE_PORTS - 1);
}

/* Numbers one service port: items[first .. last - 1]. */
static int number_port(struct nb_plan *plan, size_t first, size_t last, struct nb_error *err)
{
	__u32 service = 0;

	for (size_t i = first; i < last && !service; i++) {
		const struct nb_item *item = &plan->items.items[i];
		const struct nb_frontend_cell *cell =
			nb_frontend_index_find(&plan->snapshot->cells, &item->service->key);

		if (same_owner(plan, cell, item) && cell->before.service < NB_MAX_SERVICE_PORTS &&
		    !plan->used[cell->before.service])
			service = cell->before.service;
	}
	if (!service) {
		int rc = take_service(plan, &service, err);

		if (rc)
			return rc;
	}
	plan->used[service] = true;
	for (size_t i = first; i < last; i++)
		nb_frontend_index_find(&plan->snapshot->cells, &plan->items.items[i].service->key)
			->after.service = service;
	return 0;
}

static int number_ports(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	const struct nb_item *items = plan->items.items;
	size_t first = 0;

	plan->used = calloc(NB_MAX_SERVICE_PORTS, sizeof(*plan->used));
	plan->taken = calloc(NB_MAX_SERVICE_PORTS, sizeof(*plan->taken));
	if (!plan->used || !plan->taken)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < cells->all.n; i++) {
		const struct nb_frontend *before = &cells->all.items[i].before;

		if (before->flags & NB_FRONTEND_SERVICE && before->service < NB_MAX_SERVICE_PORTS)
			plan->taken[before->service] = true;
	}
	for (size_t i = 1; i <= plan->items.n; i++) {
		int rc;

		if (i < plan->items.n && !compare_ports(&items[first], &items[i]))
			continue;
		rc = number_port(plan, first, i, err);
		if (rc)
			return rc;
		first = i;
	}
	return 0;
}

/* A number that no set has. They wrap around after 2^32 sets, so those in use are skipped. */
static int take_set(struct nb_plan *plan, __u32 *set, struct nb_error *err)
{
	struct nb_backend_key key = { 0 };
	struct nb_backend backend;
	size_t n = 0;
	int found;

	do {
		key.set = plan->settings.next_set++;
		if (plan->snapshot->whole) {
			nb_snapshot_members(plan->snapshot, key.set, &n);
			found = n > 0;
		} else {
			found = nb_map_get(plan->snapshot->dp, NB_MAP_BACKENDS, &key, &backend, err);
		}
	} while (found > 0 || (!found && !key.set));
	if (found < 0)
		return found;
	*set = key.set;
	return 0;
}

/* Whether the maps hold all backends of a frontend. Only a whole snapshot can tell. */
static int set_is_intact(const struct nb_snapshot *snapshot, const struct nb_frontend *before, bool *intact,
			 struct nb_error *err)
{
	nb_autofree struct nb_service_backend *backends = NULL;
	size_t n = 0;
	int rc;

	*intact = true;
	if (!snapshot->whole || !before->known)
		return 0;
	rc = nb_snapshot_set(snapshot, before->set, before->known, &backends, &n, err);
	if (rc)
		return rc;
	*intact = n == before->known && nb_service_digest(backends, n) == before->digest;
	return 0;
}

/* Those that the wanted frontend sets. */
static __u32 wanted_flags(const struct nb_service *service)
{
	return NB_FRONTEND_SERVICE | (__u32)service->kind << NB_FRONTEND_KIND_SHIFT |
	       (service->on_host ? NB_FRONTEND_HOST : 0) | (service->n_ranges ? NB_FRONTEND_RANGES : 0) |
	       (service->local && !service->n_eligible ? NB_FRONTEND_LOCAL : 0);
}

static int plan_frontend(struct nb_plan *plan, const struct nb_item *item, struct nb_error *err)
{
	const struct nb_service *service = item->service;
	struct nb_frontend_cell *cell = nb_frontend_index_find(&plan->snapshot->cells, &service->key);
	struct nb_frontend *after = &cell->after;
	bool same;
	int rc;

	after->flags |= wanted_flags(service);
	after->count = service->n_eligible;
	after->known = service->n_backends;
	after->affinity = service->affinity;
	after->digest = nb_service_digest(service->backends, service->n_backends);
	after->ranges = nb_source_ranges_digest(service->ranges, service->n_ranges);
	rc = set_is_intact(plan->snapshot, &cell->before, &same, err);
	if (rc)
		return rc;
	same = same && cell->before.flags & NB_FRONTEND_SERVICE && cell->before.count == after->count &&
	       cell->before.known == after->known && cell->before.digest == after->digest;
	if (same) {
		after->set = cell->before.set;
	} else if (after->known) {
		rc = take_set(plan, &after->set, err);
		if (rc)
			return rc;
	}
	after->epoch = cell->before.epoch;
	if (same && cell->before.service == after->service && cell->before.affinity == after->affinity &&
	    cell->before.ranges == after->ranges &&
	    !((cell->before.flags ^ after->flags) & ~(__u32)NB_FRONTEND_MARKS))
		return 0;
	after->epoch = plan->epoch;
	if (cell->before.flags & NB_FRONTEND_SERVICE)
		plan->changes.changed++;
	else
		plan->changes.added++;
	cell->switches = true;
	return nb_vec_push(&plan->switches, cell - plan->snapshot->cells.all.items, err);
}

static int plan_frontends(struct nb_plan *plan, struct nb_error *err)
{
	for (size_t i = 0; i < plan->items.n; i++) {
		int rc = plan_frontend(plan, &plan->items.items[i], err);

		if (rc)
			return rc;
	}
	return 0;
}

/* Frontends that nobody wants any more are removed first: that makes room for the others. */
static int plan_removals(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;

	for (size_t i = 0; i < cells->all.n; i++) {
		struct nb_frontend_cell *cell = &cells->all.items[i];
		bool ours = plan->snapshot->whole || cell->owner;

		if (!(cell->before.flags & NB_FRONTEND_SERVICE) || cell->item || !ours)
			continue;
		plan->changes.removed++;
		cell->switches = true;
		if (nb_vec_push(&plan->switches, i, err))
			return -ENOMEM;
	}
	return 0;
}

static void cover(struct nb_prefix vips[2], const struct nb_addr *addr)
{
	struct nb_prefix one = { .value = *addr };

	memset(&one.mask, 0xff, sizeof(one.mask));
	nb_prefix_cover(&vips[nb_addr_is_v4(addr)], &one);
}

/*
 * The bounds of all VIPs and service ranges. During the change they hold old and new ones; afterwards those
 * that exist, if the snapshot is whole and so knows them all.
 */
static void plan_vips(struct nb_plan *plan)
{
	struct nb_settings *now = &plan->settings;

	nb_settings_bound_ranges(now, plan->vips);
	for (size_t i = 0; i < plan->items.n; i++) {
		if (plan->items.items[i].service->kind != NB_CLUSTER_IP)
			continue;
		cover(now->vips, &plan->items.items[i].service->key.addr);
		cover(plan->vips, &plan->items.items[i].service->key.addr);
	}
	if (!plan->snapshot->whole)
		memcpy(plan->vips, now->vips, sizeof(plan->vips));
}

/* Ports are never forgotten: connections may outlive the frontend. */
static void plan_known_ports(struct nb_plan *plan)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;

	for (size_t i = 0; i < cells->all.n; i++)
		if (cells->all.items[i].after.flags)
			nb_settings_know_l4port(&plan->settings, cells->all.items[i].key.port);
}

int nb_plan_make(struct nb_plan *plan, struct nb_snapshot *snapshot, const struct nb_services *services,
		 const struct nb_scope *scope, struct nb_error *err)
{
	int rc;

	plan->snapshot = snapshot;
	rc = nb_settings_read(snapshot->dp, &plan->settings, err);
	if (rc)
		return rc;
	plan->settings_before = plan->settings;
	plan->epoch = plan->settings.epoch + 1;
	rc = collect_items(plan, services, scope->origin, err);
	if (rc)
		return rc;
	rc = claim_frontends(plan, err);
	if (rc)
		return rc;
	rc = number_ports(plan, err);
	if (rc)
		return rc;
	rc = plan_removals(plan, err);
	if (rc)
		return rc;
	rc = plan_frontends(plan, err);
	if (rc)
		return rc;
	rc = nb_plan_marks(plan, err);
	if (rc)
		return rc;
	rc = nb_plan_ranges(plan, err);
	if (rc)
		return rc;
	plan_vips(plan);
	plan_known_ports(plan);
	rc = nb_plan_names(plan, err);
	if (rc)
		return rc;
	return nb_plan_check_capacity(plan, err);
}
