/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_METRICS_SERVICE_BOOKS_H
#define NATBRIDGE_LIB_METRICS_SERVICE_BOOKS_H

/* The books of all networks of a node, kept from one look to the next; a look into the maps of one. */

#include "lib/maps/conntrack.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "service_book.h"

struct nb_network_book {
	char *network;
	struct nb_service_book *book;
	bool met; /* since nb_service_books_begin() */
};

struct nb_service_books {
	NB_VEC(struct nb_network_book) all;
};

void nb_service_books_free(struct nb_service_books *books); /* for nb_cleanup() */

/* Around a walk over all networks: the books of those that were not met are thrown away. */
void nb_service_books_begin(struct nb_service_books *books);
void nb_service_books_end(struct nb_service_books *books);

/* The book of a network, made if there is none. NULL: out of memory. */
struct nb_service_book *nb_service_books_get(struct nb_service_books *books, const char *network,
					     struct nb_error *err);

/* Begins a look; reads the names of Services if they have changed. *dp has a table of connections. */
int nb_service_look_begin(struct nb_service_book *book, const struct nb_datapath *dp, struct nb_error *err);

/* Takes what the datapath has dropped, and ends the look. */
int nb_service_look_end(struct nb_service_book *book, const struct nb_datapath *dp, struct nb_error *err);

#endif
