/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_METRICS_SERVICE_BOOK_H
#define NATBRIDGE_LIB_METRICS_SERVICE_BOOK_H

/*
 * Numbers by Service of one network: what there is at the moment, and counters, which grow as long as the
 * book is kept. The datapath counts by connection, in the place that the connection has in the table. The
 * book remembers what each place had carried when it looked last, and adds the difference to the Service.
 *
 * A place may have served more than one connection since. What it carried up to the beginning of the present
 * one is added to the Service of the one that was seen there before, and so are connections that were not
 * seen. So no byte is lost, but some may be another Service's.
 *
 * The first NB_SERVICE_SERIES Services that have numbers have them by themselves, each until it is deleted.
 * All others are one.
 */

#include <stdbool.h>
#include <stdint.h>

#include <natbridge/abi.h>

#include "lib/maps/conn_table.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "frontend_names.h"

enum {
	NB_SERVICE_SERIES = 100,
	NB_DROP_REASONS = NB_COUNTERS - NB_DROP_BASE,
};

struct nb_service_traffic {
	uint64_t packets[2], bytes[2]; /* the client's direction, the backend's */
};

struct nb_service_numbers {
	char name[NB_NAME_MAX]; /* "namespace/name"; empty: all others together */
	/* At the moment. */
	uint64_t connections;
	struct nb_service_traffic carried; /* by these */
	/* Counters. */
	uint64_t begun; /* connections */
	struct nb_service_traffic traffic;
	uint64_t drops[NB_DROP_REASONS]; /* by reason, less NB_DROP_BASE */
};

struct nb_service_book;

/*
 * A new book; NULL: out of memory. by_name: for a single look, Services have numbers of their own in the
 * order of their names, so that the next look finds the same ones.
 */
struct nb_service_book *nb_service_book_new(bool by_name, struct nb_error *err);
void nb_service_book_free(struct nb_service_book **book); /* for nb_cleanup() */

/* What a look begins with. */
struct nb_service_look {
	__u32 table_id; /* of the map of connections: another one than before means another table */
	__u32 epoch;    /* of the names, as nb_settings has it: read before them */
	struct nb_frontend_names *names; /* the book takes them; NULL: as before */
};

/* Whether the book has the names of that epoch of that table. */
bool nb_service_book_has_names(const struct nb_service_book *book, __u32 table_id, __u32 epoch);

/*
 * Begins a look at a network's table. Counters begin at nothing with the first look at a table, but for
 * drops, which begin with what the datapath has counted.
 */
int nb_service_book_begin(struct nb_service_book *book, const struct nb_service_look *look,
			  struct nb_error *err);

/* Whether nb_service_book_take() has to see a connection that has ended: nb_conn_table_walk_all(). */
bool nb_service_book_wants(const struct nb_service_book *book, __u32 pair_id, __u64 life);

/* Takes one connection of the table. live: whether it counts as one that there is. */
int nb_service_book_take(struct nb_service_book *book, const struct nb_conn_copy *copy, bool live,
			 struct nb_error *err);

struct nb_service_drop {
	struct nb_service_drop_key key;
	uint64_t count;
};

/* Takes all elements of service_drops, in any order; sorts them. */
int nb_service_book_drops(struct nb_service_book *book, struct nb_service_drop *drops, size_t n,
			  struct nb_error *err);

/* Ends the look. */
void nb_service_book_end(struct nb_service_book *book);

/*
 * The i-th of the numbers, NULL behind the last one; those of all others come last. A Service without numbers
 * has none.
 */
const struct nb_service_numbers *nb_service_book_get(const struct nb_service_book *book, size_t *i);

#endif
