/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_FORWARD_H
#define NATBRIDGE_BPF_EBPF_CONN_FORWARD_H

/*
 * A packet of TCP or UDP that a pod sends, by the entry of its connection:
 *
 *   check -> track -> translate -> deliver
 *
 * or, if no entry can serve it, by a new connection (conn_create.h).
 */

#include "conn_check.h"
#include "conn_create.h"

/* Translates and delivers a packet. out: the port of its receiver. */
static __always_inline int nb_conn_send(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					struct nb_port *out)
{
	int rc;

	if (!(conn->flags & NB_CONN_NAT))
		return NB_PASS;
	if (nb_conn_reply_to_host(conn))
		return nb_pass_to_host(skb);
	rc = nb_translate(skb, pkt, conn, nb_deliver_port(conn, out));
	return rc == NB_CONTINUE ? nb_deliver(skb, conn, out) : rc;
}

/* rc: why the entry does not serve the packet. */
static __always_inline int nb_conn_not_served(struct __sk_buff *skb, struct nb_pkt *pkt, __u32 entry_id,
					      int rc)
{
	if (rc == NB_TO_HOST)
		return nb_pass_to_host(skb);
	if (rc == nb_drop(NB_DROP_BACKEND_GONE))
		nb_pair_end(entry_id, &pkt->tuple);
	return rc;
}

/* NB_NEW: the entry cannot serve the packet, which begins a connection. */
static __always_inline int nb_conn_forward(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					   __u32 entry_id)
{
	struct nb_port *out = NULL;
	int rc = nb_conn_check(skb, pkt, conn, &out);

	if (rc != NB_CONTINUE)
		return nb_conn_not_served(skb, pkt, entry_id, rc);
	rc = nb_conn_track(pkt, conn, entry_id);
	return rc == NB_CONTINUE && out ? nb_conn_send(skb, pkt, conn, out) : rc;
}

/* Sends the first packet of the connection that nb_conn_create() has just made. */
static __always_inline int nb_conn_send_first(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_scratch *s = nb_scratch();
	struct nb_port *out = s ? nb_port_at(s->fwd.out_slot) : NULL;

	return out ? nb_conn_send(skb, pkt, &s->fwd, out) : nb_drop(NB_DROP_GONE);
}

/* The client's entry that another CPU made, by nb_conn_create(). NULL: it is gone again. */
static __always_inline struct nb_entry *nb_entry_of_other_cpu(const struct nb_pkt *pkt, __s64 *entry_id)
{
	struct nb_scratch *s = nb_scratch();
	struct nb_entry *entry;

	if (!s)
		return NULL;
	*entry_id = s->entry_id;
	entry = nb_entry_at(NULL, *entry_id);
	return entry && nb_key_same(&entry->key, &pkt->tuple) ? entry : NULL;
}

static __always_inline int nb_conn_from_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	__s64 entry_id, old = NB_OLD_NONE;
	struct nb_entry *entry;
	int rc;

	pkt->hash = nb_conn_hash(NULL, &pkt->tuple);
	entry = nb_index_entry(NULL, &pkt->tuple, pkt->hash, 0, &entry_id);
	for (int i = 0; i < 3; i++) {
		if (entry) {
			rc = nb_conn_forward(skb, pkt, &entry->conn, entry_id);
			if (rc != NB_NEW)
				return rc;
			old = entry_id;
		}
		rc = nb_conn_create(skb, pkt, old);
		if (rc == NB_CONTINUE)
			rc = nb_conn_send_first(skb, pkt);
		if (rc != NB_EXISTS)
			return rc;
		if (old >= 0)
			old = NB_OLD_GONE;
		entry = nb_entry_of_other_cpu(pkt, &entry_id);
	}
	return nb_drop(NB_COUNT_INSERT_FAILED);
}

#endif
