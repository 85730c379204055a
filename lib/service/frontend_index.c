// SPDX-License-Identifier: GPL-2.0-or-later
/* The elements of frontends[] in memory: a hash table with open addressing. */
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/hash.h"
#include "lib/util/vec.h"

#include "snapshot.h"

static __u32 hash_key(const struct nb_frontend_key *key)
{
	__u64 hash = nb_fnv1a_64(NB_FNV1A_64_START, key, sizeof(*key));

	return hash ^ hash >> 32;
}

/* The slot of the key, or the empty one where it would stand. */
static struct nb_frontend_index_slot *find_slot(const struct nb_frontend_index *cells,
						const struct nb_frontend_key *key, __u32 hash)
{
	const struct nb_frontend_cell *all = cells->all.items;
	size_t at = hash & (cells->n_slots - 1);
	struct nb_frontend_index_slot *slot = &cells->slots[at];

	while (slot->cell && (slot->hash != hash || memcmp(&all[slot->cell - 1].key, key, sizeof(*key)))) {
		at = (at + 1) & (cells->n_slots - 1);
		slot = &cells->slots[at];
	}
	return slot;
}

struct nb_frontend_cell *nb_frontend_index_find(const struct nb_frontend_index *cells,
						const struct nb_frontend_key *key)
{
	__u32 cell = cells->n_slots ? find_slot(cells, key, hash_key(key))->cell : 0;

	return cell ? &cells->all.items[cell - 1] : NULL;
}

/* Keeps at least half of the slots empty. */
static int grow_slots(struct nb_frontend_index *cells, struct nb_error *err)
{
	size_t n_slots = cells->n_slots ? 4 * cells->n_slots : 1024;
	struct nb_frontend_index_slot *slots;

	if (2 * (cells->all.n + 1) <= cells->n_slots)
		return 0;
	slots = calloc(n_slots, sizeof(*slots));
	if (!slots)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < cells->n_slots; i++) {
		size_t at = cells->slots[i].hash & (n_slots - 1);

		if (!cells->slots[i].cell)
			continue;
		while (slots[at].cell)
			at = (at + 1) & (n_slots - 1);
		slots[at] = cells->slots[i];
	}
	free(cells->slots);
	cells->slots = slots;
	cells->n_slots = n_slots;
	return 0;
}

struct nb_frontend_cell *nb_frontend_index_add(struct nb_frontend_index *cells,
					       const struct nb_frontend_key *key, bool *is_new,
					       struct nb_error *err)
{
	struct nb_frontend_cell cell = { .key = *key };
	__u32 hash = hash_key(key);
	struct nb_frontend_index_slot *slot;

	if (grow_slots(cells, err))
		return NULL;
	slot = find_slot(cells, key, hash);
	*is_new = !slot->cell;
	if (slot->cell)
		return &cells->all.items[slot->cell - 1];
	if (nb_vec_push(&cells->all, cell, err))
		return NULL;
	*slot = (struct nb_frontend_index_slot){ hash, cells->all.n };
	return &cells->all.items[cells->all.n - 1];
}
