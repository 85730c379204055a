/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_FROM_HOST_H
#define NATBRIDGE_BPF_ASSIST_FROM_HOST_H

/*
 * Mode assist: a packet from the host's IP stack to a pod, of a connection that the host translates
 * or that is its own. A translated one whose tuple a direct connection has gets another source
 * port.
 */

#include "bpf/lib/parse.h"

#include "icmp.h"
#include "l4port_remap.h"

/* The port of the pod that has this address; NULL: no pod of this network. */
static __always_inline struct nb_port *nb_port_of_addr(const struct nb_addr *addr)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);
	struct nb_port *port = endpoint ? nb_port_at(endpoint->slot) : NULL;

	return port && port->ifindex ? port : NULL;
}

/* A packet, or an ICMP error: changes its source port if the tuple is that of a direct connection. */
__noinline int nb_assist_remap(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_flow_ref ref;
	struct nb_tuple key;
	struct nb_flow *flow;
	__be16 port;
	__u32 end;

	if (!pkt)
		return NB_PASS;
	end = nb_flow_key(&pkt->tuple, &key);
	ref = nb_flow_find(&key, pkt->now);
	flow = ref.flow;
	if (!flow || flow->kind != NB_FLOW_DIRECT || (pkt->quoted_off && !flow->port[end]))
		return NB_PASS;
	/*
	 * A closed direct connection leaves its tuple to this one. Not in the tick in which a
	 * packet of it was seen: direct_cache.h may still pass others.
	 */
	if (flow->closing == NB_FLOW_CLOSED && READ_ONCE(ref.head->seen) != pkt->now && !flow->port[0] &&
	    !flow->port[1] && nb_is_syn(pkt)) {
		nb_flow_end(&ref);
		return NB_PASS;
	}
	WRITE_ONCE(ref.head->seen, pkt->now);
	port = flow->port[end];
	nb_l4port_remap_answer(pkt, port, &key);
	/* The flow of a known port may have given way to another one: then it is inserted again. */
	if (!port || !nb_l4port_remap_insert(pkt, &key, true)) {
		port = nb_l4port_remap_find(skb, pkt);
		nb_l4port_remap_answer(pkt, port, &key);
		if (!port || !nb_l4port_remap_insert(pkt, &key, true))
			return nb_drop(NB_DROP_NO_PORT);
	}
	flow->port[end] = port;
	return pkt->quoted_off ? nb_l4port_remap_write_quoted(skb, pkt, true, port)
			       : nb_l4port_remap_write(skb, pkt, true, port);
}

static __always_inline int nb_assist_echo_from_host(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_flow_ref ref;
	struct nb_tuple key;

	nb_flow_key(&pkt->tuple, &key);
	ref = nb_flow_find(&key, pkt->now);
	if (ref.flow && ref.flow->kind == NB_FLOW_DIRECT)
		return nb_assist_remap(skb, pkt);
	if (ref.flow)
		WRITE_ONCE(ref.head->seen, pkt->now);
	else
		nb_flow_begin(pkt, &key, NB_FLOW_VIA_HOST);
	return NB_PASS;
}

/*
 * own: a message of the host itself. Its redirects are dropped: they tell a pod of a shorter path,
 * on which the pod would reach a backend, but no VIP.
 */
static __always_inline int nb_assist_icmp_from_host(struct __sk_buff *skb, struct nb_pkt *pkt, bool own)
{
	switch (nb_assist_icmp_parse(skb, pkt)) {
	case NB_ASSIST_ICMP_REQUEST:
		return own ? NB_PASS : nb_assist_echo_from_host(skb, pkt);
	case NB_ASSIST_ICMP_ERROR:
		return nb_assist_remap(skb, pkt);
	case NB_ASSIST_ICMP_REDIRECT:
		return own ? nb_drop(NB_DROP_REDIRECT) : NB_PASS;
	default:
		return NB_PASS;
	}
}

/* own: the host itself has sent the packet. */
static __always_inline int nb_assist_from_host(struct __sk_buff *skb, struct nb_pkt *pkt, bool own)
{
	if (pkt->later_fragment)
		return NB_PASS;
	if (nb_is_icmp(pkt))
		return nb_assist_icmp_from_host(skb, pkt, own);
	if (own || !nb_is_tracked_proto(pkt->tuple.proto) || nb_parse_l4(skb, pkt) != NB_CONTINUE)
		return NB_PASS;
	/* Until a connection was remapped, of TCP only one that begins may have to be. */
	if (!READ_ONCE(nb_runtime.renamed) && pkt->tuple.proto == IPPROTO_TCP && !nb_is_syn(pkt))
		return NB_PASS;
	return nb_assist_remap(skb, pkt);
}

#endif
