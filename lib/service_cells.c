// SPDX-License-Identifier: GPL-2.0-or-later
/* The elements of frontends[] in memory: a hash table with open addressing. */
#include <stdlib.h>
#include <string.h>

#include "service_table.h"

/* The finalizer of MurmurHash3: every bit of x moves every bit of the result. */
static __u64 mix(__u64 x)
{
	x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
	x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
	return x ^ (x >> 33);
}

static size_t hash_key(const struct nb_frontend_key *key)
{
	__u64 high, low;
	__u32 port;

	memcpy(&high, &key->addr.w[0], sizeof(high));
	memcpy(&low, &key->addr.w[2], sizeof(low));
	memcpy(&port, (const char *)key + sizeof(key->addr), sizeof(port)); /* and the protocol */
	return mix(mix(mix(high) ^ low) ^ port);
}

/* The slot of the key, or the empty one where it would stand. */
static __u32 *find_slot(const struct nb_cells *cells, const struct nb_frontend_key *key)
{
	size_t at = hash_key(key) & (cells->n_slots - 1);

	while (cells->slots[at] && memcmp(&cells->all.items[cells->slots[at] - 1].key, key, sizeof(*key)))
		at = (at + 1) & (cells->n_slots - 1);
	return &cells->slots[at];
}

struct nb_cell *nb_cells_find(const struct nb_cells *cells, const struct nb_frontend_key *key)
{
	__u32 slot = cells->n_slots ? *find_slot(cells, key) : 0;

	return slot ? &cells->all.items[slot - 1] : NULL;
}

/* Keeps at least half of the slots empty. */
static int grow_slots(struct nb_cells *cells, struct nb_error *err)
{
	size_t n_slots = cells->n_slots ? 2 * cells->n_slots : 1024;
	__u32 *slots;

	if (2 * (cells->all.n + 1) <= cells->n_slots)
		return 0;
	slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return nb_fail_nomem(err);
	free(cells->slots);
	cells->slots = slots;
	cells->n_slots = n_slots;
	for (size_t i = 0; i < cells->all.n; i++)
		*find_slot(cells, &cells->all.items[i].key) = i + 1;
	return 0;
}

struct nb_cell *nb_cells_add(struct nb_cells *cells, const struct nb_frontend_key *key, struct nb_error *err)
{
	struct nb_cell cell = { .key = *key };

	if (grow_slots(cells, err) || nb_vec_push(&cells->all, cell, err))
		return NULL;
	*find_slot(cells, key) = cells->all.n;
	return &cells->all.items[cells->all.n - 1];
}
