/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_RING_H
#define NATBRIDGE_BPF_RING_H

/*
 * Places in the table. Every connection occupies one place of the ring, in which the client's tuple is
 * written; new ones take the places in order, round and round. Whoever comes by takes away what has expired
 * since the last round, so that nothing ever scans the table. Where all places are in use, an unanswered
 * connection gives way first, then a closing one; an established one never does. So a SYN flood only ever
 * pushes out half-open connections.
 */

#include "conntrack.h"

enum {
	NB_RING_NEAR = 4, /* places looked at before a live connection has to give way */
	NB_RING_LINE =
		32, /* places looked at in order; then at random, to get out of a run of established ones */
	NB_RING_TRIES = 160, /* places looked at before the table counts as full */
};

enum nb_place {
	NB_PLACE_FREE,
	NB_PLACE_DEAD,     /* its connection has expired or lost its receiver */
	NB_PLACE_HALFOPEN, /* live, but never answered */
	NB_PLACE_CLOSING,
	NB_PLACE_LIVE,
};

/* What stands at a place: tuple is a copy of what is written there. */
__noinline enum nb_place nb_place_look(const struct nb_tuple *tuple, __u32 pos, __u32 now)
{
	struct nb_tuple key, rev_key;
	struct nb_conn *conn, *rev;

	if (!tuple || !tuple->proto)
		return NB_PLACE_FREE;
	key = *tuple;
	conn = bpf_map_lookup_elem(&conntrack, &key);
	if (!conn || conn->ring != pos || conn->flags & NB_CONN_REPLY)
		return NB_PLACE_FREE;
	if (!nb_conn_receiver(conn, now))
		return NB_PLACE_DEAD;
	if (!(conn->flags & NB_CONN_SEEN_REPLY))
		return NB_PLACE_HALFOPEN;
	if (key.proto == IPPROTO_TCP && nb_tcp_closing(conn->state))
		return NB_PLACE_CLOSING;
	nb_conn_other_key(conn, key.proto, &rev_key);
	rev = bpf_map_lookup_elem(&conntrack, &rev_key);
	if (rev && !nb_conn_receiver(rev, now))
		return NB_PLACE_DEAD; /* the client is gone */
	if (key.proto == IPPROTO_TCP && nb_conn_stalled(conn, rev, now))
		return NB_PLACE_DEAD;
	return conn->flags & NB_CONN_ASSURED ? NB_PLACE_LIVE : NB_PLACE_HALFOPEN;
}

__noinline int nb_place_clear(const struct nb_tuple *tuple)
{
	struct nb_tuple key;
	struct nb_conn *conn;

	if (!tuple)
		return 0;
	key = *tuple;
	conn = bpf_map_lookup_elem(&conntrack, &key);
	if (conn)
		nb_conn_delete(&key, conn);
	return 0;
}

/* A bit of a place's padding: some CPU looks at it or is entering a connection there; others pass it by. */
enum { NB_PLACE_BUSY = 1 << 16 };

static __always_inline __u32 *nb_place_word(struct nb_tuple *place)
{
	return (__u32 *)&place->proto; /* with pad */
}

static __always_inline bool nb_place_claim(struct nb_tuple *place)
{
	__u32 *word = nb_place_word(place), old = *(volatile __u32 *)word;

	return !(old & NB_PLACE_BUSY) && __sync_val_compare_and_swap(word, old, old | NB_PLACE_BUSY) == old;
}

static __always_inline void nb_place_copy(const struct nb_tuple *place, struct nb_tuple *key)
{
	*key = *place;
	*nb_place_word(key) &= ~NB_PLACE_BUSY;
}

struct nb_search {
	struct nb_tuple *key; /* memory for the tuple of the place that is looked at */
	__u32 now;
	__s64 found, halfopen, closing; /* places, -1: none yet */
};

/* Places in use: as many as there may be connections. */
static __always_inline __u32 nb_ring_max(void)
{
	__u32 max = nb_settings.max;

	return max ? max : 1;
}

/* One place of a search; 1 ends it (bpf_loop(), Linux 5.17: the verifier walks through this once). */
static long nb_ring_look(__u64 i, struct nb_search *search)
{
	__u32 pos = i < NB_RING_LINE ? __sync_fetch_and_add(&nb_runtime.ring_cursor, 1) % nb_ring_max()
				     : ((__u64)bpf_get_prandom_u32() * nb_ring_max()) >> 32;
	struct nb_tuple *place = bpf_map_lookup_elem(&ring, &pos);
	enum nb_place what;

	if (!place)
		return 1;
	if (!nb_place_claim(place))
		return 0;
	nb_place_copy(place, search->key);
	what = nb_place_look(search->key, pos, search->now);
	if (what == NB_PLACE_DEAD) {
		nb_place_clear(search->key);
		nb_count(NB_COUNT_RECLAIMED);
	}
	if (what == NB_PLACE_FREE || what == NB_PLACE_DEAD) {
		search->found = pos;
		return 1;
	}
	__sync_lock_test_and_set(nb_place_word(place), *nb_place_word(search->key));
	if (what == NB_PLACE_HALFOPEN && search->halfopen < 0)
		search->halfopen = pos;
	else if (what == NB_PLACE_CLOSING && search->closing < 0)
		search->closing = pos;
	return i >= NB_RING_NEAR && (search->halfopen >= 0 || search->closing >= 0);
}

/*
 * Finds a place for a new connection and clears it. Returns its index, or a negative value if every place
 * that was looked at holds an established connection. *key is memory for the tuple of the place.
 */
__noinline __s64 nb_ring_take(struct nb_tuple *key, __u32 now)
{
	struct nb_search search = { .key = key, .now = now, .found = -1, .halfopen = -1, .closing = -1 };
	struct nb_tuple *place;
	__u32 pos;

	if (!key)
		return -1;
	bpf_loop(NB_RING_TRIES, nb_ring_look, &search, 0);
	if (search.found >= 0)
		return search.found;
	if (search.halfopen < 0)
		search.halfopen = search.closing;
	pos = search.halfopen;
	place = search.halfopen >= 0 ? bpf_map_lookup_elem(&ring, &pos) : NULL;
	if (!place || !nb_place_claim(place))
		return -1;
	nb_place_copy(place, key);
	if (nb_place_look(key, pos, now) == NB_PLACE_LIVE) {
		__sync_lock_test_and_set(nb_place_word(place), *nb_place_word(key));
		return -1;
	}
	nb_place_clear(key);
	nb_count(NB_COUNT_EARLY_DROP);
	return pos;
}

static __always_inline void nb_ring_write(__u32 pos, const struct nb_tuple *key)
{
	struct nb_tuple *place = bpf_map_lookup_elem(&ring, &pos);

	if (!place)
		return;
	place->src = key->src;
	place->dst = key->dst;
	place->sport = key->sport;
	place->dport = key->dport;
	__sync_lock_test_and_set(nb_place_word(place), *nb_place_word((struct nb_tuple *)key));
}

static __always_inline void nb_ring_release(__u32 pos)
{
	struct nb_tuple *place = bpf_map_lookup_elem(&ring, &pos);

	if (place)
		__sync_lock_test_and_set(nb_place_word(place), 0);
}

#endif
