// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The datapath of one network: the programs on the host-side veth of every pod, and the order of the stages.
 *
 *   parse -> fragment -> related ICMP -> conntrack -> (service -> new connection) -> NAT -> forward
 *
 * nb_from_pod sees what a pod sends, before the bridge does: it translates what goes to a frontend, and what
 * a backend answers. nb_to_pod sees what a pod is sent through the bridge: it translates the answers that
 * come by the host's IP stack. What is neither is passed on untouched.
 */
#include "create.h"
#include "parse.h"
#include "reject.h"
#include "related.h"
#include "removed.h"
#include "repair.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* An entry was found, but its packets come from another port. */
__noinline int nb_wrong_port(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	struct nb_endpoint *sender;
	struct nb_port *port;
	struct nb_addr addr;
	__u32 ifindex;

	if (!pkt || !conn)
		return NB_PASS;
	ifindex = conn->in_ifindex;
	if (ifindex && !bpf_map_lookup_elem(&links, &ifindex))
		return NB_NEW; /* the port is gone: the address has a new owner, the entry is of no use */
	/* The backend became a pod of this bridge after the connection began: it goes on through the host. */
	addr = pkt->tuple.src;
	sender = ifindex ? NULL : bpf_map_lookup_elem(&endpoints, &addr);
	port = sender ? nb_port_of_slot(sender->slot) : NULL;
	if (port && port->ifindex == pkt->ifindex && conn->flags & NB_CONN_REPLY) {
		conn->in_ifindex = pkt->ifindex;
		return NB_CONTINUE;
	}
	return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_NOT_ITS_PORT) : NB_PASS;
}

/* What can change the state of the connection, or must be written down. NB_NEW: it begins anew. */
__noinline int nb_update(struct nb_pkt *pkt, struct nb_conn *conn)
{
	struct nb_tuple other_key;
	struct nb_conn *other;
	int rc;

	if (!pkt || !conn)
		return NB_PASS;
	if (pkt->tuple.proto == IPPROTO_TCP && !nb_tcp_flags_valid(pkt->tcp_flags))
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_INVALID) : NB_PASS;
	nb_conn_other_key(conn, pkt->tuple.proto, &other_key);
	other = bpf_map_lookup_elem(&conntrack, &other_key);
	if (!other || !nb_conn_paired(other, &pkt->tuple))
		return nb_repair(pkt, conn);
	rc = nb_conn_step(pkt, conn, other);
	if (rc == NB_NEW)
		nb_conn_delete(&pkt->tuple, conn);
	return rc;
}

static __always_inline int nb_track(struct nb_pkt *pkt, struct nb_conn *conn)
{
	int rc;

	if (pkt->later)
		return NB_CONTINUE;
	if (!(conn->flags & NB_CONN_STEADY) || nb_conn_due(conn, pkt) ||
	    (pkt->tuple.proto == IPPROTO_TCP && nb_tcp_special(pkt))) {
		rc = nb_update(pkt, conn);
		if (rc != NB_CONTINUE)
			return rc;
	}
	if (pkt->tuple.proto == IPPROTO_TCP)
		nb_tcp_note(pkt, conn);
	return NB_CONTINUE;
}

static __always_inline int nb_send(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
				   struct nb_port *out)
{
	int rc;

	if (!(conn->flags & NB_CONN_NAT))
		return NB_PASS;
	if (nb_conn_unfinished(conn))
		return nb_to_host(skb);
	rc = nb_translate(skb, pkt, conn);
	return rc == NB_CONTINUE ? nb_deliver(skb, conn, out) : rc;
}

/* Whether the entry that was found serves this packet; NB_NEW: it is of no use any more. */
static __always_inline int nb_check(struct nb_pkt *pkt, struct nb_conn *conn, struct nb_port **out)
{
	int rc;

	if (nb_conn_expired(conn, pkt->now))
		return NB_NEW;
	*out = nb_conn_receiver(conn, pkt->now);
	if (!*out)
		return nb_receiver_gone(pkt, conn);
	if (conn->in_ifindex != pkt->ifindex) {
		rc = nb_wrong_port(pkt, conn);
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

static __always_inline int nb_forward(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn)
{
	struct nb_port *out = NULL;
	int rc = nb_check(pkt, conn, &out);

	if (rc == NB_NEW || rc == nb_drop(NB_DROP_BACKEND_GONE))
		nb_conn_delete(&pkt->tuple, conn);
	if (rc == NB_CONTINUE)
		rc = nb_track(pkt, conn);
	return rc == NB_CONTINUE && out ? nb_send(skb, pkt, conn, out) : rc;
}

/* The first packet of a connection goes by the entry that nb_create() has just put together. */
static __always_inline int nb_send_first(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	__u32 zero = 0;
	struct nb_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct nb_port *out = s ? nb_port_of_slot(s->fwd.out_slot) : NULL;

	return out ? nb_send(skb, pkt, &s->fwd, out) : nb_drop(NB_DROP_GONE);
}

/* A packet of TCP or UDP, by the entry of its connection or by a new one. */
static __always_inline int nb_connection(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	bool again = false;
	int rc;

	for (int i = 0; i < 2; i++) {
		struct nb_conn *conn = bpf_map_lookup_elem(&conntrack, &pkt->tuple);

		if (conn) {
			rc = nb_forward(skb, pkt, conn);
			if (rc != NB_NEW)
				return rc;
			again = true;
		}
		rc = nb_create(pkt, again);
		if (rc == NB_CONTINUE)
			rc = nb_send_first(skb, pkt);
		if (rc != NB_EXISTS)
			return rc;
	}
	return nb_drop(NB_COUNT_INSERT_FAILED);
}

SEC("tc")
int nb_from_pod(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int verdict, rc = nb_parse(skb, &pkt, false);

	if (rc == NB_CONTINUE && nb_is_tracked_proto(pkt.tuple.proto))
		rc = nb_connection(skb, &pkt);
	else if (rc == NB_CONTINUE)
		rc = nb_related_from_pod(skb, &pkt);
	verdict = nb_verdict(rc);
	return nb_is_reject(rc) ? nb_reject(skb, &pkt) : verdict;
}

/* Whether a frame was switched here from a pod of this network: nb_from_pod has seen to it there. */
static __always_inline bool nb_from_own_port(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ingress_ifindex;

	return ifindex && bpf_map_lookup_elem(&links, &ifindex);
}

/* A packet of TCP or UDP that comes by the host. An answer of a connection of this pod's is translated. */
static __always_inline int nb_answer(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_conn *conn = bpf_map_lookup_elem(&conntrack, &pkt->tuple);
	struct nb_port *client;
	int rc;

	if (!conn || !nb_conn_unfinished(conn))
		return NB_PASS;
	/* An answer of a pod was tracked at that pod's port, and may have been the connection's last packet.
	 */
	client = conn->in_ifindex ? nb_port_of_slot(conn->out_slot) : nb_conn_receiver(conn, pkt->now);
	if (!client || client->gen != conn->out_gen || client->ifindex != pkt->ifindex)
		return NB_PASS;
	rc = conn->in_ifindex ? NB_CONTINUE : nb_track(pkt, conn);
	return rc == NB_CONTINUE && conn->flags & NB_CONN_NAT ? nb_translate(skb, pkt, conn) : rc;
}

SEC("tc")
int nb_to_pod(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int rc;

	if (nb_from_own_port(skb))
		return NB_PASS;
	rc = nb_parse(skb, &pkt, true);
	if (rc == NB_CONTINUE && nb_is_tracked_proto(pkt.tuple.proto))
		rc = nb_answer(skb, &pkt);
	else if (rc == NB_CONTINUE)
		rc = nb_related_to_pod(skb, &pkt);
	return nb_verdict(rc == NB_CONTINUE ? NB_PASS : rc);
}
