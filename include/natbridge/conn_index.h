/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_CONN_INDEX_H
#define NATBRIDGE_CONN_INDEX_H

/*
 * The index of connections: from a tuple to its entry in connections[]. An entry is known by its number,
 * twice the element's and 1 more for the backend's direction. Programs and userspace change the index at the
 * same time, with this code, without a lock:
 *
 *   - a way is taken by compare and swap, and given back by its owner, whose entry it names;
 *   - the key of an entry is whole before a way names it, and void (protocol 0) before it is written again;
 *   - who has entered a tuple looks whether somebody else has as well, and takes it back if so. At least one
 *     of two sees the other; where both do, neither has it, and who needs it comes again.
 */

#include <natbridge/abi.h>

#include <stddef.h>

enum {
	NB_SET_TRIES = 5, /* sets that a tuple may stand in: with two tuples a set, one of 220 finds its first
			     one full, and one of 10^11 all */
	NB_INDEX_DONE = -1, /* entered */
	NB_INDEX_FULL = -2, /* no way is free */
	NB_INDEX_NONE = -3, /* the tuple is not there */
};

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* ---- a table, as this code sees it ---- */

struct nb_conn_table;

#ifdef __bpf__
#define NB_CONN_TABLE_INLINE static /* they are defined in bpf/ebpf/conn_table.h */
#else
#define NB_CONN_TABLE_INLINE static inline
#endif

NB_CONN_TABLE_INLINE struct nb_conn_set *nb_set_at(const struct nb_conn_table *table,
						   __u32 set); /* NULL: there is none */
NB_CONN_TABLE_INLINE struct nb_entry *nb_entry_at(const struct nb_conn_table *table,
						  __u32 slot); /* the same */
NB_CONN_TABLE_INLINE __u32 nb_set_count(const struct nb_conn_table *table);
NB_CONN_TABLE_INLINE __u64 nb_set_seed(const struct nb_conn_table *table,
				       int word); /* of nb_settings.index_seed */

/* nb_index_find_on(), nb_index_swap_on() and nb_way_leads(): programs have them as functions, verified once.
 */
NB_CONN_TABLE_INLINE __s64 nb_index_find_far(const struct nb_conn_table *table, const struct nb_tuple *key,
					     __u64 hash, __u64 known);
NB_CONN_TABLE_INLINE int nb_index_swap_far(const struct nb_conn_table *table, __u64 hash, __u64 from,
					   __u64 to);
NB_CONN_TABLE_INLINE int nb_way_leads_far(const struct nb_conn_table *table, __u64 word,
					  const struct nb_tuple *key);

/* ---- tuples and ways ---- */

/* A tuple is looked at as numbers. */
typedef __u32 __attribute__((may_alias)) nb_word32;
typedef __u64 __attribute__((may_alias)) nb_word64;

/*
 * Multilinear, with random factors: the sums of two tuples have the same upper 32 bits by a chance of 2^-32,
 * whoever chose the tuples (D. Lemire and O. Kaser, "Strongly universal string hashing is fast", 2014), and
 * the products do not wait for each other. But the sums of ports in a row stand in a row themselves, which
 * can be one of few sets: they are mixed (the finalizer of MurmurHash3).
 */
static __always_inline __u64 nb_conn_hash(const struct nb_conn_table *table, const struct nb_tuple *key)
{
	const nb_word32 *word = (const nb_word32 *)key;
	__u64 hash = 0;

	for (int i = 0; i < NB_TUPLE_WORDS; i++)
		hash += word[i] * nb_set_seed(table, i);
	hash = (hash ^ hash >> 32) * 0xff51afd7ed558ccdULL;
	hash = (hash ^ hash >> 32) * 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 32;
}

static __always_inline __u32 nb_set_home(const struct nb_conn_table *table, __u64 hash)
{
	return (hash >> 32) * nb_set_count(table) >> 32;
}

/* Turns a hash into that by which the next set is found: not a neighbour, which would be full as well. */
static __always_inline __u64 nb_hash_next(__u64 hash)
{
	return hash << 21 | hash >> 43;
}

static __always_inline __u64 nb_way_word(__u64 hash, __u32 slot)
{
	return hash << NB_ENTRY_ID_BITS | (slot + 1);
}

static __always_inline __u32 nb_way_entry_id(__u64 word)
{
	return (word & ((1U << NB_ENTRY_ID_BITS) - 1)) - 1;
}

static __always_inline int nb_key_same(const struct nb_tuple *a, const struct nb_tuple *b)
{
	const nb_word64 *x = (const nb_word64 *)a, *y = (const nb_word64 *)b;

	return !((x[4] ^ y[4]) | (x[3] ^ y[3]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[0] ^ y[0]));
}

/* Whether a way's word, of which "known" is no other's, is that of a hash. */
static __always_inline int nb_way_is(__u64 word, __u64 hash, __u64 known)
{
	return !((word ^ hash << NB_ENTRY_ID_BITS) >> NB_ENTRY_ID_BITS) && word != known;
}

static __always_inline int nb_way_leads(const struct nb_conn_table *table, __u64 word,
					const struct nb_tuple *key)
{
	const struct nb_entry *entry = nb_entry_at(table, nb_way_entry_id(word));

	return entry && nb_key_same(&entry->key, key);
}

/* ---- far: over all sets that a tuple may stand in, way by way. Hardly ever needed ---- */

static __always_inline __s64 nb_index_find_on(const struct nb_conn_table *table, const struct nb_tuple *key,
					      __u64 hash, __u64 known)
{
	__u64 at = hash;
	__u32 way = 0;

	for (int i = 0; i < NB_SET_TRIES * NB_CONN_WAYS; i++) {
		const volatile struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, at));
		__u64 word;

		if (!set)
			break;
		word = set->ways[way];
		if (nb_way_is(word, hash, known) && nb_way_leads_far(table, word, key))
			return nb_way_entry_id(word);
		if (++way < NB_CONN_WAYS)
			continue;
		if (!set->spilled)
			break;
		at = nb_hash_next(at);
		way = 0;
	}
	return NB_INDEX_NONE;
}

/* Counts a tuple, or one less, at as many sets as it goes by. */
static __always_inline void nb_index_spill(const struct nb_conn_table *table, __u64 hash, __u32 sets,
					   __s64 tuples)
{
	for (__u32 i = 0; i < NB_SET_TRIES && i < sets; i++) {
		struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, hash));

		if (set)
			__sync_fetch_and_add(&set->spilled, tuples);
		hash = nb_hash_next(hash);
	}
}

/* Changes the first way of a hash's sets that holds "from" into "to", one of which is 0. False: there is
 * none. */
static __always_inline int nb_index_swap_on(const struct nb_conn_table *table, __u64 hash, __u64 from,
					    __u64 to)
{
	__u32 way = 0, sets = 0;
	__u64 at = hash;
	int done = 0;

	for (int i = 0; i < NB_SET_TRIES * NB_CONN_WAYS && !done; i++) {
		struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, at));

		if (!set)
			break;
		done = __sync_val_compare_and_swap(&set->ways[way], from, to) == from;
		if (done || ++way < NB_CONN_WAYS)
			continue;
		if (to) /* counted before it can be found behind this set */
			__sync_fetch_and_add(&set->spilled, 1);
		at = nb_hash_next(at);
		way = 0;
		sets++;
	}
	if (done != (to != 0)) /* taken out of a set behind others, or not entered after all */
		nb_index_spill(table, hash, sets, -1);
	return done;
}

/* ---- near: in the set of the hash ---- */

/*
 * The entry with this key, whose hash it is, other than the one of a known word (0: none is), and its number.
 * NULL: there is none, and the number is NB_INDEX_NONE. Almost always the first way with the hash leads
 * there, or there is none and nothing was spilled.
 */
static __always_inline struct nb_entry *nb_index_entry(const struct nb_conn_table *table,
						       const struct nb_tuple *key, __u64 hash, __u64 known,
						       __s64 *slot)
{
	const volatile struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, hash));
	struct nb_entry *entry;
	__u64 word = 0;

	*slot = NB_INDEX_NONE;
	if (!set)
		return NULL;
	for (int way = 0; way < NB_CONN_WAYS; way++) {
		word = set->ways[way];
		if (nb_way_is(word, hash, known))
			goto found;
	}
	if (!set->spilled)
		return NULL;
	goto far;
found:
	*slot = nb_way_entry_id(word);
	entry = nb_entry_at(table, *slot);
	if (entry && nb_key_same(&entry->key, key))
		return entry;
far:
	*slot = nb_index_find_far(table, key, hash, known);
	return *slot < 0 ? NULL : nb_entry_at(table, *slot);
}

/* Its number alone. */
static __always_inline __s64 nb_index_find(const struct nb_conn_table *table, const struct nb_tuple *key,
					   __u64 hash, __u64 known)
{
	__s64 slot;

	nb_index_entry(table, key, hash, known, &slot);
	return slot;
}

/* nb_index_swap_on(), most often done at once. */
static __always_inline int nb_index_swap(const struct nb_conn_table *table, __u64 hash, __u64 from, __u64 to)
{
	struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, hash));
	int way;

	if (!set)
		return 0;
	for (way = 0; way < NB_CONN_WAYS; way++)
		if (*(volatile __u64 *)&set->ways[way] == from)
			goto found;
	return nb_index_swap_far(table, hash, from, to);
found:
	if (__sync_val_compare_and_swap(&set->ways[way], from, to) == from)
		return 1;
	return nb_index_swap_far(table, hash, from, to);
}

/* Takes back what was entered; what is not there is passed over. */
static __always_inline void nb_index_remove(const struct nb_conn_table *table, __u64 hash, __u32 slot)
{
	nb_index_swap(table, hash, nb_way_word(hash, slot), 0);
}

/*
 * Enters an entry, whose key and its hash it is; a moment ago nobody had the key. NB_INDEX_DONE;
 * NB_INDEX_FULL; else the number of who has it now.
 */
static __always_inline __s64 nb_index_put_new(const struct nb_conn_table *table, const struct nb_tuple *key,
					      __u64 hash, __u32 slot)
{
	__u64 word = nb_way_word(hash, slot);
	__s64 other;

	if (!nb_index_swap(table, hash, 0, word))
		return NB_INDEX_FULL;
	other = nb_index_find(table, key, hash, word);
	if (other < 0)
		return NB_INDEX_DONE;
	nb_index_remove(table, hash, slot);
	return other;
}

/* The same, whoever may have the key. */
static __always_inline __s64 nb_index_put(const struct nb_conn_table *table, const struct nb_tuple *key,
					  __u32 slot)
{
	__u64 hash = nb_conn_hash(table, key);
	__s64 other = nb_index_find(table, key, hash, 0);

	if (other >= 0)
		return other == slot ? NB_INDEX_DONE : other;
	return nb_index_put_new(table, key, hash, slot);
}

#endif
