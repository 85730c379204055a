/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_PLAN_H
#define NATBRIDGE_LIB_SERVICE_PLAN_H

/* What a change has to write, worked out from a snapshot and the Services that are wanted. Writes nothing. */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service.h"
#include "snapshot.h"

/* A frontend that is wanted. */
struct nb_item {
	const struct nb_service *service;
	__u32 origin;   /* enum nb_service_origin */
	bool has_owner; /* an element of services[] names it already */
};

struct nb_owner_write {
	struct nb_service_key key;
	struct nb_service_entry entry;
};

struct nb_plan {
	struct nb_snapshot *snapshot;
	struct nb_settings settings, settings_before;
	struct nb_prefix vips[2]; /* nb_settings.vips at the end */
	__u32 epoch;              /* nb_settings.epoch at the end, and of each frontend that changes */
	struct nb_services kept;  /* whole only: frontends that the change is not about */
	NB_VEC(struct nb_item) items;
	NB_VEC(__u32) switches; /* cells whose frontend changes, removals first */
	bool *used;             /* by number of a service port: some item has it */
	bool *taken;            /* whole only, by number: in use before or so far */
	NB_VEC(struct nb_source_range) ranges_new, ranges_gone;
	NB_VEC(struct nb_owner_write) owners_first; /* written before any frontend */
	NB_VEC(struct nb_owner_write) owners_last;
	NB_VEC(struct nb_service_key) owners_gone;
	struct nb_service_ledger ledger; /* at the end */
	struct nb_service_changes changes;
};

/*
 * Fills *plan (zeroed) so that the Services in scope become *services, which must outlive it. -EEXIST: a
 * frontend is claimed twice; -ENOSPC: a map is too small for the result.
 */
int nb_plan_make(struct nb_plan *plan, struct nb_snapshot *snapshot, const struct nb_services *services,
		 const struct nb_scope *scope, struct nb_error *err);

void nb_plan_free(struct nb_plan *plan); /* for nb_cleanup() */

#endif
