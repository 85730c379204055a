/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_EVICT_H
#define NATBRIDGE_BPF_EBPF_CONN_EVICT_H

/*
 * Allocates the pair of a new connection, and evicts another connection for it if it must.
 * Allocation walks connections[] as a ring and reclaims expired connections on the way, so that
 * nothing ever scans the table. Where all pairs nearby are in use, the connection that is worth
 * least gives way (enum nb_pair_worth). An established one never does: a SYN flood only evicts
 * half-open and closed connections.
 */

#include "conntrack.h"

enum {
	/* Pairs that are tried before a live connection has to give way. A closing one waits longer. */
	NB_EVICT_AFTER = 4,

	/* Pairs that are tried in order; then at random, to leave a run of established ones. */
	NB_EVICT_IN_ORDER = 32,

	/* Pairs that are tried before the table counts as full. */
	NB_EVICT_TRIES = 160,

	/* Searches, if other CPUs take what was found. */
	NB_EVICT_ROUNDS = 8,
};

/* What the connection of a pair is worth: lower ones give way first. */
enum nb_pair_worth {
	NB_PAIR_FREE,     /* no connection */
	NB_PAIR_DEAD,     /* expired, or its receiver is gone */
	NB_PAIR_HALFOPEN, /* never answered */
	NB_PAIR_CLOSED,   /* nb_tcp_closed() */
	NB_PAIR_YOUNG,    /* half-open, but begun in this tick or the last: the answer may be on its way */
	NB_PAIR_CLOSING,  /* one side may still send */
	NB_PAIR_LIVE,
};

static __always_inline enum nb_pair_worth nb_pair_worth_halfopen(const struct nb_conn *conn, __u32 now)
{
	return now - READ_ONCE(conn->created) > 1 ? NB_PAIR_HALFOPEN : NB_PAIR_YOUNG;
}

__noinline enum nb_pair_worth nb_pair_worth_now(const struct nb_pair *pair, __u32 now)
{
	const struct nb_conn *conn, *rev;
	__u32 state, flags;
	bool tcp;

	if (!pair)
		return NB_PAIR_LIVE;
	conn = &pair->dir[0].conn;
	rev = &pair->dir[1].conn;
	tcp = pair->dir[0].key.proto == IPPROTO_TCP;
	if (!nb_conn_lives(conn, now))
		return NB_PAIR_DEAD;
	flags = READ_ONCE(conn->flags);
	if (!(flags & NB_CONN_SEEN_REPLY))
		return nb_pair_worth_halfopen(conn, now);
	state = READ_ONCE(conn->state);
	if (tcp && nb_tcp_closed(state))
		return NB_PAIR_CLOSED;
	if (tcp && nb_tcp_closing(state))
		return NB_PAIR_CLOSING;
	if (!nb_conn_lives(rev, now))
		return NB_PAIR_DEAD; /* the client is gone */
	if (tcp && nb_conn_stalled(conn, rev, now))
		return NB_PAIR_DEAD;
	return flags & NB_CONN_ASSURED ? NB_PAIR_LIVE : nb_pair_worth_halfopen(conn, now);
}

/*
 * Takes a pair from its connection, unless that is worth more than "most". It is judged once this
 * CPU owns the pair: before that, packets or another connection may have changed it.
 */
static __always_inline bool nb_pair_claim(struct nb_pair *pair, __u32 pair_id, __u32 now,
					  enum nb_pair_worth most)
{
	if (!nb_pair_change_use(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return false;
	if (nb_pair_worth_now(pair, now) > most) {
		nb_pair_change_use(pair, NB_USE_BUSY, NB_USE_TAKEN);
		return false;
	}
	nb_pair_remove(pair, pair_id);
	return true;
}

/* Takes a pair that is free or dead. NB_PAIR_FREE: taken; else what its connection is worth. */
__noinline enum nb_pair_worth nb_pair_try(__u32 pair_id, __u32 now)
{
	struct nb_pair *pair = nb_pair_at(pair_id);
	enum nb_pair_worth worth;

	if (!pair)
		return NB_PAIR_LIVE;
	if (nb_pair_change_use(pair, NB_USE_FREE, NB_USE_BUSY))
		return NB_PAIR_FREE;
	if (READ_ONCE(pair->dir[0].conn.use) != NB_USE_TAKEN)
		return NB_PAIR_LIVE;
	worth = nb_pair_worth_now(pair, now);
	if (worth != NB_PAIR_DEAD)
		return worth;
	if (!nb_pair_claim(pair, pair_id, now, NB_PAIR_DEAD))
		return NB_PAIR_LIVE;
	nb_count(NB_COUNT_RECLAIMED);
	return NB_PAIR_FREE;
}

/* Takes a pair from a live connection, unless that is worth more than "most" by now. */
__noinline bool nb_pair_evict(__u32 pair_id, __u32 now, enum nb_pair_worth most)
{
	struct nb_pair *pair = nb_pair_at(pair_id);

	if (!pair || !nb_pair_claim(pair, pair_id, now, most))
		return false;
	nb_count(NB_COUNT_EARLY_DROP);
	return true;
}

struct nb_evict_search {
	__u32 now;
	__s64 taken;              /* pair_id; -1: none yet */
	enum nb_pair_worth worth; /* the lowest so far */
	__u32 pair_id;            /* of that connection, if worth is below NB_PAIR_LIVE */
};

/* Pairs that may be in use. */
static __always_inline __u32 nb_evict_max(void)
{
	__u32 max = nb_settings.max;

	return max ? max : 1;
}

/* Tries one pair; 1 ends the search (a callback of bpf_loop(): the verifier walks it once). */
static long nb_evict_search_step(__u64 i, struct nb_evict_search *search)
{
	__u32 pair_id = i < NB_EVICT_IN_ORDER
				? __sync_fetch_and_add(&nb_runtime.ring_cursor, 1) % nb_evict_max()
				: ((__u64)bpf_get_prandom_u32() * nb_evict_max()) >> 32;
	enum nb_pair_worth worth = nb_pair_try(pair_id, search->now);

	if (worth == NB_PAIR_FREE) {
		search->taken = pair_id;
		return 1;
	}
	if (worth < search->worth) {
		search->worth = worth;
		search->pair_id = pair_id;
	}
	return i >= NB_EVICT_AFTER && search->worth < NB_PAIR_CLOSING;
}

/*
 * Allocates a pair: its pair_id, busy, and in no index. Negative: each pair that was tried holds an
 * established connection. If another CPU is faster, or the connection that was to give way is worth
 * more by now, the search begins again.
 */
__noinline __s64 nb_pair_alloc(__u32 now)
{
	struct nb_evict_search search = { .now = now, .taken = -1, .worth = NB_PAIR_LIVE };

	if (nb_evict_search_step(0, &search)) /* almost always */
		return search.taken;
	for (int i = 0; i < NB_EVICT_ROUNDS; i++) {
		bpf_loop(NB_EVICT_TRIES, nb_evict_search_step, &search, 0);
		if (search.taken >= 0)
			return search.taken;
		if (search.worth >= NB_PAIR_LIVE)
			break;
		if (nb_pair_evict(search.pair_id, now, search.worth))
			return search.pair_id;
		search.worth = NB_PAIR_LIVE;
	}
	return -1;
}

#endif
