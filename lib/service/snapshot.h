/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_SNAPSHOT_H
#define NATBRIDGE_LIB_SERVICE_SNAPSHOT_H

/*
 * How the service maps are changed: what is there is read into a struct nb_snapshot (snapshot.c), a
 * struct nb_plan says what each element shall be (plan.c), nb_plan_write() gets there in an order
 * that no packet can tell (write.c).
 *
 * Two ways to read. "Whole" reads every element in batches and derives everything anew, so it also repairs
 * what a kill left behind. Otherwise only what the named Services own is looked up, so that the cost is that
 * of the change. The ledger says when the second way will do: its last record was written by a change that
 * came to its end.
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service.h"

/* The table's own record in services[], under the empty name and index 0. */
struct nb_service_ledger {
	struct nb_frontend_key none; /* zero: owns no frontend */
	__u32 finished;              /* 0: a change was begun and did not come to its end */
	__u32 services;              /* names */
	__u32 frontends[2];          /* by enum nb_service_origin; each has one element in services[] */
	__u32 elements;              /* in frontends[]: frontends and addresses of backends */
	__u32 backends;              /* elements in backends[] */
	__u32 pad[11];
};
_Static_assert(sizeof(struct nb_service_ledger) == sizeof(struct nb_service_entry), "nb_service_ledger");

/* An element of frontends[], as found and as wanted. Without flags: not there. */
struct nb_frontend_cell {
	struct nb_frontend_key key;
	struct nb_frontend before, after;
	__u32 owner;   /* 1 + index of its element in nb_snapshot.owners, 0: none was read */
	bool switches; /* its frontend is among nb_plan.switches */
	__u32 item;    /* 1 + index in nb_plan.items of who wants it as a frontend, 0: nobody */
};

struct nb_frontend_index_slot {
	__u32 hash;
	__u32 cell; /* 1 + index in nb_frontend_index.all, 0: empty */
};

/* The elements of frontends[] in memory, found by key. Adding may move them. */
struct nb_frontend_index {
	NB_VEC(struct nb_frontend_cell) all;
	struct nb_frontend_index_slot *slots;
	size_t n_slots;
};

struct nb_frontend_cell *nb_frontend_index_find(const struct nb_frontend_index *cells,
						const struct nb_frontend_key *key);

/* The cell of a key, made if it is not there yet (*is_new). NULL: out of memory. */
struct nb_frontend_cell *nb_frontend_index_add(struct nb_frontend_index *cells,
					       const struct nb_frontend_key *key, bool *is_new,
					       struct nb_error *err);

/* An element of services[]. */
struct nb_owner {
	struct nb_service_key key;
	struct nb_service_entry entry;
	bool in_scope; /* the change is about it */
};

struct nb_member {
	struct nb_backend_key key;
	struct nb_backend backend;
};

/* Which Services a change is about. */
struct nb_scope {
	NB_VEC(const char *) names; /* sorted, no doubles; with all_names those known beforehand */
	bool all_names;
	int origin; /* enum nb_service_origin, -1: any */
};

struct nb_snapshot {
	const struct nb_datapath *dp;
	bool whole;
	bool fresh;         /* nothing was ever written: all maps are empty */
	__u32 max_backends; /* elements that backends[] can hold */
	struct nb_service_ledger ledger;
	struct nb_frontend_index cells;
	NB_VEC(struct nb_owner) owners;   /* sorted by name and index */
	NB_VEC(struct nb_member) members; /* whole only: sorted by set and index */
};

/* Reads the ledger and sizes; a table that never was written has an unfinished ledger. */
int nb_snapshot_begin(struct nb_snapshot *snapshot, struct nb_error *err);

/* Makes the next change read everything and derive the ledger from it. No Services yet: nothing to do. */
int nb_snapshot_distrust(const struct nb_datapath *dp, struct nb_error *err);

/* Reads everything, or what the scope's names own. With all_names the scope may get more names. */
int nb_snapshot_read_whole(struct nb_snapshot *snapshot, const struct nb_scope *scope, struct nb_error *err);
int nb_snapshot_read_named(struct nb_snapshot *snapshot, struct nb_scope *scope, struct nb_error *err);

void nb_snapshot_free(struct nb_snapshot *snapshot);

/* The cell of a key, read from the map if need be; NULL: *err. It is there until the next call. */
struct nb_frontend_cell *nb_snapshot_cell(struct nb_snapshot *snapshot, const struct nb_frontend_key *key,
					  struct nb_error *err);

/* The backends of a set as far as they are there; the caller frees *backends. */
int nb_snapshot_set(const struct nb_snapshot *snapshot, __u32 set, __u32 count,
		    struct nb_service_backend **backends, size_t *n, struct nb_error *err);

/* The members of a set in nb_snapshot.members (whole only). */
const struct nb_member *nb_snapshot_members(const struct nb_snapshot *snapshot, __u32 set, size_t *n);

/* Adds the frontend that the owner stands for, with its backends, to *services; nothing if it is not there.
 */
int nb_snapshot_add_service(const struct nb_snapshot *snapshot, const struct nb_owner *owner,
			    struct nb_services *services, struct nb_error *err);

/* Into name (NB_NAME_MAX bytes): who owns the frontend, by a walk over services[]; "?" if nobody does. */
int nb_snapshot_find_owner(const struct nb_snapshot *snapshot, const struct nb_frontend_key *key, char *name,
			   struct nb_error *err);

/* A frontend that shall be there. */
struct nb_item {
	const struct nb_service *service;
	__u32 origin;
	bool has_owner; /* an element of services[] names it already */
};

struct nb_owner_write {
	struct nb_service_key key;
	struct nb_service_entry entry;
};

/* What a change comes to. */
struct nb_plan {
	struct nb_snapshot *snapshot;
	struct nb_settings settings, settings_before;
	struct nb_prefix vips[2]; /* nb_settings.vips at the end */
	__u32 epoch;              /* nb_settings.epoch at the end, and of each frontend that changes */
	struct nb_services kept;  /* whole only: frontends that the change is not about */
	NB_VEC(struct nb_item) items;
	NB_VEC(__u32) switches;                     /* cells whose frontend changes, those that go first */
	bool *used;                                 /* by number of a service port: some item has it */
	bool *taken;                                /* whole only, by number: used now or so far */
	NB_VEC(struct nb_owner_write) owners_first; /* before any frontend */
	NB_VEC(struct nb_owner_write) owners_last;
	NB_VEC(struct nb_service_key) owners_gone;
	struct nb_service_ledger ledger; /* at the end */
	struct nb_service_changes changes;
};

/*
 * Works out what has to be written so that the Services in scope are *services. Nothing is written. Fails if
 * a frontend is claimed twice or something does not fit into the maps.
 */
int nb_plan_make(struct nb_plan *plan, struct nb_snapshot *snapshot, const struct nb_services *services,
		 const struct nb_scope *scope, struct nb_error *err);

/* The same, for the elements of services[] (names.c). */
int nb_plan_names(struct nb_plan *plan, struct nb_error *err);

/*
 * Fills in plan->ledger and plan->changes and fails if a map cannot hold the result (capacity.c). Sets
 * are written beside the old ones as far as there is room, so only the end counts there.
 */
int nb_plan_check_capacity(struct nb_plan *plan, struct nb_error *err);

void nb_plan_free(struct nb_plan *plan);

/* Does it. plan->changes.map_writes counts. */
int nb_plan_write(struct nb_plan *plan, struct nb_error *err);

/* The key under which a backend's own address is entered. */
static inline struct nb_frontend_key nb_backend_mark(const struct nb_service_backend *backend, __u8 proto)
{
	return (struct nb_frontend_key){ .addr = backend->addr, .port = backend->port, .proto = proto };
}

/* The key under which a frontend's address is entered. */
static inline struct nb_frontend_key nb_vip_mark(const struct nb_frontend_key *frontend)
{
	return (struct nb_frontend_key){ .addr = frontend->addr };
}

enum { NB_FRONTEND_MARKS = NB_FRONTEND_BACKEND | NB_FRONTEND_VIP };

#endif
