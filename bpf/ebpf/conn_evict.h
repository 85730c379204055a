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
	NB_PAIR_CLOSED,   /* nb_state_is_closed() */
	NB_PAIR_YOUNG,    /* half-open, but begun in this tick or the last: the answer may be on its way */
	NB_PAIR_CLOSING,  /* one side may still send */
	NB_PAIR_LIVE,
};

static __always_inline enum nb_pair_worth nb_pair_worth_halfopen(const struct nb_conn *record, __u64 life,
								 __u32 now)
{
	return nb_conn_age(record, life, now) > 1 ? NB_PAIR_HALFOPEN : NB_PAIR_YOUNG;
}

/* What a pair's connection is worth with this life of its record. */
__noinline enum nb_pair_worth nb_pair_worth_now(const struct nb_pair *pair, __u64 life, __u32 now)
{
	__u32 state = nb_life_state(life), flags = nb_life_flags(life);
	const struct nb_conn *fwd, *rev;
	bool tcp;

	if (!pair)
		return NB_PAIR_LIVE;
	fwd = &pair->dir[0].conn;
	rev = &pair->dir[1].conn;
	tcp = pair->dir[0].key.proto == IPPROTO_TCP;
	if (!nb_conn_lives(fwd, life, now))
		return NB_PAIR_DEAD;
	if (!(flags & NB_LIFE_SEEN_REPLY))
		return nb_pair_worth_halfopen(fwd, life, now);
	/* UDP has no state; the states of SCTP have TCP's numbers. */
	if (nb_state_is_closed(state))
		return NB_PAIR_CLOSED;
	if (nb_tcp_closing(state))
		return NB_PAIR_CLOSING;
	if (!nb_conn_lives(rev, nb_load(&rev->life), now))
		return NB_PAIR_DEAD; /* the client is gone */
	if (tcp && nb_conn_stalled(fwd, rev, life, now))
		return NB_PAIR_DEAD;
	return flags & NB_LIFE_ASSURED ? NB_PAIR_LIVE : nb_pair_worth_halfopen(fwd, life, now);
}

/*
 * Takes a pair from its connection. life: that of its record, by which it was judged: if a packet or
 * another connection has changed it since, nothing is done.
 */
static __always_inline bool nb_pair_evict_from(struct nb_pair *pair, __u32 pair_id, __u64 life)
{
	if (!nb_pair_claim(pair, life, NB_USE_BUSY))
		return false;
	nb_pair_leave(pair, pair_id);
	return true;
}

/* A dead connection that has not expired lacks a pod, or has stalled for too long: its time is over as well.
 */
static __always_inline enum nb_end nb_pair_dead_reason(const struct nb_pair *pair, __u64 life, __u32 now)
{
	return nb_conn_lives(&pair->dir[0].conn, life, now) && nb_conn_lives(&pair->dir[1].conn, life, now)
		       ? NB_END_EXPIRED
		       : nb_end_reason(life, now);
}

/* Takes a pair that is free or dead. NB_PAIR_FREE: taken; else what its connection is worth. */
__noinline enum nb_pair_worth nb_pair_try(__u32 pair_id, __u32 now)
{
	struct nb_pair *pair = nb_pair_at(pair_id);
	enum nb_pair_worth worth;
	__u64 life;

	if (!pair)
		return NB_PAIR_LIVE;
	if (nb_pair_take(pair, NB_USE_BUSY))
		return NB_PAIR_FREE;
	life = nb_load(&pair->dir[0].conn.life);
	if (nb_life_use(life) != NB_USE_TAKEN)
		return NB_PAIR_LIVE;
	nb_read_barrier();
	worth = nb_pair_worth_now(pair, life, now);
	if (worth != NB_PAIR_DEAD)
		return worth;
	if (!nb_pair_evict_from(pair, pair_id, life))
		return NB_PAIR_LIVE;
	nb_pair_tell_end(pair_id, life, nb_pair_dead_reason(pair, life, now));
	nb_count(NB_COUNT_RECLAIMED);
	return NB_PAIR_FREE;
}

/* Takes a pair from a live connection, unless that is worth more than "most" by now. */
__noinline bool nb_pair_evict(__u32 pair_id, __u32 now, enum nb_pair_worth most)
{
	struct nb_pair *pair = nb_pair_at(pair_id);
	__u64 life;

	if (!pair)
		return false;
	life = nb_load(&pair->dir[0].conn.life);
	nb_read_barrier();
	if (nb_pair_worth_now(pair, life, now) > most || !nb_pair_evict_from(pair, pair_id, life))
		return false;
	nb_pair_tell_end(pair_id, life, NB_END_EVICTED);
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
