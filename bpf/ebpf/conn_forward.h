/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_FORWARD_H
#define NATBRIDGE_BPF_EBPF_CONN_FORWARD_H

/*
 * A packet of TCP, UDP or SCTP that a pod sends, by the entry of its connection:
 *
 *   check -> track -> translate -> deliver
 *
 * or, if no entry can serve it, by a new connection (conn_create.h).
 */

#include "bpf/lib/redirect.h"

#include "conn_account.h"
#include "conn_again.h"
#include "conn_check.h"
#include "conn_create.h"
#include "nat_sctp.h"
#include "place.h"

/*
 * Translates and delivers a packet. out: the port of its receiver. All that the packet needs is read
 * before nb_conn_translate(), or this function, looks whether the entry still serves the connection.
 */
static __always_inline int nb_conn_send(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					struct nb_port *out)
{
	__u32 receiver = nb_conn_receiver(conn, out);
	__u16 flags = conn->flags;
	int rc;

	if (!(flags & NB_CONN_NAT) || nb_conn_reply_to_host(flags)) {
		if (!nb_conn_is_same(conn, pkt))
			return NB_AGAIN;
		return flags & NB_CONN_NAT ? nb_pass_to_host(skb) : NB_PASS;
	}
	rc = nb_conn_translate(skb, pkt, conn, nb_deliver_port(flags, out));
	return rc == NB_CONTINUE ? nb_deliver(skb, pkt, flags, receiver) : rc;
}

/* rc: why the entry does not serve the packet. */
static __always_inline int nb_conn_not_served(struct __sk_buff *skb, struct nb_pkt *pkt,
					      const struct nb_conn *conn, __u32 entry_id, int rc)
{
	if (!nb_conn_is_same(conn, pkt))
		return NB_AGAIN;
	if (rc == NB_TO_HOST)
		return nb_pass_to_host(skb);
	if (rc == nb_drop(NB_DROP_BACKEND_GONE))
		nb_pair_end(entry_id / 2, pkt->life, NB_END_GONE);
	return rc;
}

/*
 * NB_NEW: the entry cannot serve the packet, which begins a connection. NB_AGAIN: the entry serves
 * another connection by now.
 */
static __always_inline int nb_conn_forward(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					   __u32 entry_id)
{
	struct nb_port *out = NULL;
	int rc = nb_conn_check(skb, pkt, conn, &out);

	if (rc == NB_CONTINUE)
		rc = nb_conn_track(pkt, conn, entry_id);
	if (rc != NB_CONTINUE || !out)
		return nb_conn_not_served(skb, pkt, conn, entry_id, rc);
	rc = nb_conn_send(skb, pkt, conn, out);
	if (rc != NB_AGAIN)
		nb_account_add(pkt, entry_id);
	return rc;
}

/* Sends the first packet of the connection that nb_conn_create() has just made. */
static __always_inline int nb_conn_send_first(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_scratch *s = nb_scratch();
	struct nb_port *out = s ? nb_port_at(s->client.conn.out_slot) : NULL;

	if (!out)
		return nb_drop(NB_DROP_GONE);
	pkt->life = s->client.conn.life;
	return nb_conn_send(skb, pkt, &s->client.conn, out);
}

/*
 * Whether a packet without a connection may begin one: not what a pod answers to a client that connects to
 * it directly, for instance.
 */
static __always_inline bool nb_may_be_request(const struct nb_pkt *pkt)
{
	return nb_l4port_is_known(pkt->tuple.dport) || nb_may_be_vip(&pkt->tuple.dst) ||
	       pkt->tuple.side == NB_SIDE_LEAVING; /* which host_request.h wants to see */
}

static __always_inline int nb_conn_from_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	__s64 entry_id, old = NB_OLD_NONE;
	struct nb_entry *entry;
	int rc;

	pkt->hash = nb_conn_hash(NULL, &pkt->tuple);
	entry = nb_index_entry(NULL, &pkt->tuple, pkt->hash, &entry_id, &pkt->life);
	if (!entry && !nb_may_be_request(pkt))
		return NB_PASS;
	for (int i = 0; i < NB_CONN_TRIES; i++) {
		rc = NB_NEW;
		if (entry)
			rc = nb_conn_forward(skb, pkt, &entry->conn, entry_id);
		if (rc >= NB_PASS) /* almost always */
			return rc;
		if (rc == NB_NEW) {
			old = entry ? entry_id : old;
			rc = nb_conn_create(skb, pkt, old);
			old = old >= 0 ? NB_OLD_GONE : old;
		}
		if (rc == NB_CONTINUE)
			rc = nb_conn_send_first(skb, pkt);
		if (rc != NB_AGAIN)
			return rc;
		entry = nb_conn_again(pkt, &entry_id);
	}
	return nb_drop(NB_COUNT_INSERT_FAILED);
}

#endif
