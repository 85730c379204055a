/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_TABLE_H
#define NATBRIDGE_BPF_EBPF_CONN_TABLE_H

/*
 * The table of connections as programs see it: pairs of entries in connections[]
 * (natbridge/conn_pair.h), and the index that finds an entry by its tuple (natbridge/conn_index.h).
 * Programs have one table only: struct nb_conn_table is not defined here, and every pointer to it
 * is NULL.
 */

#include <stdbool.h>

#include <natbridge/conn_pair.h>

#include "conn_tell.h"
#include "maps.h"

/* Attempts to change a word that other CPUs change as well. */
enum { NB_LIFE_TRIES = 4 };

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

/* ---- pairs ---- */

/* Removes both entries from the index. The pair is the caller's. */
static __always_inline void nb_pair_leave(struct nb_pair *pair, __u32 pair_id)
{
	nb_entry_remove(&pair->dir[0].key, 2 * pair_id);
	nb_entry_remove(&pair->dir[1].key, 2 * pair_id + 1);
}

/* Tells of the end, unless that was done when the connection was closed. life: that of its record. */
static __always_inline void nb_pair_tell_end(__u32 pair_id, __u64 life, enum nb_end why)
{
	if (!nb_state_is_closed(nb_life_state(life)))
		nb_conn_tell_end(pair_id, life, why);
}

/*
 * Ends the connection of a pair; life: that of one of its entries; why: enum nb_end. If it is another
 * connection by now, or another CPU ends it, nothing is done.
 */
__noinline int nb_pair_end(__u32 pair_id, __u64 life, __u32 why)
{
	struct nb_pair *pair = nb_pair_at(pair_id);

	if (!pair)
		return 0;
	/* Packets may change the life in between. */
	for (int i = 0; i < NB_LIFE_TRIES; i++) {
		__u64 now = nb_load(&pair->dir[0].conn.life);

		if (!nb_life_same_gen(now, life) || nb_life_use(now) != NB_USE_TAKEN)
			break;
		if (!nb_pair_claim(pair, now, NB_USE_BUSY))
			continue;
		nb_pair_tell_end(pair_id, now, why);
		nb_pair_leave(pair, pair_id);
		nb_pair_free(pair);
		break;
	}
	return 0;
}

/*
 * Inserts an entry again that the index no longer leads to. True: that was so. life: that of the
 * pair's record. A connection of which another one has the tuple by now is ended.
 */
static __always_inline bool nb_pair_repair(struct nb_pair *pair, __u32 entry_id, __u64 life)
{
	struct nb_tuple *key = &pair->dir[entry_id & 1].key;

	if (nb_entry_find(key) >= 0 || !nb_pair_enter(pair, life))
		return false;
	if (nb_entry_insert(key, entry_id) == NB_INDEX_DONE && nb_pair_begin(pair))
		return true;
	nb_pair_tell_end(entry_id / 2, life, NB_END_EVICTED);
	nb_pair_leave(pair, entry_id / 2);
	nb_pair_empty(pair, NB_USE_BUSY);
	nb_pair_free(pair);
	return false;
}

#endif
