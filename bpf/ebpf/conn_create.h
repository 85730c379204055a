/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_CREATE_H
#define NATBRIDGE_BPF_EBPF_CONN_CREATE_H

/*
 * Makes a new connection: enters the plan of conn_plan.h into the table, with another source port
 * if its reply tuple is taken. The reply tuple goes in first, and both only where no entry has
 * them. A CPU that loses a race for a tuple uses the entry of the winner, once that is decided.
 */

#include "conn_account.h"
#include "conn_evict.h"
#include "conn_plan.h"
#include "conn_renew.h"
#include "nat.h"

enum {
	/* Random source ports that are tried (as nf_nat_l4proto_unique_tuple()). */
	NB_L4PORT_TRIES = 128,
	/* From this one on, a connection that is not assured gives way, as where the table is full. */
	NB_L4PORT_TRIES_KIND = 64,
	NB_INSERT_TRIES = 3,
};

/* For nb_conn_create(), instead of the entry_id of the connection that had the tuple before. */
enum {
	NB_OLD_NONE = -1,
	NB_OLD_GONE = -2, /* there was one */
};

/* ---- the reply tuple ---- */

/* Which live connections give up a reply tuple. */
enum nb_reclaim {
	NB_RECLAIM_NONE,
	NB_RECLAIM_CLOSED,
	NB_RECLAIM_UNASSURED, /* those that were not assured, too */
};

/* Instead of an entry_id. */
enum {
	NB_OWNER_NONE = -1,
	NB_OWNER_OTHER = -2, /* another live connection */
};

/*
 * Who has a reply tuple: NB_OWNER_*, or the entry_id of the client whose tuple is *client. Then
 * another CPU makes that connection right now. A dead connection is ended, and so is what "reclaim"
 * names.
 */
static __always_inline __s64 nb_reply_tuple_owner(const struct nb_tuple *reply, const struct nb_tuple *client,
						  __u32 now, enum nb_reclaim reclaim)
{
	__s64 entry_id, owner = NB_OWNER_OTHER;
	struct nb_pair *pair;
	__u64 life;
	bool lives;

	/* Not nb_entry_find(): the stack would be too deep. */
	entry_id = nb_index_find(NULL, reply, nb_conn_hash(NULL, reply), 0);
	if (entry_id < 0)
		return NB_OWNER_NONE;
	pair = nb_pair_at(entry_id / 2);
	if (!pair)
		return NB_OWNER_NONE;
	life = nb_load(&pair->dir[0].conn.life);
	nb_read_barrier();
	lives = nb_conn_lives(&pair->dir[entry_id & 1].conn, life, now);
	if (nb_life_use(life) == NB_USE_TAKEN &&
	    (!lives || (reclaim >= NB_RECLAIM_CLOSED && nb_state_is_closed(nb_life_state(life))) ||
	     (reclaim >= NB_RECLAIM_UNASSURED && !(nb_life_flags(life) & NB_LIFE_ASSURED)))) {
		nb_pair_end(entry_id / 2, life, lives ? NB_END_EVICTED : nb_end_reason(life, now));
		return NB_OWNER_NONE;
	}
	if (!nb_key_same(&pair->dir[entry_id & 1].key, reply))
		owner = NB_OWNER_NONE; /* the pair has got another connection since it was found */
	else if (nb_key_same(&pair->dir[~entry_id & 1].key, client))
		owner = entry_id ^ 1;
	nb_read_barrier();
	return nb_life_same_gen(nb_load(&pair->dir[0].conn.life), life) ? owner : NB_OWNER_NONE;
}

/* For the first attempt, which almost never needs it. */
__noinline __s64 nb_reply_tuple_taken(const struct nb_tuple *reply, const struct nb_tuple *client, __u32 now)
{
	return reply && client ? nb_reply_tuple_owner(reply, client, now, NB_RECLAIM_NONE) : NB_OWNER_OTHER;
}

struct nb_l4port_search {
	struct nb_tuple *rev_key;
	const struct nb_pkt *pkt;
	bool found;
};

static long nb_l4port_search_step(__u64 i, struct nb_l4port_search *search)
{
	enum nb_reclaim reclaim = i < NB_L4PORT_TRIES_KIND ? NB_RECLAIM_CLOSED : NB_RECLAIM_UNASSURED;

	search->rev_key->dport = nb_l4port_random(search->pkt->tuple.sport);
	if (nb_reply_tuple_owner(search->rev_key, &search->pkt->tuple, search->pkt->now, reclaim) !=
	    NB_OWNER_NONE)
		return 0;
	search->found = true;
	return 1;
}

/* Gives the client's entry a source port with which the reply tuple is free. False: none was found. */
static __always_inline bool nb_l4port_find(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	struct nb_l4port_search search = { .rev_key = &s->backend.key, .pkt = pkt };

	bpf_loop(NB_L4PORT_TRIES, nb_l4port_search_step, &search, 0);
	if (!search.found)
		return false;
	s->client.conn.sport = s->backend.key.dport;
	s->client.conn.flags |= NB_CONN_NAT;
	nb_count(NB_COUNT_PORT_CHANGED);
	return true;
}

/* ---- into the table ---- */

/* Derives the backend's entry from the client's. */
static __always_inline void nb_plan_reply(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	struct nb_conn *fwd = &s->client.conn, *rev = &s->backend.conn;

	nb_tuple_swap(&fwd->src, &fwd->dst, fwd->sport, fwd->dport, pkt->tuple.proto, &s->backend.key);
	s->backend.key.side = nb_reply_side(pkt, fwd);
	rev->src = pkt->tuple.dst;
	rev->dst = pkt->tuple.src;
	rev->sport = pkt->tuple.dport;
	rev->dport = pkt->tuple.sport;
	rev->flags = fwd->flags | NB_CONN_REPLY;
	nb_conn_set_csum(&pkt->tuple, fwd);
	/* The negative sums. The negative of a one's complement number is its complement. */
	rev->csum_addr = (__u16)~fwd->csum_addr;
	rev->csum_port = fwd->csum_port ? (__u16)~fwd->csum_port : 0;
}

/* Writes the plan into a busy pair. */
__noinline int nb_pair_write(struct nb_pair *pair, const struct nb_scratch *s)
{
	if (pair && s)
		nb_pair_fill(pair, &s->client, &s->backend, NB_USE_NEW);
	return 0;
}

/* Frees a pair that was filled and is in no index. */
static __always_inline int nb_pair_give_up(struct nb_pair *pair, int rc)
{
	nb_pair_empty(pair, NB_USE_BUSY);
	nb_pair_free(pair);
	return rc;
}

/*
 * The pair does not become a connection: another CPU makes it. owner: the entry_id of the client in
 * that CPU's pair; negative: not known.
 */
static __always_inline int nb_pair_lose(struct nb_pair *pair, struct nb_scratch *s, __s64 owner)
{
	if (owner >= 0)
		s->rival = 1 + owner;
	nb_count(NB_COUNT_CLASH_RESOLVE);
	return nb_pair_give_up(pair, NB_AGAIN);
}

/* The second step: the reply tuple is in the index. NB_AGAIN: another CPU has inserted the client's. */
static __always_inline int nb_conn_insert_client(const struct nb_pkt *pkt, struct nb_pair *pair,
						 __u32 pair_id, struct nb_scratch *s)
{
	__s64 owner = nb_entry_insert_new(&pair->dir[0].key, pkt->hash, 2 * pair_id);

	if (owner == NB_INDEX_DONE && nb_pair_begin(pair)) {
		nb_conn_tell_begin(pair_id, nb_load(&pair->dir[0].conn.life));
		nb_count(NB_COUNT_INSERT);
		nb_account_first(pkt, pair_id);
		return NB_CONTINUE;
	}
	if (owner == NB_INDEX_DONE)
		nb_entry_remove(&pair->dir[0].key, 2 * pair_id);
	nb_entry_remove(&pair->dir[1].key, 2 * pair_id + 1);
	if (owner == NB_INDEX_FULL)
		return nb_pair_give_up(pair, nb_drop(NB_DROP_TABLE_FULL));
	return nb_pair_lose(pair, s, owner);
}

/*
 * Enters the planned connection. The reply tuple is inserted at once, since it is almost always
 * free; only if it is not, its owner is looked up. It may be the client's own tuple: a pod reaches
 * itself, sees the Service's address as the source, and its port number is that of the Service and
 * of the backend. NB_CONTINUE: the table has the connection as *s says. NB_AGAIN: another CPU makes
 * it.
 */
static __always_inline int nb_conn_insert(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__s64 taken = nb_pair_alloc(pkt->now);
	enum nb_counter why = NB_COUNT_INSERT_FAILED;
	__u32 pair_id = taken;
	struct nb_pair *pair = nb_pair_at(pair_id);

	if (taken < 0 || !pair)
		return nb_drop(NB_DROP_TABLE_FULL);
	nb_account_begin(pair_id);
	for (int i = 0; i < NB_INSERT_TRIES; i++) {
		__s64 owner;

		/* Keeps the loop's head its only entry: Linux 6.1 takes no other (check_cfg()). */
		barrier_var(i);
		nb_plan_reply(pkt, s);
		if (!nb_key_same(&s->backend.key, &s->client.key)) {
			nb_pair_write(pair, s);
			owner = nb_entry_insert(&pair->dir[1].key, 2 * pair_id + 1);
			if (owner == NB_INDEX_DONE)
				return nb_conn_insert_client(pkt, pair, pair_id, s);
			if (owner == NB_INDEX_FULL)
				return nb_pair_give_up(pair, nb_drop(NB_DROP_TABLE_FULL));
			owner = nb_reply_tuple_taken(&s->backend.key, &pkt->tuple, pkt->now);
			/* The key is not written again before the pair is in no use by others. */
			if (!nb_pair_empty(pair, NB_USE_BUSY) || owner >= 0)
				return nb_pair_lose(pair, s, owner);
			if (owner != NB_OWNER_OTHER)
				continue;
		}
		nb_count(NB_COUNT_FOUND);
		if (!nb_l4port_find(pkt, s)) {
			why = NB_DROP_NO_PORT;
			break;
		}
	}
	return nb_pair_give_up(pair, nb_drop(why));
}

/*
 * Makes the connection that this packet begins, if its destination is a frontend or a backend of
 * one. old: the entry_id of the connection that had this tuple and cannot serve it any more, or
 * NB_OLD_*. NB_CONTINUE: scratch holds the client's entry as it is in the table, this packet
 * included. NB_AGAIN: another CPU has made the connection, or makes it.
 */
__noinline int nb_conn_create(struct __sk_buff *skb, const struct nb_pkt *pkt, __s64 old)
{
	struct nb_scratch *s = nb_scratch();
	int rc;

	if (!pkt || !s)
		return NB_PASS;
	rc = nb_conn_plan(skb, pkt, old != NB_OLD_NONE, s);
	if (old >= 0 && rc == NB_CONTINUE)
		rc = nb_conn_renew(pkt, s, old);
	else if (old >= 0)
		nb_pair_end(old / 2, pkt->life, nb_end_reason(pkt->life, pkt->now));
	else if (rc == NB_CONTINUE)
		rc = NB_NEW;
	return rc == NB_NEW ? nb_conn_insert(pkt, s) : rc;
}

#endif
