/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_L4PORT_REMAP_H
#define NATBRIDGE_BPF_ASSIST_L4PORT_REMAP_H

/*
 * Mode assist: two connections with one tuple. A connection that the host translates can enter a
 * pod with the tuple of one that is switched to the pod: the host does not see that one, or it
 * would have chosen another source port itself. So the translated connection gets another source
 * port, or the echo another id, on its way into the pod, and its own one back in the answers.
 */

#include "bpf/lib/csum.h"
#include "bpf/lib/icmp_parse.h"

#include "flow.h"
#include "nf_ct.h"
#include "sctp.h"

enum {
	NB_L4PORT_REMAP_TRIES = 32,
	NB_L4PORT_REMAP_INSERTS = 3,   /* how often a port is looked for, should others be faster */
	NB_L4PORT_REMAP_FIRST = 61000, /* above what pods use (net.ipv4.ip_local_port_range) */
	NB_L4PORT_REMAP_PORTS = 65536 - NB_L4PORT_REMAP_FIRST,
};

/* ---- in the packet ---- */

/* The offset of the sender's or the receiver's port, or of the id, in the header at l4_off. */
static __always_inline __u32 nb_l4port_remap_off(const struct nb_pkt *pkt, __u32 l4_off, bool of_sender)
{
	if (!nb_is_tracked_proto(pkt->tuple.proto))
		return l4_off + NB_ICMP_ECHO_ID;
	return l4_off + (of_sender ? 0 : sizeof(__be16));
}

/* Rewrites the source port of a packet to a pod (of_sender), or the destination port of its answer. */
static __always_inline int nb_l4port_remap_write(struct __sk_buff *skb, const struct nb_pkt *pkt,
						 bool of_sender, __be16 port)
{
	__u32 check = pkt->l4_off + NB_ICMP_CSUM;
	__u64 flags = sizeof(port);

	if (pkt->tuple.proto == IPPROTO_SCTP)
		return nb_assist_write_sctp(skb, pkt, of_sender, port);
	if (pkt->tuple.proto == IPPROTO_TCP)
		check = pkt->l4_off + offsetof(struct tcphdr, check);
	if (pkt->tuple.proto == IPPROTO_UDP) {
		check = pkt->l4_off + offsetof(struct udphdr, check);
		flags |= BPF_F_MARK_MANGLED_0;
	}
	if (bpf_l4_csum_replace(skb, check, of_sender ? pkt->tuple.sport : pkt->tuple.dport, port, flags) ||
	    bpf_skb_store_bytes(skb, nb_l4port_remap_off(pkt, pkt->l4_off, of_sender), &port, sizeof(port),
				0))
		return nb_drop(NB_DROP_WRITE);
	return NB_CONTINUE;
}

/* Updates the checksum in the quoted header, if it is quoted. False: it is not. */
static __always_inline bool nb_l4port_remap_fix_quoted_check(struct __sk_buff *skb, const struct nb_pkt *pkt,
							     __be16 from, __be16 to)
{
	__u32 off;
	__u16 *at = nb_icmp_quoted_check(skb, pkt, &off), check;

	if (!at)
		return false;
	check = ~nb_csum_fold((__u16) ~*at + (__u16)~from + to);
	if (pkt->tuple.proto == IPPROTO_UDP && !check)
		check = 0xffff;
	return nb_store(skb, off, &check, sizeof(check));
}

/* The same in the packet that an ICMP error quotes: its tuple, swapped, is pkt->tuple. */
static __always_inline int nb_l4port_remap_write_quoted(struct __sk_buff *skb, const struct nb_pkt *pkt,
							bool of_sender, __be16 port)
{
	__be16 old = of_sender ? pkt->tuple.sport : pkt->tuple.dport;

	/* A quoted checksum makes up for the port in the sum over the message. */
	if ((!nb_l4port_remap_fix_quoted_check(skb, pkt, old, port) &&
	     bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, old, port, sizeof(port))) ||
	    bpf_skb_store_bytes(skb, nb_l4port_remap_off(pkt, pkt->quoted_l4_off, !of_sender), &port,
				sizeof(port), 0))
		return nb_drop(NB_DROP_WRITE);
	return NB_CONTINUE;
}

/* ---- in the table of flows ---- */

/* The tuple with which the packet's receiver answers if it sees this source port. */
static __always_inline void nb_l4port_remap_answer(const struct nb_pkt *pkt, __be16 port,
						   struct nb_tuple *answer)
{
	const struct nb_tuple *tuple = &pkt->tuple;
	__be16 dport = nb_is_tracked_proto(tuple->proto) ? tuple->dport : port;

	nb_tuple_swap(&tuple->src, &tuple->dst, port, dport, tuple->proto, answer);
}

/*
 * The flow that changes a new source port back in answers. *key, an NB_FLOW_KEY, becomes the flow's
 * key.
 */
static __always_inline union nb_flow_state nb_l4port_remap_flow(const struct nb_pkt *pkt, __be16 port,
								struct nb_tuple *key)
{
	union nb_flow_state flow = { .kind = NB_FLOW_REMAPPED };

	nb_l4port_remap_answer(pkt, port, key);
	if (nb_flow_order(key))
		flow.port[0] = pkt->tuple.sport;
	else
		flow.port[1] = pkt->tuple.sport;
	return flow;
}

enum nb_l4port_remap_state {
	NB_L4PORT_REMAP_NONE,  /* no flow has the key */
	NB_L4PORT_REMAP_THERE, /* the flow is there */
	NB_L4PORT_REMAP_OTHER, /* another one has the key */
};

/* Looks for the flow of a new source port. */
static __always_inline enum nb_l4port_remap_state nb_l4port_remap_look(const struct nb_pkt *pkt, __be16 port,
								       struct nb_tuple *key)
{
	union nb_flow_state flow = nb_l4port_remap_flow(pkt, port, key);
	struct nb_flow_ref found;

	if (!nb_flow_find(key, pkt->now, &found))
		return NB_L4PORT_REMAP_NONE;
	return nb_flow_is(&found.state, &flow) ? NB_L4PORT_REMAP_THERE : NB_L4PORT_REMAP_OTHER;
}

/* Inserts it. True: it is there now. False: another flow has the key. */
static __always_inline bool nb_l4port_remap_insert(const struct nb_pkt *pkt, __be16 port,
						   struct nb_tuple *key)
{
	union nb_flow_state flow = nb_l4port_remap_flow(pkt, port, key);

	return nb_flow_insert(key, pkt->now, flow.word, NB_FLOW_NONE);
}

struct nb_l4port_remap_search {
	struct __sk_buff *skb;
	const struct nb_pkt *pkt;
	__u32 start;
	__be16 first; /* tried first, unless it is 0 */
	__be16 port;  /* the one that was found; 0: none yet */
};

/* Chooses a port with which neither a flow nor the kernel's conntrack knows another connection. */
static long nb_l4port_remap_search_step(__u64 i, struct nb_l4port_remap_search *search)
{
	__be16 port = bpf_htons(NB_L4PORT_REMAP_FIRST + (search->start + (__u32)i) % NB_L4PORT_REMAP_PORTS);
	NB_FLOW_KEY key;

	if (!i && search->first)
		port = search->first;
	nb_l4port_remap_answer(search->pkt, port, &key);
	if (nb_nf_ct(search->skb, search->pkt->is_v4, &key) ||
	    nb_l4port_remap_look(search->pkt, port, &key) == NB_L4PORT_REMAP_OTHER)
		return 0;
	search->port = port;
	return 1;
}

/*
 * A new source port for a connection; 0: none is free. "first", if it is not 0, is the one that the
 * connection has had. The search begins at the same port each time, so that a connection whose flow
 * was lost most likely gets the port that it had.
 */
static __always_inline __be16 nb_l4port_remap_find(struct __sk_buff *skb, const struct nb_pkt *pkt,
						   __be16 first)
{
	struct nb_l4port_remap_search search = {
		.skb = skb,
		.pkt = pkt,
		.start = bpf_ntohs(pkt->tuple.sport) * 31 + bpf_ntohs(pkt->tuple.dport),
		.first = first,
	};

	bpf_loop(NB_L4PORT_REMAP_TRIES, nb_l4port_remap_search_step, &search, 0);
	if (search.port && search.port != first) {
		WRITE_ONCE(nb_runtime.renamed, 1);
		nb_count(NB_COUNT_PORT_CHANGED);
	}
	return search.port;
}

#endif
