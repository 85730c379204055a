/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_TABLE_H
#define NATBRIDGE_BPF_EBPF_CONN_TABLE_H

/* The table of connections: connections[], by number, and its index, by tuple. There is one only: it is NULL.
 */

#include <stdbool.h>

#include <natbridge/conn_index.h>

#include "maps.h"

static __always_inline struct nb_pair *nb_pair_at(__u32 place)
{
	return bpf_map_lookup_elem(&connections, &place);
}

static __always_inline struct nb_entry *nb_entry_at(const struct nb_conn_table *table __attribute__((unused)),
						    __u32 slot)
{
	struct nb_pair *pair = nb_pair_at(slot / 2);
	struct nb_entry *entry;

	if (!pair)
		return NULL;
	entry = &pair->dir[slot & 1];
	asm volatile("" : "+r"(entry)); /* worked out once, and after the check, as the verifier wants it */
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

/* What is hardly ever needed is verified once. */

__s64 nb_entry_find_on(const struct nb_tuple *key, __u64 hash, __u64 known);
int nb_entry_swap_on(__u64 hash, __u64 from, __u64 to);
int nb_entry_leads(__u64 word, const struct nb_tuple *key);

static __always_inline __s64 nb_index_find_far(const struct nb_conn_table *table __attribute__((unused)),
					       const struct nb_tuple *key, __u64 hash, __u64 known)
{
	return nb_entry_find_on(key, hash, known);
}

static __always_inline int nb_index_swap_far(const struct nb_conn_table *table __attribute__((unused)),
					     __u64 hash, __u64 from, __u64 to)
{
	return nb_entry_swap_on(hash, from, to);
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

__noinline __s64 nb_entry_find_on(const struct nb_tuple *key, __u64 hash, __u64 known)
{
	return key ? nb_index_find_on(NULL, key, hash, known) : NB_INDEX_NONE;
}

__noinline int nb_entry_swap_on(__u64 hash, __u64 from, __u64 to)
{
	return nb_index_swap_on(NULL, hash, from, to);
}

/* Functions of their own, where one more call does not matter: verified once and not for each caller. */

__noinline __s64 nb_entry_find(const struct nb_tuple *key)
{
	return key ? nb_index_find(NULL, key, nb_conn_hash(NULL, key), 0) : NB_INDEX_NONE;
}

__noinline __s64 nb_entry_enter(const struct nb_tuple *key, __u32 slot)
{
	return key ? nb_index_put(NULL, key, slot) : NB_INDEX_FULL;
}

__noinline __s64 nb_entry_enter_new(const struct nb_tuple *key, __u64 hash, __u32 slot)
{
	return key ? nb_index_put_new(NULL, key, hash, slot) : NB_INDEX_FULL;
}

__noinline int nb_entry_leave(const struct nb_tuple *key, __u32 slot)
{
	if (key)
		nb_index_remove(NULL, nb_conn_hash(NULL, key), slot);
	return 0;
}

/* ---- the owner of a connection's memory ---- */

static __always_inline bool nb_pair_change(struct nb_pair *pair, enum nb_use from, enum nb_use to)
{
	return __sync_val_compare_and_swap(&pair->dir[0].conn.use, from, to) == from;
}

/* Of a pair that is busy, and in no index. */
static __always_inline void nb_pair_release(struct nb_pair *pair)
{
	pair->dir[0].key.proto = 0;
	pair->dir[1].key.proto = 0;
	nb_pair_change(pair, NB_USE_BUSY, NB_USE_FREE); /* and a barrier */
}

static __always_inline void nb_pair_leave(struct nb_pair *pair, __u32 place)
{
	nb_entry_leave(&pair->dir[0].key, 2 * place);
	nb_entry_leave(&pair->dir[1].key, 2 * place + 1);
}

/* Ends the connection that an entry was found to belong to by its key. Somebody else may be doing so, or have
 * done it: then another one may be there by now. */
__noinline int nb_pair_end(__u32 slot, const struct nb_tuple *key)
{
	struct nb_pair *pair = nb_pair_at(slot / 2);

	if (!pair || !key || !nb_pair_change(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return 0;
	if (nb_key_same(&pair->dir[slot & 1].key, key)) {
		nb_pair_leave(pair, slot / 2);
		nb_pair_release(pair);
	} else {
		nb_pair_change(pair, NB_USE_BUSY, NB_USE_TAKEN);
	}
	return 0;
}

/* Enters a tuple that got lost in the index; not of a connection that somebody is making or ending. */
static __always_inline bool nb_pair_repair(struct nb_pair *pair, __u32 slot)
{
	bool done;

	if (nb_entry_find(&pair->dir[slot & 1].key) >= 0 || !nb_pair_change(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return false;
	done = nb_entry_enter(&pair->dir[slot & 1].key, slot) == NB_INDEX_DONE;
	nb_pair_change(pair, NB_USE_BUSY, NB_USE_TAKEN);
	return done;
}

#endif
