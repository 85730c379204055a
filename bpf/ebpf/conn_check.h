/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_CHECK_H
#define NATBRIDGE_BPF_EBPF_CONN_CHECK_H

/* What a packet's own entry says about it, and what the packet does to the entry. */

#include "fib.h"
#include "removed.h"

/*
 * An entry was found, but the packet comes from another port than its packets did. An address that an ADD
 * gave belongs to that pod's port alone. Any other address (a floating one, a second one, one behind a router
 * pod) belongs to the port that uses it now, as on any bridge, if the host looks for it there: a client that
 * has moved begins anew, and what a backend answers takes the host's path, by which the connection was made.
 */
__noinline int nb_other_port(struct __sk_buff *skb, const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	if (!pkt || !conn)
		return NB_PASS;
	if (nb_is_of_other(&pkt->tuple.src, pkt->ifindex))
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_NOT_ITS_PORT) : NB_PASS;
	if (!(conn->flags & NB_CONN_REPLY) || conn->in_ifindex)
		return NB_NEW;
	if (!(conn->flags & NB_CONN_UP))
		return NB_CONTINUE;
	/* The client's port tracks the answer when the host has routed it. */
	return nb_sender_is_known(skb, pkt) ? NB_UP : nb_drop(NB_DROP_NOT_ITS_PORT);
}

/* What can change the state of the connection, or must be written down. NB_NEW: it begins anew. */
__noinline int nb_conn_update(struct nb_pkt *pkt, __u32 slot)
{
	struct nb_pair *pair = nb_pair_at(slot / 2);
	struct nb_conn *conn;
	bool look;
	int rc;

	if (!pkt || !pair)
		return NB_PASS;
	conn = &pair->dir[slot & 1].conn;
	if (pkt->tuple.proto == IPPROTO_TCP && !nb_tcp_flags_valid(pkt->tcp_flags))
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_INVALID) : NB_PASS;
	/* Once a second, and until an answer has come, it is seen to that the other direction is found as
	 * well. */
	look = !(conn->flags & NB_CONN_SEEN_REPLY) || nb_conn_due(conn, pkt);
	rc = nb_conn_step(pkt, conn, &pair->dir[~slot & 1].conn);
	if (rc != NB_CONTINUE)
		return rc;
	if (look && nb_pair_repair(pair, slot ^ 1))
		nb_count(NB_COUNT_REPAIRED);
	if (pkt->tuple.proto == IPPROTO_TCP)
		nb_tcp_note(pkt, conn);
	return NB_CONTINUE;
}

/* slot: of the entry that conn is in. */
static __always_inline int nb_conn_track(struct nb_pkt *pkt, struct nb_conn *conn, __u32 slot)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (pkt->later)
		return NB_CONTINUE;
	if (!(conn->flags & NB_CONN_STEADY) || nb_conn_due_steady(conn, pkt) || (tcp && nb_tcp_special(pkt)))
		return nb_conn_update(pkt, slot);
	if (tcp)
		nb_tcp_note_segment(pkt, conn, true);
	return NB_CONTINUE;
}

/* Whether the entry that was found serves this packet; NB_NEW: it is of no use any more. */
static __always_inline int nb_conn_check(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					 struct nb_port **out)
{
	int rc;

	if (nb_conn_expired(conn, pkt->now))
		return NB_NEW;
	*out = nb_conn_receiver(conn, pkt->now);
	if (!*out)
		return nb_receiver_gone(pkt, conn);
	if (conn->in_ifindex != pkt->ifindex) {
		rc = nb_other_port(skb, pkt, conn);
		if (rc != NB_CONTINUE)
			return rc;
	}
	if (conn->epoch != nb_settings.epoch &&
	    (conn->flags & (NB_CONN_SERVICE | NB_CONN_REPLY)) == NB_CONN_SERVICE) {
		rc = nb_conn_recheck(pkt, conn);
		if (rc != NB_CONTINUE)
			return rc;
	}
	return NB_CONTINUE;
}

#endif
