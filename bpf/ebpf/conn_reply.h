/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_REPLY_H
#define NATBRIDGE_BPF_EBPF_CONN_REPLY_H

/*
 * A packet of TCP, UDP or SCTP that enters a pod from the host's IP stack. An answer of a connection of
 * that pod which goes through the host (via_host.h) is translated here.
 */

#include "conn_account.h"
#include "conn_again.h"
#include "conn_check.h"
#include "host_request.h"
#include "nat_sctp.h"
#include "place.h"

/* Whether a frame was switched here from another port of this network, where nb_from_pod saw it. */
static __always_inline bool nb_is_from_own_port(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ingress_ifindex, index = ifindex % NB_OWN_PORTS, *own;

	if (!ifindex)
		return false;
	own = bpf_map_lookup_elem(&own_ports, &index);
	return (own && *own == ifindex) || bpf_map_lookup_elem(&links, &ifindex);
}

/*
 * Whether an answer may enter this pod. The client's address may have another owner by now, if its
 * pod has gone. An address that no ADD gave may have moved to this port.
 */
static __always_inline int nb_reply_check(struct nb_pkt *pkt, struct nb_conn *conn)
{
	struct nb_port *client = nb_port_at(conn->out_slot);
	bool gone;

	if (!client)
		return NB_PASS;
	gone = (READ_ONCE(client->gen) & ~NB_GEN_CUT) != conn->out_gen;
	/*
	 * An answer of a pod was tracked at that pod's port already. If it was the connection's
	 * last packet, the entry has expired, and the answer must still reach the client.
	 */
	if (nb_life_expired(pkt->life, pkt->now) && (!conn->in_ifindex || gone))
		return NB_PASS;
	if (gone)
		return nb_conn_receiver_gone(pkt, conn);
	if (client->ifindex != pkt->ifindex && nb_addr_of_other_port(&pkt->tuple.dst, pkt->ifindex))
		return NB_PASS; /* a flooded frame */
	return NB_CONTINUE;
}

/* An answer, by the entry that was found. NB_AGAIN: the entry serves another connection by now. */
static __always_inline int nb_reply_receive(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					    __u32 entry_id)
{
	bool seen = conn->in_ifindex; /* and counted, at the port of the pod that sent it */
	__u16 flags = conn->flags;
	int rc = NB_PASS;

	if (!nb_conn_is_usable(pkt, pkt->life))
		return NB_AGAIN;
	if (nb_conn_via_host_reply(flags))
		rc = nb_reply_check(pkt, conn);
	if (rc == NB_CONTINUE && !seen)
		rc = nb_conn_track(pkt, conn, entry_id);
	if (rc == NB_CONTINUE && flags & NB_CONN_NAT)
		rc = nb_conn_translate(skb, pkt, conn, NULL);
	else if (!nb_conn_is_same(conn, pkt))
		return NB_AGAIN;
	if (rc == NB_CONTINUE && !seen)
		nb_account_add(pkt, entry_id);
	if (rc == NB_NEW)
		nb_pair_end(entry_id / 2, pkt->life, nb_end_reason(pkt->life, pkt->now));
	return rc;
}

static __always_inline int nb_conn_to_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_entry *entry;
	__s64 entry_id;
	int rc;

	pkt->hash = nb_conn_hash(NULL, &pkt->tuple);
	entry = nb_index_entry(NULL, &pkt->tuple, pkt->hash, &entry_id, &pkt->life);
	for (int i = 0; entry && i < NB_CONN_TRIES; i++) {
		rc = nb_reply_receive(skb, pkt, &entry->conn, entry_id);
		if (rc != NB_AGAIN)
			return rc;
		entry = nb_conn_again(pkt, &entry_id);
	}
	return entry ? nb_drop(NB_COUNT_INSERT_FAILED) : nb_host_request_note(pkt);
}

#endif
