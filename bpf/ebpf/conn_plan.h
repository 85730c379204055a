/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_PLAN_H
#define NATBRIDGE_BPF_EBPF_CONN_PLAN_H

/*
 * What the connection of a first packet would be: whether it may begin, which backend it gets and
 * which path its packets take. Fills scratch; the table does not know of it yet (conn_create.h).
 */

#include "affinity.h"
#include "conntrack.h"
#include "fib.h"
#include "host_request.h"
#include "place.h"

/* To its own source and port (a LAND attack): both directions would be one entry. */
static __always_inline bool nb_tuple_is_land(const struct nb_tuple *tuple)
{
	return tuple->sport == tuple->dport && nb_addr_same(&tuple->src, &tuple->dst);
}

/*
 * Whether a packet may begin a connection, or pick one up in the middle (the kernel's tcp_loose). An
 * association of SCTP is not picked up, as a backend that does not know it would abort it: its packets
 * have SYN, or no flags at all.
 */
static __always_inline bool nb_may_begin_conn(const struct nb_pkt *pkt)
{
	enum nb_tcp_kind kind = nb_tcp_kind(pkt->tcp_flags);

	if (nb_tuple_is_land(&pkt->tuple))
		return false;
	return pkt->tuple.proto == IPPROTO_UDP ||
	       ((kind == NB_KIND_ACK || kind == NB_KIND_SYN) && nb_tcp_flags_valid(pkt->tcp_flags));
}

/* The client's entry after this packet, direct to the packet's own destination. */
static __always_inline void nb_plan_client(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	struct nb_conn *conn = &s->client.conn;
	__u32 state = NB_TCP_NONE;

	__builtin_memset(s, 0, offsetof(struct nb_scratch, chosen));
	s->client.key = pkt->tuple;
	conn->src = pkt->tuple.src;
	conn->dst = pkt->tuple.dst;
	conn->sport = pkt->tuple.sport;
	conn->dport = pkt->tuple.dport;
	conn->in_ifindex = pkt->ifindex;
	if (pkt->tuple.proto == IPPROTO_TCP) {
		state = nb_tcp_kind(pkt->tcp_flags) == NB_KIND_SYN ? NB_TCP_SYN_SENT : NB_TCP_ESTABLISHED;
		/* As nb_tcp_note() does in an entry that has seen no segment. */
		conn->seq = pkt->seq_end;
		if (pkt->tcp_flags & NB_ACK)
			conn->acked = pkt->ack;
	}
	conn->life = nb_life_with(nb_life_with_use(0, NB_USE_TAKEN), state, 0,
				  nb_deadline(state, 0, pkt->tuple.proto, pkt->now));
	if (pkt->tuple.proto == IPPROTO_SCTP)
		nb_sctp_plan(pkt, conn);
}

/* again: a connection had this tuple before. */
static __always_inline int nb_plan_backend(const struct nb_pkt *pkt, const struct nb_frontend *frontend,
					   bool again, struct nb_scratch *s)
{
	struct nb_conn *conn = &s->client.conn;
	struct nb_backend *backend = &s->chosen;
	int rc;

	/* One that is picked up in the middle most likely had the backend that the tuple selects. */
	again = again && nb_life_state(conn->life) != NB_TCP_ESTABLISHED;
	rc = nb_backend_choose(&pkt->tuple, frontend, again, backend);
	if (rc != NB_CONTINUE)
		return rc;
	if (frontend->affinity)
		nb_affinity(pkt, frontend, backend);
	conn->dst = backend->addr;
	conn->dport = backend->port;
	conn->flags = NB_CONN_SERVICE | NB_CONN_NAT | NB_CONN_TO_HOST | backend->flags;
	return NB_CONTINUE;
}

/*
 * Whether a packet may begin a connection to a frontend. What a pod answers to the node may look
 * like a packet to a NodePort: see host_request.h.
 */
static __always_inline int nb_frontend_admits(struct __sk_buff *skb, const struct nb_pkt *pkt,
					      const struct nb_frontend *frontend)
{
	enum nb_frontend_kind kind = nb_frontend_kind(frontend);

	if (pkt->tuple.proto == IPPROTO_UDP
		    ? kind != NB_CLUSTER_IP && nb_host_request_is_answered(pkt)
		    : nb_tcp_kind(pkt->tcp_flags) != NB_KIND_SYN &&
			      (kind == NB_NODE_PORT ||
			       (kind != NB_CLUSTER_IP && pkt->tuple.side != NB_SIDE_INSIDE &&
				nb_fib_not_forwarded(skb, pkt))))
		return NB_PASS;
	if (!nb_may_begin_conn(pkt))
		return nb_drop(NB_DROP_INVALID);
	if (frontend->flags & NB_FRONTEND_RANGES && !nb_source_in_ranges(&pkt->tuple.src, frontend->service))
		return nb_drop(NB_DROP_SOURCE_RANGE);
	return NB_CONTINUE;
}

/* NB_CONTINUE: the packet begins the connection *s. */
static __always_inline int nb_conn_plan(struct __sk_buff *skb, const struct nb_pkt *pkt, bool again,
					struct nb_scratch *s)
{
	/* Read before the frontend: a change in between is looked at by the next packet. */
	__u32 epoch = nb_settings.epoch;
	struct nb_frontend *frontend;
	int rc;

	rc = nb_plan_by_place(skb, pkt, s);
	if (rc != NB_NEW)
		return rc;
	if (pkt->later_fragment) /* its first fragment began no connection */
		return nb_is_vip(&pkt->tuple.dst) ? nb_drop(NB_DROP_FRAGMENT) : NB_PASS;
	frontend = nb_frontend_find(&pkt->tuple);
	if (!frontend)
		return nb_no_frontend(&pkt->tuple);
	if (frontend->flags & NB_FRONTEND_HOST && nb_fib_not_forwarded(skb, pkt))
		return NB_PASS;
	if (frontend->flags & NB_FRONTEND_SERVICE)
		rc = nb_frontend_admits(skb, pkt, frontend);
	else
		rc = nb_may_begin_conn(pkt) ? NB_CONTINUE : NB_PASS;
	if (rc != NB_CONTINUE)
		return rc;
	nb_plan_client(pkt, s);
	s->client.conn.checked = nb_tag(0, pkt->now & NB_SMALL_MASK, epoch);
	if (frontend->flags & NB_FRONTEND_SERVICE) {
		rc = nb_plan_backend(pkt, frontend, again, s);
		if (rc != NB_CONTINUE)
			return rc;
	}
	return nb_conn_choose_path(skb, pkt, s);
}

#endif
