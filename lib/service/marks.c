// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts references of marks: anew from a whole snapshot, else by what the change adds and removes. */
#include "marks.h"

#include <natbridge/abi.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "frontend_index.h"
#include "plan.h"
#include "service.h"
#include "sets.h"
#include "snapshot.h"

static int count_refs(struct nb_plan *plan, const struct nb_service_backend *backends, size_t n,
		      const struct nb_frontend_key *frontend, int by, struct nb_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct nb_frontend_key key = nb_backend_mark(&backends[i], frontend);
		struct nb_frontend_cell *cell = nb_snapshot_cell(plan->snapshot, &key, err);

		if (!cell)
			return -err->errnum;
		cell->after.refs += by;
	}
	return 0;
}

static int count_vip(struct nb_plan *plan, const struct nb_service *service, struct nb_error *err)
{
	struct nb_frontend_key vip = nb_vip_mark(&service->key);
	struct nb_frontend_cell *cell = nb_snapshot_cell(plan->snapshot, &vip, err);

	if (!cell)
		return -err->errnum;
	cell->after.refs++;
	cell->after.count += !service->n_eligible;
	/* The same for all frontends of an address that a change is about. */
	if (service->on_host || !plan->snapshot->whole)
		cell->after.known = service->on_host;
	return 0;
}

static int count_service(struct nb_plan *plan, const struct nb_service *service, struct nb_error *err)
{
	int rc = service->kind == NB_CLUSTER_IP ? count_vip(plan, service, err) : 0;

	if (rc)
		return rc;
	return count_refs(plan, service->backends, service->n_backends, &service->key, 1, err);
}

static int uncount_vip(struct nb_plan *plan, const struct nb_frontend_cell *was, struct nb_error *err)
{
	struct nb_frontend_key vip = nb_vip_mark(&was->key);
	struct nb_frontend_cell *cell = nb_snapshot_cell(plan->snapshot, &vip, err);

	if (!cell)
		return -err->errnum;
	cell->after.refs--;
	cell->after.count -= !was->before.count && cell->after.count;
	return 0;
}

static int uncount_service(struct nb_plan *plan, const struct nb_frontend_cell *was, struct nb_error *err)
{
	nb_autofree struct nb_service_backend *backends = NULL;
	size_t n = 0;
	int rc = nb_frontend_kind(&was->before) == NB_CLUSTER_IP ? uncount_vip(plan, was, err) : 0;

	if (rc)
		return rc;
	rc = nb_snapshot_set(plan->snapshot, was->before.set, was->before.known, &backends, &n, err);
	if (rc)
		return rc;
	return count_refs(plan, backends, n, &was->key, -1, err);
}

/* Counts the references of all marks anew, from all items. */
static int count_all(struct nb_plan *plan, struct nb_error *err)
{
	for (size_t i = 0; i < plan->items.n; i++) {
		int rc = count_service(plan, plan->items.items[i].service, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* Adds to the references of marks what the change makes of them. */
static int count_switches(struct nb_plan *plan, struct nb_error *err)
{
	for (size_t i = 0; i < plan->switches.n; i++) {
		/* A copy: counting may read more cells, which moves them. */
		const struct nb_frontend_cell cell = plan->snapshot->cells.all.items[plan->switches.items[i]];
		int rc = cell.before.flags & NB_FRONTEND_SERVICE ? uncount_service(plan, &cell, err) : 0;

		if (rc)
			return rc;
		rc = cell.item ? count_service(plan, plan->items.items[cell.item - 1].service, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* Cells that the change is not about stay as they are, such as a frontend that is also somebody's backend. */
static void complete_cells(struct nb_frontend_index *cells)
{
	for (size_t i = 0; i < cells->all.n; i++) {
		struct nb_frontend_cell *cell = &cells->all.items[i];

		if (!cell->item && !cell->switches) {
			const struct nb_frontend counted = cell->after;

			cell->after = cell->before;
			cell->after.refs = counted.refs;
			if (!cell->key.proto) {
				cell->after.count = counted.count;
				cell->after.known = counted.known;
			}
			cell->after.flags &= ~NB_FRONTEND_MARKS;
		}
		if (cell->after.refs)
			cell->after.flags |= cell->key.proto ? NB_FRONTEND_BACKEND : NB_FRONTEND_VIP;
	}
}

int nb_plan_marks(struct nb_plan *plan, struct nb_error *err)
{
	int rc = plan->snapshot->whole ? count_all(plan, err) : count_switches(plan, err);

	if (rc)
		return rc;
	complete_cells(&plan->snapshot->cells);
	return 0;
}
