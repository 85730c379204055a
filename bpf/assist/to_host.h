/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_TO_HOST_H
#define NATBRIDGE_BPF_ASSIST_TO_HOST_H

/*
 * Mode assist: decides whether a packet that a pod sends goes to the host's IP stack, which
 * translates it, although the frame is addressed to another port, to which the bridge would switch
 * it.
 */

#include "bpf/lib/fragment.h"
#include "bpf/lib/parse.h"

#include "direct_cache.h"
#include "icmp.h"
#include "l4port_remap.h"
#include "nf_ct.h"
#include "redirect.h"
#include "vip_cache.h"

/* Whom a frame is addressed to. */
enum nb_assist_receiver { NB_RECEIVER_GROUP, NB_RECEIVER_BRIDGE, NB_RECEIVER_PORT };

static __always_inline enum nb_assist_receiver nb_assist_receiver(struct __sk_buff *skb)
{
	__be16 *dst = nb_bytes(skb, 0, ETH_HLEN);
	volatile __be16 *bridge = (volatile __be16 *)nb_settings.bridge_mac;

	if (!dst || *(__u8 *)dst & 1)
		return NB_RECEIVER_GROUP;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (dst[i] != bridge[i])
			return NB_RECEIVER_PORT;
	return NB_RECEIVER_BRIDGE;
}

/* Gives a packet to the host, and the later fragments of its datagram (nb_fragment_find()). */
static __always_inline int nb_assist_to_host(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	int rc;

	if (pkt->fragment && !pkt->later_fragment && !pkt->quoted_off)
		nb_fragment_note(pkt);
	nb_count(NB_COUNT_ASSISTED);
	rc = nb_pass_to_host(skb);
	return rc == NB_PASS ? nb_assist_redirect_host(skb) : rc;
}

/* A packet that is addressed to the bridge: past the bridge, if it goes to a known frontend. */
static __always_inline int nb_assist_to_bridge(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	if (pkt->fragment || nb_assist_parse_l4(skb, pkt) != NB_CONTINUE)
		return NB_PASS;
	return nb_vip_cache_has(&pkt->tuple) ? nb_assist_redirect_host(skb) : NB_PASS;
}

/*
 * Whether the host has to see a packet that belongs to no known flow: it translates the packet's
 * connection, or one to which the answers would seem to belong; then the host gives this one
 * another source port. A closed connection is no obstacle to a new one.
 */
static __always_inline bool nb_assist_host_translates(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_tuple answer;
	enum nb_nf_ct other;

	if (nb_nf_ct(skb, pkt->is_v4, &pkt->tuple))
		return true;
	nb_tuple_swap(&pkt->tuple.src, &pkt->tuple.dst, pkt->tuple.sport, pkt->tuple.dport, pkt->tuple.proto,
		      &answer);
	other = nb_nf_ct(skb, pkt->is_v4, &answer);
	return other == NB_NF_CT_NAT || (other == NB_NF_CT_NAT_CLOSED && !nb_is_syn(pkt));
}

/* An answer in a flow that came from the host goes back there, with the port that was remapped. */
static __always_inline int nb_assist_return(struct __sk_buff *skb, const struct nb_pkt *pkt,
					    const union nb_flow_state *flow, __u32 end)
{
	__be16 port = nb_flow_port(flow, !end);
	int rc = NB_CONTINUE;

	if (flow->kind == NB_FLOW_REMAPPED) {
		if (!port) /* no answer, but a direct connection that uses the remapped port */
			return nb_drop(NB_DROP_NO_PORT);
		rc = pkt->quoted_off ? nb_l4port_remap_write_quoted(skb, pkt, false, port)
				     : nb_l4port_remap_write(skb, pkt, false, port);
	}
	return rc == NB_CONTINUE ? nb_assist_to_host(skb, pkt) : rc;
}

/*
 * Whether a flow still tells where its packets go. What the kernel's conntrack translates is looked
 * up there again after a tick. The port of a remapped flow is free for a direct connection as soon
 * as the translated one is over.
 */
static __always_inline bool nb_assist_flow_usable(struct __sk_buff *skb, const struct nb_pkt *pkt,
						  const struct nb_flow_ref *ref, __u32 end)
{
	const union nb_flow_state *flow = &ref->state;
	struct nb_tuple answer;

	if (flow->kind == NB_FLOW_VIA_HOST)
		return !nb_is_tcp_or_udp(pkt->tuple.proto) || (ref->seen == pkt->now && !nb_is_syn(pkt));
	if (flow->kind != NB_FLOW_REMAPPED || nb_flow_port(flow, !end) ||
	    (pkt->tuple.proto == IPPROTO_TCP && !nb_is_syn(pkt)))
		return true;
	nb_tuple_swap(&pkt->tuple.src, &pkt->tuple.dst, nb_flow_port(flow, end), pkt->tuple.dport,
		      pkt->tuple.proto, &answer);
	return nb_nf_ct(skb, pkt->is_v4, &answer) == NB_NF_CT_NAT;
}

/*
 * Whether a packet of no known flow begins one. RST and FIN end a flow and begin none. Of SCTP, what is
 * no INIT may be an answer to the host: the next packet from there shows it.
 */
static __always_inline bool nb_assist_begins(const struct nb_pkt *pkt)
{
	if (pkt->quoted_off)
		return false;
	return pkt->tuple.proto == IPPROTO_SCTP ? pkt->tcp_flags & NB_SYN
						: !(pkt->tcp_flags & (NB_RST | NB_FIN));
}

/* A packet of TCP, UDP or SCTP to another pod, or an ICMP error about one. */
static __always_inline int nb_assist_conn(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	NB_FLOW_KEY key;
	__u32 end = nb_flow_key(&pkt->tuple, &key);
	struct nb_flow_ref ref;
	const union nb_flow_state *flow = &ref.state;

	if (nb_flow_find(&key, pkt->now, &ref) && nb_assist_flow_usable(skb, pkt, &ref, end)) {
		if (!pkt->quoted_off && (flow->kind != NB_FLOW_REMAPPED || nb_flow_port(flow, !end)))
			nb_flow_seen(pkt, &ref, end);
		if (flow->kind != NB_FLOW_DIRECT)
			return nb_assist_return(skb, pkt, flow, end);
		if (!pkt->quoted_off && !pkt->fragment)
			nb_direct_cache_note(pkt);
		return NB_PASS;
	}
	if (nb_assist_host_translates(skb, pkt)) {
		if (!pkt->quoted_off)
			nb_flow_begin(pkt, &key, NB_FLOW_VIA_HOST, &ref);
		return nb_assist_to_host(skb, pkt);
	}
	if (nb_assist_begins(pkt))
		nb_flow_begin(pkt, &key, NB_FLOW_DIRECT, &ref);
	return NB_PASS;
}

/* An echo request or reply to another pod. The request has shown to which flow the reply belongs. */
__noinline int nb_assist_echo(struct __sk_buff *skb, struct nb_pkt *pkt, bool request)
{
	struct nb_flow_ref ref;
	NB_FLOW_KEY key;
	__u32 end;

	if (!pkt)
		return NB_PASS;
	end = nb_flow_key(&pkt->tuple, &key);
	if (!nb_flow_find(&key, pkt->now, &ref)) {
		if (request)
			nb_flow_begin(pkt, &key, NB_FLOW_DIRECT, &ref);
		return NB_PASS;
	}
	nb_flow_seen(pkt, &ref, end);
	if (ref.state.kind == NB_FLOW_DIRECT)
		return NB_PASS;
	return request ? nb_assist_to_host(skb, pkt) : nb_assist_return(skb, pkt, &ref.state, end);
}

/* A packet that is addressed to another port. */
static __always_inline int nb_assist_to_port(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	enum nb_assist_icmp icmp = NB_ASSIST_ICMP_OTHER;

	if (pkt->later_fragment)
		return nb_fragment_find(pkt) ? nb_assist_to_host(skb, pkt) : NB_PASS;
	if (nb_is_icmp(pkt))
		icmp = nb_assist_icmp_parse(skb, pkt);
	if (icmp == NB_ASSIST_ICMP_REQUEST || icmp == NB_ASSIST_ICMP_REPLY)
		return nb_assist_echo(skb, pkt, icmp == NB_ASSIST_ICMP_REQUEST);
	if (icmp == NB_ASSIST_ICMP_ERROR || nb_assist_parse_l4(skb, pkt) == NB_CONTINUE)
		return nb_assist_conn(skb, pkt);
	return NB_PASS;
}

#endif
