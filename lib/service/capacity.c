// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts what the service maps hold after a change, and at most during it. */
#include "capacity.h"

#include <errno.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/error.h"

#include "frontend_index.h"
#include "plan.h"
#include "snapshot.h"

/* From everything that a whole snapshot and its plan hold. nb_plan_names() has counted ledger->services. */
static void count_whole(struct nb_plan *plan)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	struct nb_service_ledger *ledger = &plan->ledger;

	for (size_t i = 0; i < plan->items.n; i++) {
		ledger->frontends[plan->items.items[i].origin]++;
		ledger->backends += plan->items.items[i].service->n_backends;
	}
	for (size_t i = 0; i < cells->all.n; i++)
		ledger->elements += cells->all.items[i].after.flags != 0;
}

/* From the ledger before the change, and what the change adds and removes. */
static void count_difference(struct nb_plan *plan)
{
	const struct nb_frontend_index *cells = &plan->snapshot->cells;
	struct nb_service_ledger *ledger = &plan->ledger;
	__u32 names = ledger->services;

	*ledger = plan->snapshot->ledger;
	ledger->services += names;
	for (size_t i = 0; i < plan->snapshot->owners.n; i++) {
		if (plan->snapshot->owners.items[i].in_scope)
			ledger->frontends[plan->snapshot->owners.items[i].entry.origin]--;
	}
	for (size_t i = 0; i < plan->items.n; i++)
		ledger->frontends[plan->items.items[i].origin]++;
	for (size_t i = 0; i < cells->all.n; i++) {
		const struct nb_frontend_cell *cell = &cells->all.items[i];

		ledger->elements += (cell->after.flags != 0) - (cell->before.flags != 0);
		if (cell->switches)
			ledger->backends += cell->after.known - cell->before.known;
	}
}

static int check_capacity(const struct nb_plan *plan, enum nb_map map, __u64 needed, const char *what,
			  struct nb_error *err)
{
	struct nb_map_sizes sizes;
	int rc = nb_map_sizes(plan->snapshot->dp, map, &sizes, err);

	if (rc)
		return rc;
	if (needed <= sizes.max)
		return 0;
	return nb_fail(err, NB_ERR_DATAPATH, ENOSPC,
		       "too many services for this network: %llu %s needed, its map %s holds at most %u",
		       (unsigned long long)needed, what, nb_map_name(map), sizes.max);
}

int nb_plan_check_capacity(struct nb_plan *plan, struct nb_error *err)
{
	const struct nb_snapshot *snapshot = plan->snapshot;
	__u64 elements = 0, owners = 1; /* the ledger is one */
	int rc;

	if (snapshot->whole)
		count_whole(plan);
	else
		count_difference(plan);
	plan->ledger.finished = 1;
	plan->changes.services = plan->ledger.services;
	plan->changes.frontends = plan->ledger.frontends[0] + plan->ledger.frontends[1];
	plan->changes.backends = plan->ledger.backends;

	/* Old and new marks and names exist side by side for a moment. */
	for (size_t i = 0; i < snapshot->cells.all.n; i++) {
		const struct nb_frontend_cell *cell = &snapshot->cells.all.items[i];

		elements += snapshot->whole ? (cell->before.flags | cell->after.flags) != 0
					    : cell->after.flags && !cell->before.flags;
	}
	if (!snapshot->whole) {
		elements += snapshot->ledger.elements;
		owners += snapshot->ledger.frontends[0] + snapshot->ledger.frontends[1];
	} else {
		owners += snapshot->owners.n;
	}
	for (size_t i = 0; i < plan->items.n; i++)
		owners += !plan->items.items[i].has_owner;
	rc = check_capacity(plan, NB_MAP_FRONTENDS, elements, "frontends and addresses of backends", err);
	if (rc)
		return rc;
	rc = check_capacity(plan, NB_MAP_BACKENDS, plan->ledger.backends, "backends", err);
	if (rc)
		return rc;
	return check_capacity(plan, NB_MAP_SERVICES, owners, "ports of Services", err);
}
