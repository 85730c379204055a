// SPDX-License-Identifier: GPL-2.0-or-later
/* A hash table with open addressing over an array of cells. */
#include "frontend_index.h"

#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/hash.h"
#include "lib/util/vec.h"

static __u32 hash_key(const struct nb_frontend_key *key)
{
	__u64 hash = nb_fnv1a_64(NB_FNV1A_64_START, key, sizeof(*key));

	return hash ^ hash >> 32;
}

/* The bucket of the key, or the empty one where it would be. */
static struct nb_frontend_bucket *find_bucket(const struct nb_frontend_index *index,
					      const struct nb_frontend_key *key, __u32 hash)
{
	const struct nb_frontend_cell *all = index->all.items;
	size_t at = hash & (index->n_buckets - 1);
	struct nb_frontend_bucket *bucket = &index->buckets[at];

	while (bucket->cell &&
	       (bucket->hash != hash || memcmp(&all[bucket->cell - 1].key, key, sizeof(*key)))) {
		at = (at + 1) & (index->n_buckets - 1);
		bucket = &index->buckets[at];
	}
	return bucket;
}

struct nb_frontend_cell *nb_frontend_index_find(const struct nb_frontend_index *index,
						const struct nb_frontend_key *key)
{
	__u32 cell = index->n_buckets ? find_bucket(index, key, hash_key(key))->cell : 0;

	return cell ? &index->all.items[cell - 1] : NULL;
}

/* Makes room for one more, with at least half of the buckets empty. */
static int grow(struct nb_frontend_index *index, struct nb_error *err)
{
	size_t n_buckets = index->n_buckets ? 4 * index->n_buckets : 1024;
	struct nb_frontend_bucket *buckets;

	if (2 * (index->all.n + 1) <= index->n_buckets)
		return 0;
	buckets = calloc(n_buckets, sizeof(*buckets));
	if (!buckets)
		return nb_fail_nomem(err);
	for (size_t i = 0; i < index->n_buckets; i++) {
		size_t at = index->buckets[i].hash & (n_buckets - 1);

		if (!index->buckets[i].cell)
			continue;
		while (buckets[at].cell)
			at = (at + 1) & (n_buckets - 1);
		buckets[at] = index->buckets[i];
	}
	free(index->buckets);
	index->buckets = buckets;
	index->n_buckets = n_buckets;
	return 0;
}

struct nb_frontend_cell *nb_frontend_index_add(struct nb_frontend_index *index,
					       const struct nb_frontend_key *key, bool *is_new,
					       struct nb_error *err)
{
	struct nb_frontend_cell cell = { .key = *key };
	__u32 hash = hash_key(key);
	struct nb_frontend_bucket *bucket;

	if (grow(index, err))
		return NULL;
	bucket = find_bucket(index, key, hash);
	*is_new = !bucket->cell;
	if (bucket->cell)
		return &index->all.items[bucket->cell - 1];
	if (nb_vec_push(&index->all, cell, err))
		return NULL;
	*bucket = (struct nb_frontend_bucket){ hash, index->all.n };
	return &index->all.items[index->all.n - 1];
}

void nb_frontend_index_free(struct nb_frontend_index *index)
{
	nb_vec_free(&index->all);
	free(index->buckets);
}
