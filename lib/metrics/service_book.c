// SPDX-License-Identifier: GPL-2.0-or-later
/* What places of the table have carried since the last look, by Service. */
#include "service_book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/conn_life.h>

#include "lib/util/error.h"

enum {
	OTHERS = NB_SERVICE_SERIES, /* the place of all others */
	SLOTS,
	NO_SERVICE = SLOTS, /* a connection that is to none */
	CHUNK = 4096,       /* places of the table whose memory is allocated at once */
};

/* What a place of the table had when it was looked at last. */
struct seen {
	uint64_t bytes[2];
	uint32_t packets[2]; /* modulo 2^32 */
	uint32_t gen : 22;
	uint32_t known : 1;
	uint32_t ended : 1; /* and so it was: nothing will be added for this connection */
	uint16_t slot;
};

struct nb_service_book {
	bool by_name;
	bool looked; /* at this table, at least once to the end */
	__u32 table_id, epoch;
	struct nb_frontend_names names;
	NB_VEC(uint16_t) slot_of_name; /* by index in names; OTHERS: none yet */
	struct nb_service_numbers slots[SLOTS];
	bool used[SLOTS];
	NB_VEC(struct seen *) chunks;         /* NULL: no connection was seen there */
	NB_VEC(struct nb_service_drop) drops; /* as they were, sorted */
};

struct nb_service_book *nb_service_book_new(bool by_name, struct nb_error *err)
{
	struct nb_service_book *book = calloc(1, sizeof(*book));

	if (!book) {
		nb_fail_nomem(err);
		return NULL;
	}
	book->by_name = by_name;
	return book;
}

static void forget_table(struct nb_service_book *book)
{
	for (size_t i = 0; i < book->chunks.n; i++)
		free(book->chunks.items[i]);
	book->chunks.n = 0;
	book->drops.n = 0;
	book->looked = false;
}

void nb_service_book_free(struct nb_service_book **book)
{
	struct nb_service_book *old = *book;

	*book = NULL;
	if (!old)
		return;
	forget_table(old);
	nb_vec_free(&old->chunks);
	nb_vec_free(&old->drops);
	nb_vec_free(&old->slot_of_name);
	nb_frontend_names_free(&old->names);
	free(old);
}

/* ---- Services and their slots ---- */

/* A Service that is gone: what goes on of it is the others'. */
static void free_slot(struct nb_service_book *book, uint16_t slot)
{
	book->used[slot] = false;
	for (size_t i = 0; i < book->chunks.n; i++)
		for (size_t k = 0; book->chunks.items[i] && k < CHUNK; k++)
			if (book->chunks.items[i][k].slot == slot)
				book->chunks.items[i][k].slot = OTHERS;
}

static uint16_t give_slot(struct nb_service_book *book, size_t name)
{
	for (unsigned int slot = 0; slot < NB_SERVICE_SERIES; slot++) {
		if (book->used[slot])
			continue;
		book->used[slot] = true;
		book->slots[slot] = (struct nb_service_numbers){ 0 };
		snprintf(book->slots[slot].name, NB_NAME_MAX, "%s", book->names.names.items[name]);
		book->slot_of_name.items[name] = slot;
		return slot;
	}
	book->used[OTHERS] = true;
	return OTHERS;
}

/* name: of nb_frontend_names_find(). */
static uint16_t slot_of(struct nb_service_book *book, int name)
{
	if (name == NB_FRONTEND_NAME_NONE) {
		book->used[OTHERS] = true;
		return OTHERS;
	}
	return book->slot_of_name.items[name] != OTHERS ? book->slot_of_name.items[name]
							: give_slot(book, (size_t)name);
}

static void take_names(struct nb_service_book *book, struct nb_frontend_names *names)
{
	nb_frontend_names_free(&book->names);
	book->names = *names;
	*names = (struct nb_frontend_names){ 0 };
	for (size_t i = 0; i < book->names.names.n; i++)
		book->slot_of_name.items[i] = OTHERS;
	for (unsigned int slot = 0; slot < NB_SERVICE_SERIES; slot++) {
		const int name = book->used[slot]
					 ? nb_frontend_names_index(&book->names, book->slots[slot].name)
					 : NB_FRONTEND_NAME_NONE;

		if (name != NB_FRONTEND_NAME_NONE)
			book->slot_of_name.items[name] = slot;
		else if (book->used[slot])
			free_slot(book, slot);
	}
}

/* ---- a look ---- */

bool nb_service_book_has_names(const struct nb_service_book *book, __u32 table_id, __u32 epoch)
{
	return book->looked && book->table_id == table_id && book->epoch == epoch;
}

int nb_service_book_begin(struct nb_service_book *book, const struct nb_service_look *look,
			  struct nb_error *err)
{
	struct nb_frontend_names *names = look->names;
	int rc = names ? nb_vec_reserve(&book->slot_of_name, names->names.n, err) : 0;

	if (rc)
		return rc;
	if (look->table_id != book->table_id)
		forget_table(book);
	book->table_id = look->table_id;
	book->epoch = look->epoch;
	if (names)
		take_names(book, names);
	for (size_t i = 0; book->by_name && i < book->names.names.n && i < NB_SERVICE_SERIES; i++)
		slot_of(book, (int)i);
	for (int slot = 0; slot < SLOTS; slot++) {
		book->slots[slot].connections = 0;
		book->slots[slot].carried = (struct nb_service_traffic){ 0 };
	}
	return 0;
}

/* NULL: no connection was seen near there. */
static struct seen *find_seen(const struct nb_service_book *book, __u32 pair_id)
{
	struct seen *chunk = pair_id / CHUNK < book->chunks.n ? book->chunks.items[pair_id / CHUNK] : NULL;

	return chunk ? &chunk[pair_id % CHUNK] : NULL;
}

static int ensure_seen(struct nb_service_book *book, __u32 pair_id, struct seen **seen, struct nb_error *err)
{
	struct seen **chunk;

	while (book->chunks.n <= pair_id / CHUNK) {
		int rc = nb_vec_push(&book->chunks, NULL, err);

		if (rc)
			return rc;
	}
	chunk = &book->chunks.items[pair_id / CHUNK];
	if (!*chunk)
		*chunk = calloc(CHUNK, sizeof(**chunk));
	if (!*chunk)
		return nb_fail_nomem(err);
	*seen = &(*chunk)[pair_id % CHUNK];
	return 0;
}

bool nb_service_book_wants(const struct nb_service_book *book, __u32 pair_id, __u64 life)
{
	const struct seen *seen = find_seen(book, pair_id);

	return !seen || !seen->ended || seen->gen != life >> NB_GEN_SHIFT;
}

static uint64_t more(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* To what a slot has carried: from what was seen of a place up to those counts of both directions. */
static void add(struct nb_service_book *book, uint16_t slot, const struct seen *from,
		const struct nb_service_traffic *upto)
{
	struct nb_service_traffic *to;

	if (slot == NO_SERVICE)
		return;
	to = &book->slots[slot].traffic;
	for (int dir = 0; dir < 2; dir++) {
		const int32_t packets = (int32_t)((uint32_t)upto->packets[dir] - from->packets[dir]);

		to->packets[dir] += packets > 0 ? (uint32_t)packets : 0;
		to->bytes[dir] += more(upto->bytes[dir], from->bytes[dir]);
	}
}

static void see(struct seen *seen, const struct nb_service_traffic *counts)
{
	for (int dir = 0; dir < 2; dir++) {
		seen->bytes[dir] = counts->bytes[dir];
		seen->packets[dir] = (uint32_t)counts->packets[dir];
	}
}

static uint16_t slot_of_connection(struct nb_service_book *book, const struct nb_conn_copy *copy)
{
	const struct nb_tuple *tuple = &copy->pair.dir[0].key;
	const struct nb_frontend_key key = { .addr = tuple->dst,
					     .port = tuple->dport,
					     .proto = tuple->proto,
					     .side = tuple->side & NB_SIDE_OUTSIDE };

	return copy->pair.dir[0].conn.flags & NB_CONN_SERVICE
		       ? slot_of(book, nb_frontend_names_find(&book->names, &key))
		       : NO_SERVICE;
}

/* Another connection than the one that was seen there, if any. */
static void take_new(struct nb_service_book *book, struct seen *seen, const struct nb_conn_copy *copy,
		     uint16_t slot)
{
	const uint32_t gen = copy->pair.dir[0].conn.life >> NB_GEN_SHIFT;
	const struct nb_service_traffic begin = {
		.packets = { copy->accounts[0].packets_before, copy->accounts[1].packets_before },
		.bytes = { copy->accounts[0].bytes_before, copy->accounts[1].bytes_before },
	};

	if (seen->known) {
		add(book, seen->slot, seen, &begin);
		if (seen->slot != NO_SERVICE)
			book->slots[seen->slot].begun += ((gen - seen->gen) & NB_GEN_MASK) - 1;
	}
	if (slot != NO_SERVICE)
		book->slots[slot].begun++;
	see(seen, &begin);
}

int nb_service_book_take(struct nb_service_book *book, const struct nb_conn_copy *copy, bool live,
			 struct nb_error *err)
{
	const __u64 life = copy->pair.dir[0].conn.life;
	const uint16_t slot = slot_of_connection(book, copy);
	const struct nb_service_traffic now = {
		.packets = { copy->accounts[0].packets, copy->accounts[1].packets },
		.bytes = { copy->accounts[0].bytes, copy->accounts[1].bytes },
	};
	struct seen *seen = NULL;
	int rc = ensure_seen(book, copy->pair_id, &seen, err);

	if (rc)
		return rc;
	if (book->looked && (!seen->known || seen->gen != life >> NB_GEN_SHIFT))
		take_new(book, seen, copy, slot);
	if (book->looked)
		add(book, slot, seen, &now);
	see(seen, &now);
	seen->known = true;
	seen->ended = nb_life_use(life) == NB_USE_FREE;
	seen->gen = life >> NB_GEN_SHIFT;
	seen->slot = slot;
	if (!live || slot == NO_SERVICE)
		return 0;
	book->slots[slot].connections++;
	for (int dir = 0; dir < 2; dir++) {
		struct nb_service_traffic *carried = &book->slots[slot].carried;

		carried->packets[dir] +=
			more(copy->accounts[dir].packets, copy->accounts[dir].packets_before);
		carried->bytes[dir] += more(copy->accounts[dir].bytes, copy->accounts[dir].bytes_before);
	}
	return 0;
}

static int compare_drops(const void *a, const void *b)
{
	return memcmp(&((const struct nb_service_drop *)a)->key, &((const struct nb_service_drop *)b)->key,
		      sizeof(struct nb_service_drop_key));
}

int nb_service_book_drops(struct nb_service_book *book, struct nb_service_drop *drops, size_t n,
			  struct nb_error *err)
{
	const struct nb_service_drop *old = book->drops.items, *end = old + book->drops.n;
	int rc;

	if (n)
		qsort(drops, n, sizeof(*drops), compare_drops);
	for (size_t i = 0; i < n; i++) {
		const uint32_t reason = drops[i].key.reason - NB_DROP_BASE;
		uint64_t before = 0;

		while (old < end && compare_drops(old, &drops[i]) < 0)
			old++;
		if (old < end && !compare_drops(old, &drops[i]))
			before = old->count;
		/* An element that was evicted and has come again counts from 1. */
		if (drops[i].count < before)
			before = 0;
		if (drops[i].count > before && reason < NB_DROP_REASONS)
			book->slots[slot_of(book,
					    nb_frontend_names_find(&book->names, &drops[i].key.frontend))]
				.drops[reason] += drops[i].count - before;
	}
	book->drops.n = 0;
	rc = nb_vec_reserve(&book->drops, n, err);
	if (rc)
		return rc;
	if (n)
		memcpy(book->drops.items, drops, n * sizeof(*drops));
	book->drops.n = n;
	return 0;
}

void nb_service_book_end(struct nb_service_book *book)
{
	book->looked = true;
}

static bool has_numbers(const struct nb_service_numbers *numbers)
{
	static const uint64_t none[NB_DROP_REASONS];

	return numbers->connections || numbers->begun || numbers->traffic.packets[0] ||
	       numbers->traffic.packets[1] || memcmp(numbers->drops, none, sizeof(none)) != 0;
}

const struct nb_service_numbers *nb_service_book_get(const struct nb_service_book *book, size_t *i)
{
	for (; *i < SLOTS; ++*i)
		if (book->used[*i] && (!book->by_name || has_numbers(&book->slots[*i])))
			return &book->slots[(*i)++];
	return NULL;
}
