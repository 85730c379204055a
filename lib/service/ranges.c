// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source ranges belong to a service port, by its number: all addresses of a load balancer share them. A
 * number that is free stays so during a change, so a range that nobody wants any more is no other port's.
 */
#include "ranges.h"

#include <errno.h>
#include <stdlib.h>

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

/* Source ranges, sorted. */
struct ranges {
	NB_VEC(struct nb_source_range) all;
};

static void ranges_free(struct ranges *ranges)
{
	nb_vec_free(&ranges->all);
}

static bool ranges_have(const struct ranges *ranges, const struct nb_source_range *range)
{
	return ranges->all.n &&
	       bsearch(range, ranges->all.items, ranges->all.n, sizeof(*range), nb_source_range_compare);
}

/* All that the plan's frontends want. */
static int collect_wanted(const struct nb_plan *plan, struct ranges *wanted, struct nb_error *err)
{
	for (size_t i = 0; i < plan->items.n; i++) {
		const struct nb_service *service = plan->items.items[i].service;
		const struct nb_frontend_cell *cell =
			nb_frontend_index_find(&plan->snapshot->cells, &service->key);

		for (size_t k = 0; k < service->n_ranges; k++) {
			struct nb_source_range range = service->ranges[k];

			range.service = cell->after.service;
			if (nb_vec_push(&wanted->all, range, err))
				return -ENOMEM;
		}
	}
	if (wanted->all.n)
		qsort(wanted->all.items, wanted->all.n, sizeof(*wanted->all.items), nb_source_range_compare);
	return 0;
}

/* Adds to the plan what the service port has and does not want. */
static int plan_gone(struct nb_plan *plan, __u32 service, const struct ranges *wanted, struct nb_error *err)
{
	size_t n;
	const struct nb_source_range *has = nb_snapshot_ranges(plan->snapshot, service, &n);

	for (size_t i = 0; i < n; i++)
		if (!ranges_have(wanted, &has[i]) && nb_vec_push(&plan->ranges_gone, has[i], err))
			return -ENOMEM;
	return 0;
}

static bool has_range(const struct nb_snapshot *snapshot, const struct nb_source_range *range)
{
	return snapshot->ranges.n && bsearch(range, snapshot->ranges.items, snapshot->ranges.n,
					     sizeof(*range), nb_source_range_compare);
}

/* Addresses of one service port may want the same range: it is added once. */
static int plan_new(struct nb_plan *plan, const struct ranges *wanted, struct nb_error *err)
{
	for (size_t i = 0; i < wanted->all.n; i++) {
		const struct nb_source_range *range = &wanted->all.items[i];

		if ((i && !nb_source_range_compare(range, range - 1)) || has_range(plan->snapshot, range))
			continue;
		if (nb_vec_push(&plan->ranges_new, *range, err))
			return -ENOMEM;
	}
	return 0;
}

/* Whether a change of this element adds or removes source ranges. */
static bool changes_ranges(const struct nb_frontend_cell *cell)
{
	return cell->switches && (cell->before.ranges != cell->after.ranges ||
				  (cell->before.ranges && cell->before.service != cell->after.service));
}

/* All that is there, if the plan knows all frontends; else what the frontends that change had. */
static int plan_all_gone(struct nb_plan *plan, const struct ranges *wanted, struct nb_error *err)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	const struct nb_snapshot *snapshot = plan->snapshot;

	for (size_t i = 0; snapshot->whole && i < snapshot->ranges.n; i++)
		if (!ranges_have(wanted, &snapshot->ranges.items[i]) &&
		    nb_vec_push(&plan->ranges_gone, snapshot->ranges.items[i], err))
			return -ENOMEM;
	for (size_t i = 0; !snapshot->whole && i < cells->all.n; i++) {
		const struct nb_frontend_cell *cell = &cells->all.items[i];
		int rc = changes_ranges(cell) ? plan_gone(plan, cell->before.service, wanted, err) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int check_room(const struct nb_plan *plan, struct nb_error *err)
{
	const size_t needed = plan->snapshot->ranges.n + plan->ranges_new.n;

	if (needed <= NB_SOURCE_RANGES)
		return 0;
	return nb_fail(err, NB_ERR_DATAPATH, ENOSPC,
		       "too many source ranges for this network: %zu needed, its map %s holds at most %d",
		       needed, nb_map_name(NB_MAP_SOURCE_RANGES), NB_SOURCE_RANGES);
}

int nb_plan_ranges(struct nb_plan *plan, struct nb_error *err)
{
	nb_cleanup(ranges_free) struct ranges wanted = { 0 };
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	bool changes = plan->snapshot->whole;
	int rc;

	for (size_t i = 0; !changes && i < cells->all.n; i++)
		changes = changes_ranges(&cells->all.items[i]);
	if (!changes)
		return 0;
	rc = nb_snapshot_read_ranges(plan->snapshot, err);
	if (rc)
		return rc;
	rc = collect_wanted(plan, &wanted, err);
	if (rc)
		return rc;
	rc = plan_new(plan, &wanted, err);
	if (rc)
		return rc;
	rc = plan_all_gone(plan, &wanted, err);
	if (rc)
		return rc;
	return check_room(plan, err);
}
