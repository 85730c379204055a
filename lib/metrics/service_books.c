// SPDX-License-Identifier: GPL-2.0-or-later
/* Books by network, and from a network's maps to its book. */
#include "service_books.h"

#include <stdlib.h>
#include <string.h>

#include "lib/datapath/fd_array.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "frontend_names.h"

static void book_free(struct nb_network_book *one)
{
	free(one->network);
	nb_service_book_free(&one->book);
}

void nb_service_books_free(struct nb_service_books *books)
{
	for (size_t i = 0; i < books->all.n; i++)
		book_free(&books->all.items[i]);
	nb_vec_free(&books->all);
	*books = (struct nb_service_books){ 0 };
}

void nb_service_books_begin(struct nb_service_books *books)
{
	for (size_t i = 0; i < books->all.n; i++)
		books->all.items[i].met = false;
}

void nb_service_books_end(struct nb_service_books *books)
{
	size_t kept = 0;

	for (size_t i = 0; i < books->all.n; i++)
		if (books->all.items[i].met)
			books->all.items[kept++] = books->all.items[i];
		else
			book_free(&books->all.items[i]);
	books->all.n = kept;
}

struct nb_service_book *nb_service_books_get(struct nb_service_books *books, const char *network,
					     struct nb_error *err)
{
	struct nb_network_book made = { .met = true };

	for (size_t i = 0; i < books->all.n; i++)
		if (!strcmp(books->all.items[i].network, network)) {
			books->all.items[i].met = true;
			return books->all.items[i].book;
		}
	if (nb_strdup(network, &made.network, err))
		return NULL;
	made.book = nb_service_book_new(false, err);
	if (!made.book || nb_vec_push(&books->all, made, err)) {
		book_free(&made);
		return NULL;
	}
	return made.book;
}

/* ---- a look ---- */

int nb_service_look_begin(struct nb_service_book *book, const struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(nb_frontend_names_free) struct nb_frontend_names names = { 0 };
	struct nb_service_look look = { .table_id = nb_fd_id(dp->map_fd[NB_MAP_CONNECTIONS]) };
	struct nb_settings settings;
	int rc = nb_settings_read(dp, &settings, err);

	if (rc)
		return rc;
	look.epoch = settings.epoch;
	if (!nb_service_book_has_names(book, look.table_id, look.epoch)) {
		rc = nb_frontend_names_read(dp, &names, err);
		look.names = &names;
	}
	return rc ? rc : nb_service_book_begin(book, &look, err);
}

struct drops {
	NB_VEC(struct nb_service_drop) all;
	struct nb_error *err;
};

static void drops_free(struct drops *drops)
{
	nb_vec_free(&drops->all);
}

static int take_drops(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_drop_key *key = keys;
	struct drops *drops = arg;
	const __u64 *count = values;
	int rc = 0;

	for (__u32 i = 0; i < n && !rc; i++) {
		const struct nb_service_drop drop = { .key = key[i], .count = count[i] };

		rc = nb_vec_push(&drops->all, drop, drops->err);
	}
	return rc;
}

int nb_service_look_end(struct nb_service_book *book, const struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(drops_free) struct drops drops = { .err = err };
	/* An older natbridge has no such map. */
	int rc = dp->map_fd[NB_MAP_SERVICE_DROPS] < 0
			 ? 0
			 : nb_map_walk(dp, NB_MAP_SERVICE_DROPS, take_drops, &drops, err);

	rc = rc ? rc : nb_service_book_drops(book, drops.all.items, drops.all.n, err);
	if (rc)
		return rc;
	nb_service_book_end(book);
	return 0;
}
