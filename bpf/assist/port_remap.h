/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_PORT_REMAP_H
#define NATBRIDGE_BPF_ASSIST_PORT_REMAP_H

/*
 * Mode assist: a connection that the host translates arrives at a pod with the very tuple of one that is
 * switched (the host does not know of that one, or it would have taken another source port itself). It gets
 * another source port, or id of an echo, on its way into the pod, and its own again on the way back.
 */

#include "bpf/lib/icmp_parse.h"

#include "flow.h"
#include "nf_ct.h"

enum {
	NB_PORT_REMAP_TRIES = 32,
	NB_RENAME_FIRST = 61000, /* above what pods take by themselves (net.ipv4.ip_local_port_range) */
	NB_RENAME_PORTS = 65536 - NB_RENAME_FIRST,
	NB_ECHO_ID = 4, /* offset in the ICMP header */
};

/* Where the port, or id, of the sender or the receiver stands. */
static __always_inline __u32 nb_l4port_off(const struct nb_pkt *pkt, __u32 l4_off, bool of_sender)
{
	if (!nb_is_tracked_proto(pkt->tuple.proto))
		return l4_off + NB_ECHO_ID;
	return l4_off + (of_sender ? 0 : sizeof(__be16));
}

/* Changes the source port of a packet to a pod (of_sender), or the destination port of one that it sends. */
static __always_inline int nb_l4port_change(struct __sk_buff *skb, const struct nb_pkt *pkt, bool of_sender,
					    __be16 port)
{
	__u32 check = pkt->l4_off + NB_ICMP_CSUM;
	__u64 flags = sizeof(port);

	if (pkt->tuple.proto == IPPROTO_TCP)
		check = pkt->l4_off + offsetof(struct tcphdr, check);
	if (pkt->tuple.proto == IPPROTO_UDP) {
		check = pkt->l4_off + offsetof(struct udphdr, check);
		flags |= BPF_F_MARK_MANGLED_0;
	}
	if (bpf_l4_csum_replace(skb, check, of_sender ? pkt->tuple.sport : pkt->tuple.dport, port, flags) ||
	    bpf_skb_store_bytes(skb, nb_l4port_off(pkt, pkt->l4_off, of_sender), &port, sizeof(port), 0))
		return nb_drop(NB_DROP_WRITE);
	return NB_CONTINUE;
}

/* Brings the checksum of the quoted header, if it is quoted and not 0, in line with a changed port. False:
 * there is none. */
static __always_inline bool nb_quote_check(struct __sk_buff *skb, const struct nb_pkt *pkt, __be16 from,
					   __be16 to)
{
	bool udp = pkt->tuple.proto == IPPROTO_UDP;
	__u32 off = pkt->quote_l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	__u16 *at, check;

	if (off + sizeof(check) > pkt->end)
		return false;
	at = nb_bytes(skb, off, sizeof(check));
	if (!at || (udp && !*at))
		return false;
	check = ~nb_csum_fold((__u16) ~*at + (__u16)~from + to);
	if (udp && !check)
		check = 0xffff;
	return !bpf_skb_store_bytes(skb, off, &check, sizeof(check), 0);
}

/* The same in what an ICMP error quotes, whose tuple, swapped, is pkt->tuple. */
static __always_inline int nb_quote_l4port_change(struct __sk_buff *skb, const struct nb_pkt *pkt,
						  bool of_sender, __be16 port)
{
	__be16 old = of_sender ? pkt->tuple.sport : pkt->tuple.dport;

	/* With its checksum, the sum of the quote stays what it is. */
	if ((!nb_quote_check(skb, pkt, old, port) &&
	     bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, old, port, sizeof(port))) ||
	    bpf_skb_store_bytes(skb, nb_l4port_off(pkt, pkt->quote_l4, !of_sender), &port, sizeof(port), 0))
		return nb_drop(NB_DROP_WRITE);
	return NB_CONTINUE;
}

/* What the receiver of *pkt answers if it sees that source port. */
static __always_inline void nb_port_remap_answer(const struct nb_pkt *pkt, __be16 port,
						 struct nb_tuple *answer)
{
	const struct nb_tuple *tuple = &pkt->tuple;
	__be16 dport = nb_is_tracked_proto(tuple->proto) ? tuple->dport : port;

	nb_tuple_swap(&tuple->src, &tuple->dst, port, dport, tuple->proto, answer);
}

/*
 * Enters the flow that turns a new source port back into the old one, unless the tuple is another's; it may
 * be there already. *answer: what the receiver of *pkt answers then; becomes the flow's key. Not "enter":
 * only says whether it could be.
 */
static __always_inline bool nb_port_remap_enter(const struct nb_pkt *pkt, struct nb_tuple *answer, bool enter)
{
	__u32 end = nb_flow_order(answer);
	__be16 first = end ? pkt->tuple.sport : 0, second = end ? 0 : pkt->tuple.sport;
	struct nb_flow *found = nb_flow_find(answer, pkt->now).flow;

	if (found)
		return found->kind == NB_FLOW_RENAMED && found->port[0] == first && found->port[1] == second;
	return !enter || nb_flow_put(answer, pkt->now, NB_FLOW_RENAMED, first, second);
}

struct nb_port_remap_search {
	struct __sk_buff *skb;
	const struct nb_pkt *pkt;
	__u32 start;
	__be16 port; /* found; 0: none as yet */
};

/* Takes a port if neither a flow nor the kernel's conntrack knows a connection with it. */
static long nb_port_remap_try(__u64 i, struct nb_port_remap_search *search)
{
	__be16 port = bpf_htons(NB_RENAME_FIRST + (search->start + (__u32)i) % NB_RENAME_PORTS);
	struct nb_tuple answer;

	nb_port_remap_answer(search->pkt, port, &answer);
	if ((nb_is_tracked_proto(answer.proto) && nb_nf_ct(search->skb, search->pkt->is_v4, &answer)) ||
	    !nb_port_remap_enter(search->pkt, &answer, false))
		return 0;
	search->port = port;
	return 1;
}

/* A new source port for a connection; 0: none is free. The same one first each time, should it be lost. */
static __always_inline __be16 nb_port_remap_find(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_port_remap_search search = {
		.skb = skb,
		.pkt = pkt,
		.start = bpf_ntohs(pkt->tuple.sport) * 31 + bpf_ntohs(pkt->tuple.dport),
	};

	bpf_loop(NB_PORT_REMAP_TRIES, nb_port_remap_try, &search, 0);
	if (search.port) {
		nb_runtime.renamed = 1;
		nb_count(NB_COUNT_PORT_CHANGED);
	}
	return search.port;
}

#endif
