/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_SNAPSHOT_H
#define NATBRIDGE_LIB_SERVICE_SNAPSHOT_H

/*
 * What the service maps hold, read for one change or listing.
 *
 * A whole snapshot holds every element, read in batches: a change by it derives everything anew, and so also
 * repairs what a killed change left behind. Any other snapshot holds only what the named Services own, so
 * that a change costs what it changes. The ledger says whether that is enough: only if the last change
 * finished.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "frontend_index.h"

/* What the maps hold in all, in services[] under the empty name and index 0. */
struct nb_service_ledger {
	struct nb_frontend_key none; /* zero: owns no frontend */
	__u32 finished;              /* 0: the last change did not finish */
	__u32 services;              /* names */
	__u32 frontends[2];          /* by enum nb_service_origin; each has one element in services[] */
	__u32 elements;              /* in frontends[]: frontends and marks */
	__u32 backends;              /* elements in backends[] */
	__u32 pad[12];
};
_Static_assert(sizeof(struct nb_service_ledger) == sizeof(struct nb_service_entry), "nb_service_ledger");

/* An element of services[]. */
struct nb_owner {
	struct nb_service_key key;
	struct nb_service_entry entry;
	bool in_scope; /* the change is about it */
};

/* An element of backends[]. */
struct nb_member {
	struct nb_backend_key key;
	struct nb_backend backend;
};

/* Which Services a change is about. */
struct nb_scope {
	NB_VEC(const char *) names; /* sorted, no duplicates; not owned */
	bool all_names;             /* all of that origin; names holds some of them */
	int origin;                 /* enum nb_service_origin, -1: any */
};

struct nb_snapshot {
	const struct nb_datapath *dp; /* set by the caller, all else zero */
	bool whole;
	bool fresh;         /* no change was ever made: all maps are empty */
	__u32 max_backends; /* elements that backends[] can hold */
	struct nb_service_ledger ledger;
	struct nb_frontend_index cells;
	NB_VEC(struct nb_owner) owners;   /* sorted by name and index */
	NB_VEC(struct nb_member) members; /* whole only: sorted by set and index */
	bool ranges_read;
	NB_VEC(struct nb_source_range) ranges; /* once they are read: sorted, nb_source_range_compare() */
};

void nb_snapshot_free(struct nb_snapshot *snapshot); /* for nb_cleanup() */

/* Reads the ledger and sizes. If no change was ever made, the ledger counts as unfinished. */
int nb_snapshot_begin(struct nb_snapshot *snapshot, struct nb_error *err);

/* Reads everything. scope NULL: all owners are in scope. */
int nb_snapshot_read_whole(struct nb_snapshot *snapshot, const struct nb_scope *scope, struct nb_error *err);

/* Reads what the scope's Services own. */
int nb_snapshot_read_named(struct nb_snapshot *snapshot, const struct nb_scope *scope, struct nb_error *err);

/* Reads source_ranges[], unless it is read already; nb_snapshot_read_whole() does so, too. */
int nb_snapshot_read_ranges(struct nb_snapshot *snapshot, struct nb_error *err);

/* The cell of a key, read from the map if need be; NULL: *err. Valid until the next call. */
struct nb_frontend_cell *nb_snapshot_cell(struct nb_snapshot *snapshot, const struct nb_frontend_key *key,
					  struct nb_error *err);

#endif
