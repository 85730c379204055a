/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_RENEW_H
#define NATBRIDGE_BPF_EBPF_CONN_RENEW_H

/*
 * A new connection in the pair of the one that had its tuple before. Most often both go to the same
 * backend: then keys, index and all that is fixed stay as they are, and one change of the record's
 * life makes the old connection a new one, with the next generation. The copy follows
 * (nb_pair_copy_life()); what packets have noted of the old connection has its generation, and
 * counts no more.
 */

#include "conn_account.h"
#include "conntrack.h"

static __always_inline bool nb_conn_same_path(const struct nb_conn *old, const struct nb_conn *new,
					      __u16 flags)
{
	return old->flags == flags && old->in_ifindex == new->in_ifindex && old->out_slot == new->out_slot &&
	       old->out_gen == new->out_gen;
}

/* Whether packets would take the path that they took, with the same addresses and ports. */
static __always_inline bool nb_pair_same_path(const struct nb_pair *pair, const struct nb_scratch *s)
{
	const struct nb_conn *fwd = &pair->dir[0].conn, *rev = &pair->dir[1].conn, *new = &s->client.conn;

	return nb_conn_same_path(fwd, new, new->flags) &&
	       nb_conn_same_path(rev, &s->backend.conn, new->flags | NB_CONN_REPLY) &&
	       fwd->sport == new->sport && fwd->dport == new->dport &&nb_addr_same(&fwd->src, &new->src) &&
	       nb_addr_same(&fwd->dst, &new->dst);
}

/*
 * Makes the connection with this life of its record the planned one. Also gives *s what the entry
 * has already, the checksum differences, and the life. False: a packet or another connection has
 * changed the life.
 */
static __always_inline bool nb_pair_renew(struct nb_pair *pair, __u64 life, struct nb_scratch *s)
{
	struct nb_conn *record = &pair->dir[0].conn, *new = &s->client.conn;
	__u64 next = nb_life_with(nb_life_next(life), nb_life_state(new->life), nb_life_flags(new->life),
				  nb_life_expires(new->life));

	new->csum_addr = record->csum_addr;
	new->csum_port = record->csum_port;
	new->life = next;
	if (!nb_change(&record->life, life, next))
		return false;
	nb_store_word(&record->seq, nb_tag(next, 0, new->seq));
	nb_store_word(&record->acked, nb_tag(next, 0, new->acked));
	nb_store_word(&record->checked, nb_tag(next, nb_tagged_more(new->checked), new->checked));
	nb_pair_copy_life(pair);
	return true;
}

/*
 * entry_id, pkt->life: of the entry that the packet found. NB_CONTINUE: its pair holds the new
 * connection. NB_AGAIN: it holds another one by now. NB_NEW: the pair could not be used, and the
 * old connection is ended.
 */
__noinline int nb_conn_renew(const struct nb_pkt *pkt, struct nb_scratch *s, __u32 entry_id)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);
	__u64 life;

	if (!pkt || !s || !pair)
		return NB_NEW;
	life = nb_load(&pair->dir[0].conn.life);
	if (!nb_life_same_gen(life, pkt->life) || nb_life_use(life) != NB_USE_TAKEN)
		return NB_AGAIN;
	nb_read_barrier();
	if (entry_id & 1 || !nb_pair_same_path(pair, s)) {
		nb_pair_end(entry_id / 2, life, nb_end_reason(life, pkt->now));
		return NB_NEW;
	}
	nb_account_begin(entry_id / 2);
	if (!nb_pair_renew(pair, life, s))
		return NB_AGAIN;
	nb_pair_tell_end(entry_id / 2, life, nb_end_reason(life, pkt->now));
	nb_conn_tell_begin(entry_id / 2, s->client.conn.life);
	nb_count(NB_COUNT_INSERT);
	nb_account_first(pkt, entry_id / 2);
	return NB_CONTINUE;
}

#endif
