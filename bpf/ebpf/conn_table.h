/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_TABLE_H
#define NATBRIDGE_BPF_EBPF_CONN_TABLE_H

/*
 * The table of connections: pairs of entries in connections[], and the index that finds an entry by
 * its tuple (natbridge/conn_index.h). Programs have one table only: struct nb_conn_table is not
 * defined here, and every pointer to it is NULL.
 */

#include <stdbool.h>

#include <natbridge/conn_index.h>

#include "maps.h"

/* ---- what conn_index.h needs ---- */

static __always_inline struct nb_pair *nb_pair_at(__u32 pair_id)
{
	return bpf_map_lookup_elem(&connections, &pair_id);
}

static __always_inline struct nb_entry *nb_entry_at(const struct nb_conn_table *table __attribute__((unused)),
						    __u32 entry_id)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);
	struct nb_entry *entry;

	if (!pair)
		return NULL;
	entry = &pair->dir[entry_id & 1];
	barrier_var(entry); /* computed once, and behind the check, as the verifier wants it */
	return entry;
}

static __always_inline struct nb_conn_set *
nb_set_at(const struct nb_conn_table *table __attribute__((unused)), __u32 set)
{
	return bpf_map_lookup_elem(&conn_index, &set);
}

static __always_inline __u32 nb_set_count(const struct nb_conn_table *table __attribute__((unused)))
{
	return nb_constants.conn_sets;
}

static __always_inline __u64 nb_set_seed(const struct nb_conn_table *table __attribute__((unused)), int word)
{
	return nb_settings.index_seed[word];
}

/* Global functions: the verifier checks each once, and not at each of its callers. */

__noinline int nb_entry_leads(__u64 word, const struct nb_tuple *key);
__noinline __s64 nb_entry_find_far(const struct nb_tuple *key, __u64 hash, __u64 except);
__noinline int nb_entry_swap_far(__u64 hash, __u64 from, __u64 to);

static __always_inline __s64 nb_index_find_far(const struct nb_conn_table *table __attribute__((unused)),
					       const struct nb_tuple *key, __u64 hash, __u64 except)
{
	return nb_entry_find_far(key, hash, except);
}

static __always_inline int nb_index_swap_far(const struct nb_conn_table *table __attribute__((unused)),
					     __u64 hash, __u64 from, __u64 to)
{
	return nb_entry_swap_far(hash, from, to);
}

static __always_inline int nb_way_leads_far(const struct nb_conn_table *table __attribute__((unused)),
					    __u64 word, const struct nb_tuple *key)
{
	return nb_entry_leads(word, key);
}

__noinline int nb_entry_leads(__u64 word, const struct nb_tuple *key)
{
	return key && nb_way_leads(NULL, word, key);
}

__noinline __s64 nb_entry_find_far(const struct nb_tuple *key, __u64 hash, __u64 except)
{
	return key ? nb_index_find_all(NULL, key, hash, except) : NB_INDEX_NONE;
}

__noinline int nb_entry_swap_far(__u64 hash, __u64 from, __u64 to)
{
	return nb_index_swap_all(NULL, hash, from, to);
}

/* ---- an entry in the index: for stages where one more call does not matter ---- */

__noinline __s64 nb_entry_find(const struct nb_tuple *key)
{
	return key ? nb_index_find(NULL, key, nb_conn_hash(NULL, key), 0) : NB_INDEX_NONE;
}

__noinline __s64 nb_entry_insert(const struct nb_tuple *key, __u32 entry_id)
{
	return key ? nb_index_insert(NULL, key, entry_id) : NB_INDEX_FULL;
}

__noinline __s64 nb_entry_insert_new(const struct nb_tuple *key, __u64 hash, __u32 entry_id)
{
	return key ? nb_index_insert_new(NULL, key, hash, entry_id) : NB_INDEX_FULL;
}

__noinline int nb_entry_remove(const struct nb_tuple *key, __u32 entry_id)
{
	if (key)
		nb_index_remove(NULL, nb_conn_hash(NULL, key), entry_id);
	return 0;
}

/*
 * ---- who owns a pair (enum nb_use) ----
 *
 * A CPU that has changed NB_USE_FREE or NB_USE_TAKEN into NB_USE_BUSY owns the pair until it
 * changes that back: it alone writes keys, and inserts and removes the pair's entries. The state of
 * a connection that is NB_USE_TAKEN is written without ownership (conntrack.h).
 */

static __always_inline bool nb_pair_change_use(struct nb_pair *pair, enum nb_use from, enum nb_use to)
{
	return __sync_val_compare_and_swap(&pair->dir[0].conn.use, from, to) == from;
}

/* Frees a pair that is busy, and whose entries are not in the index. */
static __always_inline void nb_pair_release(struct nb_pair *pair)
{
	WRITE_ONCE(pair->dir[0].key.proto, 0);
	WRITE_ONCE(pair->dir[1].key.proto, 0);
	/* A full barrier as well: another owner writes the keys after this. */
	nb_pair_change_use(pair, NB_USE_BUSY, NB_USE_FREE);
}

/* Removes both entries of a busy pair from the index. */
static __always_inline void nb_pair_remove(struct nb_pair *pair, __u32 pair_id)
{
	nb_entry_remove(&pair->dir[0].key, 2 * pair_id);
	nb_entry_remove(&pair->dir[1].key, 2 * pair_id + 1);
}

/*
 * Ends the connection whose entry was found by this key. Another CPU may have ended it, and the
 * pair may hold another connection by now: then nothing is done.
 */
__noinline int nb_pair_end(__u32 entry_id, const struct nb_tuple *key)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);

	if (!pair || !key || !nb_pair_change_use(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return 0;
	if (nb_key_same(&pair->dir[entry_id & 1].key, key)) {
		nb_pair_remove(pair, entry_id / 2);
		nb_pair_release(pair);
	} else {
		nb_pair_change_use(pair, NB_USE_BUSY, NB_USE_TAKEN);
	}
	return 0;
}

/*
 * Inserts an entry again that the index no longer leads to. True: that was so. A pair that another
 * CPU owns is left alone.
 */
static __always_inline bool nb_pair_repair(struct nb_pair *pair, __u32 entry_id)
{
	bool done;

	if (nb_entry_find(&pair->dir[entry_id & 1].key) >= 0 ||
	    !nb_pair_change_use(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return false;
	done = nb_entry_insert(&pair->dir[entry_id & 1].key, entry_id) == NB_INDEX_DONE;
	nb_pair_change_use(pair, NB_USE_BUSY, NB_USE_TAKEN);
	return done;
}

#endif
