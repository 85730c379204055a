/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_CONN_INDEX_H
#define NATBRIDGE_CONN_INDEX_H

/*
 * The index of connections: maps a tuple to an entry of connections[]. An entry has a number, its
 * entry_id: twice the pair's number (pair_id), plus 1 for the backend's direction. Programs and
 * userspace change the index at the same time, by this code and without a lock:
 *
 *   - A way is taken by compare and swap. Only the owner of the entry that it names gives it back.
 *   - An entry is complete, and its life says so, before a way names it.
 *   - After inserting a tuple, a CPU looks for another entry with it. So of two CPUs that insert
 *     one tuple at least one sees the other, and one of them remains: nb_pair_yields().
 *
 * conn_pair.h has what happens to a pair, doc/conn-table.md the whole.
 */

#include <natbridge/abi.h>
#include <natbridge/conn_life.h>

#include <stddef.h>

enum {
	/*
	 * Sets that a tuple may be in. With two tuples a set, one tuple of 220 finds its first set
	 * full, and one of 10^11 finds all five full.
	 */
	NB_SET_TRIES = 5,

	/* Other CPUs that may insert one tuple at the same time, and give way. */
	NB_RIVALS = 4,

	NB_INDEX_DONE = -1, /* inserted */
	NB_INDEX_FULL = -2, /* no way is free */
	NB_INDEX_NONE = -3, /* no such tuple */
};

/* linux/stddef.h defines it as "inline" alone; bpf_helpers.h defines it as here. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

/*
 * ---- what this code needs from its user ----
 *
 * Programs define these in bpf/ebpf/conn_table.h, where table is NULL since they have one only;
 * userspace does so in lib/maps/conn_table_access.h.
 */

struct nb_conn_table;

#ifdef __bpf__
#define NB_CONN_TABLE_INLINE static
#else
#define NB_CONN_TABLE_INLINE static inline
#endif

/* NULL: no set has this number. */
NB_CONN_TABLE_INLINE struct nb_conn_set *nb_set_at(const struct nb_conn_table *table, __u32 set);

/* NULL: no entry has this number. */
NB_CONN_TABLE_INLINE struct nb_entry *nb_entry_at(const struct nb_conn_table *table, __u32 entry_id);

NB_CONN_TABLE_INLINE __u32 nb_set_count(const struct nb_conn_table *table);

/* A word of nb_settings.index_seed. */
NB_CONN_TABLE_INLINE __u64 nb_set_seed(const struct nb_conn_table *table, int word);

/*
 * Orders the loads before it against those behind it, and the stores. No instruction where the
 * hardware keeps loads in order, and stores; for the compiler always a barrier.
 */
NB_CONN_TABLE_INLINE void nb_read_barrier(void);
NB_CONN_TABLE_INLINE void nb_write_barrier(void);

/*
 * Call nb_index_find_all(), nb_index_swap_all() and nb_way_leads(). Programs do so through
 * functions that the verifier checks once, and not at each call.
 */
NB_CONN_TABLE_INLINE __s64 nb_index_find_far(const struct nb_conn_table *table, const struct nb_tuple *key,
					     __u64 hash, __u64 except);
NB_CONN_TABLE_INLINE int nb_index_swap_far(const struct nb_conn_table *table, __u64 hash, __u64 from,
					   __u64 to);
NB_CONN_TABLE_INLINE int nb_way_leads_far(const struct nb_conn_table *table, __u64 word,
					  const struct nb_tuple *key);

/* ---- tuples and ways ---- */

/* Tuples are read as numbers. */
typedef __u32 __attribute__((may_alias)) nb_word32;
typedef __u64 __attribute__((may_alias)) nb_word64;

/*
 * A multilinear hash with random factors: whoever chooses two tuples, the upper 32 bits of their
 * sums are the same with a probability of 2^-32 (D. Lemire and O. Kaser, "Strongly universal string
 * hashing is fast", 2014). The products do not wait for each other. Consecutive ports give sums at
 * equal distances, which could lie in few sets: MurmurHash3's finalizer mixes them.
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

/* The hash whose home is the next set of a tuple: no neighbour, which may be as full. */
static __always_inline __u64 nb_hash_next(__u64 hash)
{
	return hash << 21 | hash >> 43;
}

/* What a way holds: bits of the hash, and 1 + entry_id. */
static __always_inline __u64 nb_way_word(__u64 hash, __u32 entry_id)
{
	return hash << NB_ENTRY_ID_BITS | (entry_id + 1);
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

/* Whether a way's word has the bits of this hash, and is another word than "except". */
static __always_inline int nb_way_is(__u64 word, __u64 hash, __u64 except)
{
	return !((word ^ hash << NB_ENTRY_ID_BITS) >> NB_ENTRY_ID_BITS) && word != except;
}

/* A word that other CPUs change at the same time: one load, where it stands. */
static __always_inline __u64 nb_load(const __u64 *word)
{
	return *(const volatile __u64 *)word;
}

static __always_inline void nb_store_word(__u64 *word, __u64 value)
{
	*(volatile __u64 *)word = value;
}

/* Changes a word if it still holds "from". */
static __always_inline int nb_change(__u64 *word, __u64 from, __u64 to)
{
	return __sync_val_compare_and_swap(word, from, to) == from;
}

/* ---- who has a tuple ---- */

/* Whether a pair in this use holds a connection, or is about to. Any other one has no tuple. */
static __always_inline int nb_use_counts(__u32 use)
{
	return 1 << use & (1 << NB_USE_TAKEN | 1 << NB_USE_NEW | 1 << NB_USE_ADDING);
}

/* Whether a pair in this use is being entered: it may become a connection, or not. */
static __always_inline int nb_use_is_undecided(__u32 use)
{
	return use == NB_USE_NEW || use == NB_USE_ADDING;
}

/* Whether the pair of an entry counts. life: that of the entry itself, which has one of its own. */
static __always_inline int nb_entry_counts(const struct nb_conn_table *table, __u32 entry_id, __u64 life)
{
	const struct nb_entry *client;

	if (!nb_use_counts(nb_life_use(life)) || !(entry_id & 1))
		return nb_use_counts(nb_life_use(life));
	client = nb_entry_at(table, entry_id & ~1U);
	return client && nb_use_counts(nb_life_use(nb_load(&client->conn.life)));
}

/*
 * Whether an entry has this key, and its pair counts. What is read is of one connection if the
 * entry's generation is the same before and after it. Else the answer is yes, since the entry may
 * have got the key just now: then whoever inserts the key gives up, and whoever looks it up
 * compares it once more.
 */
static __always_inline int nb_entry_has(const struct nb_conn_table *table, __u32 entry_id,
					const struct nb_tuple *key)
{
	const struct nb_entry *entry = nb_entry_at(table, entry_id);
	__u64 life, now;

	if (!entry)
		return 0;
	life = nb_load(&entry->conn.life);
	nb_read_barrier();
	if (!nb_key_same(&entry->key, key)) {
		nb_read_barrier();
		return !nb_life_same_gen(life, nb_load(&entry->conn.life));
	}
	nb_read_barrier();
	now = nb_load(&entry->conn.life);
	return !nb_life_same_gen(life, now) || nb_entry_counts(table, entry_id, now);
}

/* Whether a way's word leads to an entry with this key. */
static __always_inline int nb_way_leads(const struct nb_conn_table *table, __u64 word,
					const struct nb_tuple *key)
{
	return nb_entry_has(table, nb_way_entry_id(word), key);
}

/* ---- over all sets that a tuple may be in, way by way: hardly ever needed ---- */

/* entry_id of this key, whose hash is given, not counting the way with the word "except". */
static __always_inline __s64 nb_index_find_all(const struct nb_conn_table *table, const struct nb_tuple *key,
					       __u64 hash, __u64 except)
{
	__u64 at = hash;
	__u32 way = 0;

	for (int i = 0; i < NB_SET_TRIES * NB_CONN_WAYS; i++) {
		const volatile struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, at));
		__u64 word;

		if (!set)
			break;
		word = set->ways[way];
		if (nb_way_is(word, hash, except) && nb_way_leads_far(table, word, key))
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

/* Adds "tuples", 1 or -1, to what the first n_sets of a hash's sets have spilled. */
static __always_inline void nb_index_spill(const struct nb_conn_table *table, __u64 hash, __u32 n_sets,
					   __s64 tuples)
{
	for (__u32 i = 0; i < NB_SET_TRIES && i < n_sets; i++) {
		struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, hash));

		if (set)
			__sync_fetch_and_add(&set->spilled, tuples);
		hash = nb_hash_next(hash);
	}
}

/*
 * Changes the first way of a hash's sets that holds "from" into "to"; one of them is 0. False: no
 * way holds "from".
 */
static __always_inline int nb_index_swap_all(const struct nb_conn_table *table, __u64 hash, __u64 from,
					     __u64 to)
{
	__u32 way = 0, n_sets = 0;
	__u64 at = hash;
	int done = 0;

	for (int i = 0; i < NB_SET_TRIES * NB_CONN_WAYS && !done; i++) {
		struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, at));

		if (!set)
			break;
		done = __sync_val_compare_and_swap(&set->ways[way], from, to) == from;
		if (done || ++way < NB_CONN_WAYS)
			continue;
		if (to) /* counted before a reader can find it behind this set */
			__sync_fetch_and_add(&set->spilled, 1);
		at = nb_hash_next(at);
		way = 0;
		n_sets++;
	}
	/* Removed from behind other sets, or counted there and not inserted after all. */
	if (done != (to != 0))
		nb_index_spill(table, hash, n_sets, -1);
	return done;
}

/* ---- in the home set of the hash: almost always enough ---- */

/*
 * The entry with this key, whose hash is given; its entry_id; and its life, read before the key:
 * what is read of the entry from here on belongs to one connection if the life is the same
 * afterwards (nb_life_same()), and if it is NB_USE_TAKEN. Any other one is that of a connection that
 * comes or goes; then nb_index_find() finds whether there is another entry. NULL: no entry has the
 * key. Almost always either the first way with the hash leads to the entry, or no way has the hash
 * and the set has spilled nothing.
 */
static __always_inline struct nb_entry *nb_index_entry(const struct nb_conn_table *table,
						       const struct nb_tuple *key, __u64 hash,
						       __s64 *entry_id, __u64 *life)
{
	const volatile struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, hash));
	struct nb_entry *entry;
	__u64 word = 0;

	*entry_id = NB_INDEX_NONE;
	if (!set)
		return NULL;
	for (int way = 0; way < NB_CONN_WAYS; way++) {
		word = set->ways[way];
		if (nb_way_is(word, hash, 0))
			goto found;
	}
	if (!set->spilled)
		return NULL;
	goto far;
found:
	*entry_id = nb_way_entry_id(word);
	entry = nb_entry_at(table, *entry_id);
	if (entry) {
		*life = nb_load(&entry->conn.life);
		nb_read_barrier();
		if (nb_key_same(&entry->key, key))
			return entry;
	}
far:
	*entry_id = nb_index_find_far(table, key, hash, 0);
	entry = *entry_id < 0 ? NULL : nb_entry_at(table, *entry_id);
	if (!entry)
		return NULL;
	*life = nb_load(&entry->conn.life);
	nb_read_barrier();
	return nb_key_same(&entry->key, key) ? entry : NULL;
}

/*
 * entry_id of an entry that has this key, of a pair that counts; not that of the way with the word
 * "except" (0: none). NB_INDEX_NONE: there is none.
 */
static __always_inline __s64 nb_index_find(const struct nb_conn_table *table, const struct nb_tuple *key,
					   __u64 hash, __u64 except)
{
	const volatile struct nb_conn_set *set = nb_set_at(table, nb_set_home(table, hash));
	__u64 word = 0;

	if (!set)
		return NB_INDEX_NONE;
	for (int way = 0; way < NB_CONN_WAYS; way++) {
		word = set->ways[way];
		if (nb_way_is(word, hash, except))
			goto far;
	}
	if (!set->spilled)
		return NB_INDEX_NONE;
far:
	return nb_index_find_far(table, key, hash, except);
}

/* As nb_index_swap_all(). */
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

/* Takes an entry's way back. None is no error. */
static __always_inline void nb_index_remove(const struct nb_conn_table *table, __u64 hash, __u32 entry_id)
{
	nb_index_swap(table, hash, nb_way_word(hash, entry_id), 0);
}

/*
 * Whether the pair of another entry gives way to the one of "mine": it is gone, or was not yet a
 * connection and is lost now. Of two programs the one with the lower pair goes on; userspace gives
 * way to any program. A pair that has lost decides nothing. So of all that insert one tuple at once
 * one remains, whoever is seen by whom.
 */
static __always_inline int nb_pair_yields(const struct nb_conn_table *table, __u32 other, __u32 mine)
{
	struct nb_entry *client = nb_entry_at(table, other & ~1U);
	const struct nb_entry *own = nb_entry_at(table, mine & ~1U);
	enum nb_use gone = NB_USE_LOST;
	__u64 life;

	if (!client || !own)
		return 0;
	life = nb_load(&client->conn.life);
	if (nb_life_use(life) == NB_USE_ADDING)
		gone = NB_USE_ENDING;
	else if (nb_life_use(life) != NB_USE_NEW || other < mine)
		return !nb_use_counts(nb_life_use(life));
	return (nb_life_use(nb_load(&own->conn.life)) == NB_USE_NEW &&
		nb_change(&client->conn.life, life, nb_life_with_use(life, gone))) ||
	       !nb_use_counts(nb_life_use(nb_load(&client->conn.life)));
}

/*
 * Inserts an entry with this key and hash, which no entry had a moment ago. NB_INDEX_DONE,
 * NB_INDEX_FULL, or the entry_id of another entry that has the key now.
 */
static __always_inline __s64 nb_index_insert_new(const struct nb_conn_table *table,
						 const struct nb_tuple *key, __u64 hash, __u32 entry_id)
{
	__u64 word = nb_way_word(hash, entry_id);
	__s64 other;

	if (!nb_index_swap(table, hash, 0, word))
		return NB_INDEX_FULL;
	other = nb_index_find(table, key, hash, word);
	for (int i = 0; other >= 0 && i < NB_RIVALS && nb_pair_yields(table, other, entry_id); i++)
		other = nb_index_find(table, key, hash, word);
	if (other < 0)
		return NB_INDEX_DONE;
	nb_index_remove(table, hash, entry_id);
	return other;
}

/* The same for a key that an entry may have already. */
static __always_inline __s64 nb_index_insert(const struct nb_conn_table *table, const struct nb_tuple *key,
					     __u32 entry_id)
{
	__u64 hash = nb_conn_hash(table, key);
	__s64 other = nb_index_find(table, key, hash, 0);

	if (other >= 0)
		return other == entry_id ? NB_INDEX_DONE : other;
	return nb_index_insert_new(table, key, hash, entry_id);
}

#endif
