/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_RENEW_H
#define NATBRIDGE_BPF_EBPF_CONN_RENEW_H

/*
 * A new connection in the pair of the one that had its tuple before. Most often both go to the same
 * backend: then keys and index stay as they are, and only the connection's life begins anew. Other
 * CPUs see that as they see the effect of any packet.
 */

#include "conntrack.h"

static __always_inline bool nb_conn_same_path(const struct nb_conn *old, const struct nb_conn *new,
					      __u16 flags)
{
	return (old->flags & ~NB_CONN_SHARED) == flags && old->in_ifindex == new->in_ifindex &&
	       old->out_slot == new->out_slot && old->out_gen == new->out_gen;
}

/* Whether packets would take the path that they took, with the same addresses and ports. */
static __always_inline bool nb_pair_same_path(const struct nb_pair *pair, const struct nb_scratch *s)
{
	const struct nb_conn *fwd = &pair->dir[0].conn, *rev = &pair->dir[1].conn;

	return nb_conn_same_path(fwd, &s->fwd, s->fwd.flags) &&
	       nb_conn_same_path(rev, &s->rev, s->fwd.flags | NB_CONN_REPLY) && fwd->sport == s->fwd.sport &&
	       fwd->dport == s->fwd.dport && nb_addr_same(&fwd->src, &s->fwd.src) &&
	       nb_addr_same(&fwd->dst, &s->fwd.dst);
}

/* Whether another CPU has renewed the connection for a packet like this one. */
static __always_inline bool nb_conn_is_renewed(const struct nb_pkt *pkt, const struct nb_conn *conn,
					       const struct nb_scratch *s)
{
	return conn->created == pkt->now && conn->state == s->fwd.state && conn->epoch == s->fwd.epoch &&
	       conn->in_ifindex == pkt->ifindex && nb_conn_receiver(conn, pkt->now);
}

static __always_inline void nb_conn_restart(struct nb_conn *conn, const struct nb_conn *new, __u16 flags)
{
	WRITE_ONCE(conn->flags, flags);
	WRITE_ONCE(conn->expires, new->expires);
	WRITE_ONCE(conn->created, new->created);
	WRITE_ONCE(conn->epoch, new->epoch);
	WRITE_ONCE(conn->state, new->state);
	WRITE_ONCE(conn->retrans, 0);
}

/* Also gives *s the checksum differences, which the pair has already. */
static __always_inline void nb_pair_restart(struct nb_pair *pair, struct nb_scratch *s)
{
	struct nb_conn *fwd = &pair->dir[0].conn, *rev = &pair->dir[1].conn;

	nb_conn_restart(fwd, &s->fwd, s->fwd.flags);
	nb_conn_restart(rev, &s->fwd, s->fwd.flags | NB_CONN_REPLY);
	WRITE_ONCE(fwd->seq_end, s->fwd.seq_end);
	WRITE_ONCE(fwd->ack, s->fwd.ack);
	WRITE_ONCE(rev->seq_end, 0);
	WRITE_ONCE(rev->ack, 0);
	s->fwd.csum_addr = fwd->csum_addr;
	s->fwd.csum_port = fwd->csum_port;
}

/*
 * entry_id: of the client in the old pair. NB_CONTINUE: the pair holds the new connection.
 * NB_EXISTS: another CPU has made it. NB_NEW: the pair could not be used; if this CPU could own it,
 * the old connection is ended.
 */
__noinline int nb_conn_renew(const struct nb_pkt *pkt, struct nb_scratch *s, __u32 entry_id)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);
	int rc = NB_EXISTS;

	if (!pkt || !s || !pair)
		return NB_NEW;
	s->entry_id = entry_id;
	/* If another CPU owns the pair, inserting the tuple shows which of the two has it. */
	if (!nb_pair_change_use(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return NB_NEW;
	if (!nb_key_same(&pair->dir[entry_id & 1].key, &pkt->tuple)) {
		rc = NB_NEW;
	} else if (!nb_conn_is_renewed(pkt, &pair->dir[0].conn, s)) {
		if (entry_id & 1 || !nb_pair_same_path(pair, s)) {
			nb_pair_remove(pair, entry_id / 2);
			nb_pair_release(pair);
			return NB_NEW;
		}
		nb_pair_restart(pair, s);
		nb_count(NB_COUNT_INSERT);
		rc = NB_CONTINUE;
	}
	nb_pair_change_use(pair, NB_USE_BUSY, NB_USE_TAKEN);
	return rc;
}

#endif
