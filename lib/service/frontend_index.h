/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_FRONTEND_INDEX_H
#define NATBRIDGE_LIB_SERVICE_FRONTEND_INDEX_H

/*
 * Elements of frontends[] in memory, each as it is and as it shall be, found by key. An element can be three
 * things: a frontend, the mark of a backend's own address, the mark of a VIP (enum nb_frontend_flags).
 */

#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service.h"

/* An element of frontends[]. before or after without flags: it is not in the map. */
struct nb_frontend_cell {
	struct nb_frontend_key key;
	struct nb_frontend before, after;
	__u32 owner;   /* 1 + index of its element in nb_snapshot.owners, 0: none was read */
	bool switches; /* its frontend is among nb_plan.switches */
	__u32 item;    /* 1 + index in nb_plan.items of who wants it as a frontend, 0: nobody */
};

struct nb_frontend_bucket {
	__u32 hash;
	__u32 cell; /* 1 + index in nb_frontend_index.all, 0: empty */
};

/* Adding a cell may move the others. */
struct nb_frontend_index {
	NB_VEC(struct nb_frontend_cell) all;
	struct nb_frontend_bucket *buckets;
	size_t n_buckets; /* a power of two */
};

/* The cell of a key; NULL: there is none. */
struct nb_frontend_cell *nb_frontend_index_find(const struct nb_frontend_index *index,
						const struct nb_frontend_key *key);

/* The cell of a key, added if there is none yet (*is_new). NULL: out of memory. */
struct nb_frontend_cell *nb_frontend_index_add(struct nb_frontend_index *index,
					       const struct nb_frontend_key *key, bool *is_new,
					       struct nb_error *err);

void nb_frontend_index_free(struct nb_frontend_index *index);

/* The key of the mark of a backend's own address, on the side of its frontend. */
static inline struct nb_frontend_key nb_backend_mark(const struct nb_service_backend *backend,
						     const struct nb_frontend_key *frontend)
{
	return (struct nb_frontend_key){
		.addr = backend->addr, .port = backend->port, .proto = frontend->proto, .side = frontend->side
	};
}

/* The key of the mark of a ClusterIP, which is met inside alone. */
static inline struct nb_frontend_key nb_vip_mark(const struct nb_frontend_key *frontend)
{
	return (struct nb_frontend_key){ .addr = frontend->addr };
}

/* What kind of address an element of frontends[] has that is a frontend. */
static inline enum nb_frontend_kind nb_frontend_kind(const struct nb_frontend *frontend)
{
	return frontend->flags >> NB_FRONTEND_KIND_SHIFT & 3;
}

enum { NB_FRONTEND_MARKS = NB_FRONTEND_BACKEND | NB_FRONTEND_VIP };

#endif
