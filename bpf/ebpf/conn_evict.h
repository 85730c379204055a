/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_EVICT_H
#define NATBRIDGE_BPF_EBPF_CONN_EVICT_H

/*
 * Memory for a new connection. Connections take the elements of connections[] in order, round and round;
 * whoever comes by takes away what has expired since the last round, so that nothing ever scans the table.
 * Where all are in use, one gives way that is worth less than others nearby: enum nb_place. An established
 * one never does. So a SYN flood only ever pushes out half-open connections, and closed ones.
 */

#include "conntrack.h"

enum {
	NB_RING_NEAR = 4, /* places looked at before a live connection has to give way; not a closing one */
	NB_RING_LINE =
		32, /* places looked at in order; then at random, to get out of a run of established ones */
	NB_RING_TRIES = 160, /* places looked at before the table counts as full */
	NB_RING_ROUNDS = 8,  /* that often, if other CPUs come first */
};

/* In the order in which they give way. */
enum nb_place {
	NB_PLACE_FREE,
	NB_PLACE_DEAD,     /* its connection has expired or lost its receiver */
	NB_PLACE_HALFOPEN, /* live, but never answered */
	NB_PLACE_CLOSED,   /* nb_tcp_closed() */
	NB_PLACE_YOUNG,    /* half-open, but its answer may be under way: it began in this tick or the last */
	NB_PLACE_CLOSING,  /* one side may still be sending */
	NB_PLACE_LIVE,
};

static __always_inline enum nb_place nb_place_halfopen(const struct nb_conn *conn, __u32 now)
{
	return now - conn->created > 1 ? NB_PLACE_HALFOPEN : NB_PLACE_YOUNG;
}

/* What the connection in a place is like. */
__noinline enum nb_place nb_place_look(const struct nb_pair *pair, __u32 now)
{
	const struct nb_conn *conn, *rev;
	bool tcp;

	if (!pair)
		return NB_PLACE_LIVE;
	conn = &pair->dir[0].conn;
	rev = &pair->dir[1].conn;
	tcp = pair->dir[0].key.proto == IPPROTO_TCP;
	if (!nb_conn_lives(conn, now))
		return NB_PLACE_DEAD;
	if (!(conn->flags & NB_CONN_SEEN_REPLY))
		return nb_place_halfopen(conn, now);
	if (tcp && nb_tcp_closed(conn->state))
		return NB_PLACE_CLOSED;
	if (tcp && nb_tcp_closing(conn->state))
		return NB_PLACE_CLOSING;
	if (!nb_conn_lives(rev, now))
		return NB_PLACE_DEAD; /* the client is gone */
	if (tcp && nb_conn_stalled(conn, rev, now))
		return NB_PLACE_DEAD;
	return conn->flags & NB_CONN_ASSURED ? NB_PLACE_LIVE : nb_place_halfopen(conn, now);
}

/* Takes a place from its connection if that is, looked at once more, not worth more than "most". */
static __always_inline bool nb_place_clear(struct nb_pair *pair, __u32 place, __u32 now, enum nb_place most)
{
	if (!nb_pair_change(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return false;
	if (nb_place_look(pair, now) > most) {
		nb_pair_change(pair, NB_USE_BUSY, NB_USE_TAKEN);
		return false;
	}
	nb_pair_leave(pair, place);
	return true;
}

/* Takes a place that is free or whose connection is dead. NB_PLACE_FREE: done; else what stands there. */
__noinline enum nb_place nb_place_try(__u32 place, __u32 now)
{
	struct nb_pair *pair = nb_pair_at(place);
	enum nb_place what;

	if (!pair)
		return NB_PLACE_LIVE;
	if (nb_pair_change(pair, NB_USE_FREE, NB_USE_BUSY))
		return NB_PLACE_FREE;
	if (pair->dir[0].conn.use != NB_USE_TAKEN)
		return NB_PLACE_LIVE;
	what = nb_place_look(pair, now);
	if (what != NB_PLACE_DEAD)
		return what;
	if (!nb_place_clear(pair, place, now, NB_PLACE_DEAD))
		return NB_PLACE_LIVE;
	nb_count(NB_COUNT_RECLAIMED);
	return NB_PLACE_FREE;
}

/* Takes a place whose connection gives way while it lives, unless it is worth more than "most" by now. */
__noinline bool nb_place_evict(__u32 place, __u32 now, enum nb_place most)
{
	struct nb_pair *pair = nb_pair_at(place);

	if (!pair || !nb_place_clear(pair, place, now, most))
		return false;
	nb_count(NB_COUNT_EARLY_DROP);
	return true;
}

struct nb_search {
	__u32 now;
	__s64 found;         /* a place that was taken, -1: none as yet */
	enum nb_place worth; /* of the place that would give way first */
	__u32 place;         /* that one, if it is not live */
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
	__u32 place = i < NB_RING_LINE ? __sync_fetch_and_add(&nb_runtime.ring_cursor, 1) % nb_ring_max()
				       : ((__u64)bpf_get_prandom_u32() * nb_ring_max()) >> 32;
	enum nb_place what = nb_place_try(place, search->now);

	if (what == NB_PLACE_FREE) {
		search->found = place;
		return 1;
	}
	if (what < search->worth) {
		search->worth = what;
		search->place = place;
	}
	return i >= NB_RING_NEAR && search->worth < NB_PLACE_CLOSING;
}

/*
 * Finds a place for a new connection: busy, and in no index. A negative value: every place that was looked at
 * holds an established connection. Another CPU may have the place that was to give way, or have given it to a
 * connection that is worth more: then it is looked for once more.
 */
__noinline __s64 nb_ring_take(__u32 now)
{
	struct nb_search search = { .now = now, .found = -1, .worth = NB_PLACE_LIVE };

	if (nb_ring_look(0, &search)) /* most often */
		return search.found;
	for (int i = 0; i < NB_RING_ROUNDS; i++) {
		bpf_loop(NB_RING_TRIES, nb_ring_look, &search, 0);
		if (search.found >= 0)
			return search.found;
		if (search.worth >= NB_PLACE_LIVE)
			break;
		if (nb_place_evict(search.place, now, search.worth))
			return search.place;
		search.worth = NB_PLACE_LIVE;
	}
	return -1;
}

#endif
