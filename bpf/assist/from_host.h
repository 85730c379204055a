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

/* Whether a closed direct connection leaves its tuple to the connection that this packet begins. */
static __always_inline bool nb_assist_take_over(const struct nb_pkt *pkt, const struct nb_flow_ref *ref,
						const struct nb_tuple *key)
{
	const union nb_flow_state *flow = &ref->state;

	/* Not in the tick in which a packet of it was seen: direct_cache.h may still pass others. */
	return flow->closing == NB_FLOW_CLOSED && ref->seen != pkt->now && !flow->port[0] && !flow->port[1] &&
	       nb_is_syn(pkt) && nb_flow_remove(key, flow->word);
}

/*
 * The substitute port of a packet whose tuple the direct flow *ref has, too; 0: none is free. Its
 * flow is in the table, so that answers find their way back. key: an NB_FLOW_KEY to work with.
 */
static __always_inline __be16 nb_assist_substitute(struct __sk_buff *skb, const struct nb_pkt *pkt,
						   const struct nb_flow_ref *ref, __u32 end,
						   struct nb_tuple *key)
{
	__be16 port = nb_flow_port(&ref->state, end);

	if (port && nb_l4port_remap_look(pkt, port, key) == NB_L4PORT_REMAP_THERE)
		return port;
	/* Another CPU may insert a flow with this port first, for another connection. */
	for (int i = 0; i < NB_L4PORT_REMAP_INSERTS; i++) {
		/* Keeps the loop's head its only entry: Linux 6.1 takes no other (check_cfg()). */
		barrier_var(i);
		port = nb_l4port_remap_find(skb, pkt, nb_flow_port(&ref->state, end));
		if (!port)
			break;
		if (nb_l4port_remap_insert(pkt, port, key))
			return nb_flow_set_port(ref, end, port);
	}
	return 0;
}

/*
 * A packet from the host whose tuple is not that of a direct connection. An echo request and a packet of
 * SCTP show that the answers go back there: the kernel's conntrack would not tell.
 */
static __always_inline int nb_assist_note_from_host(const struct nb_pkt *pkt, bool known,
						    const struct nb_flow_ref *ref, const struct nb_tuple *key)
{
	if (nb_is_tcp_or_udp(pkt->tuple.proto) || pkt->quoted_off)
		return NB_PASS;
	if (known)
		WRITE_ONCE(ref->head->seen, pkt->now);
	else
		nb_flow_begin(pkt, key, NB_FLOW_VIA_HOST, ref);
	return NB_PASS;
}

/*
 * A packet of TCP, UDP or SCTP, an echo request, or an ICMP error: changes its source port, or its id, if
 * the tuple is that of a direct connection.
 */
__noinline int nb_assist_remap(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_flow_ref ref;
	NB_FLOW_KEY key;
	__be16 port;
	bool known;
	__u32 end;

	if (!pkt)
		return NB_PASS;
	end = nb_flow_key(&pkt->tuple, &key);
	known = nb_flow_find(&key, pkt->now, &ref);
	if (!known || ref.state.kind != NB_FLOW_DIRECT)
		return nb_assist_note_from_host(pkt, known, &ref, &key);
	if ((pkt->quoted_off && !nb_flow_port(&ref.state, end)) || nb_assist_take_over(pkt, &ref, &key))
		return NB_PASS;
	WRITE_ONCE(ref.head->seen, pkt->now);
	port = nb_assist_substitute(skb, pkt, &ref, end, &key);
	if (!port)
		return nb_drop(NB_DROP_NO_PORT);
	return pkt->quoted_off ? nb_l4port_remap_write_quoted(skb, pkt, true, port)
			       : nb_l4port_remap_write(skb, pkt, true, port);
}

/*
 * own: a message of the host itself. Its redirects are dropped: they tell a pod of a shorter path,
 * on which the pod would reach a backend, but no VIP.
 */
static __always_inline int nb_assist_icmp_from_host(struct __sk_buff *skb, struct nb_pkt *pkt, bool own)
{
	switch (nb_assist_icmp_parse(skb, pkt)) {
	case NB_ASSIST_ICMP_REQUEST:
		return own ? NB_PASS : nb_assist_remap(skb, pkt);
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
	if (own || nb_assist_parse_l4(skb, pkt) != NB_CONTINUE)
		return NB_PASS;
	/* Until a connection was remapped, of TCP only one that begins may have to be. */
	if (!READ_ONCE(nb_runtime.renamed) && pkt->tuple.proto == IPPROTO_TCP && !nb_is_syn(pkt))
		return NB_PASS;
	return nb_assist_remap(skb, pkt);
}

#endif
