// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The datapath of a network in mode assist, where the host translates (kube-proxy, portmap, rules by hand):
 *
 *   parse -> fragment -> flow -> the kernel's conntrack -> switched, or up into the host's IP stack
 *
 * nb_assist_from, at a pod's port, sees what the pod sends, before the bridge does: what would be switched to
 * another port, though the host translates its connection, goes up to the host instead. nb_assist_host, at
 * the bridge device, sees what the host sends to the pods.
 */
#include "bpf/assist/assist_redirect.h"
#include "bpf/assist/direct_cache.h"
#include "bpf/assist/port_remap.h"
#include "bpf/lib/fragment.h"
#include "bpf/lib/mac_learn.h"
#include "bpf/lib/parse.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Whom a frame is addressed to. */
enum nb_receiver { NB_TO_MANY, NB_TO_BRIDGE, NB_TO_PORT };

static __always_inline enum nb_receiver nb_receiver(struct __sk_buff *skb)
{
	__be16 *dst = nb_bytes(skb, 0, ETH_HLEN);
	volatile __be16 *bridge = (volatile __be16 *)nb_settings.bridge_mac;

	if (!dst || *(__u8 *)dst & 1)
		return NB_TO_MANY;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (dst[i] != bridge[i])
			return NB_TO_PORT;
	return NB_TO_BRIDGE;
}

/* Up into the host's IP stack, and later fragments after their first. */
static __always_inline int nb_give_to_host(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	int rc;

	if (pkt->fragment && !pkt->later && !pkt->quote)
		nb_fragment_first(pkt);
	nb_count(NB_COUNT_ASSISTED);
	rc = nb_to_host(skb);
	return rc == NB_PASS ? nb_redirect_host(skb) : rc;
}

/* What goes to the host anyway. */
static __always_inline int nb_for_bridge(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	if (pkt->fragment || !nb_is_tracked_proto(pkt->tuple.proto) || nb_parse_l4(skb, pkt) != NB_CONTINUE)
		return NB_PASS;
	return nb_vip_cache_has(&pkt->tuple) ? nb_redirect_host(skb) : NB_PASS;
}

static __always_inline bool nb_is_syn(const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == IPPROTO_TCP && (pkt->tcp_flags & (NB_SYN | NB_ACK)) == NB_SYN;
}

/*
 * Either the packet's own connection is translated, or an answer to it would be taken for one that is: then
 * the host has to see it, and to give it another source port. One that is over is in nobody's way.
 */
static __always_inline bool nb_host_translates(struct __sk_buff *skb, const struct nb_pkt *pkt)
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

/* The flow is one of those that came by the host: this is its way back. */
static __always_inline int nb_way_back(struct __sk_buff *skb, const struct nb_pkt *pkt,
				       const struct nb_flow *flow, __u32 end)
{
	__be16 port = flow->port[!end];
	int rc = NB_CONTINUE;

	if (flow->kind == NB_FLOW_RENAMED) {
		if (!port)
			return nb_drop(NB_DROP_NO_PORT); /* see nb_flow_usable() */
		rc = pkt->quote ? nb_quote_l4port_change(skb, pkt, false, port)
				: nb_l4port_change(skb, pkt, false, port);
	}
	return rc == NB_CONTINUE ? nb_give_to_host(skb, pkt) : rc;
}

/*
 * Whether a flow still says where its packets go. What the kernel's conntrack translated is looked up anew
 * after a moment. A port that stands for that of another connection is free again, for a direct one, as soon
 * as the other one is over.
 */
static __always_inline bool nb_flow_usable(struct __sk_buff *skb, const struct nb_pkt *pkt,
					   const struct nb_flow_ref *ref, __u32 end)
{
	const struct nb_flow *flow = ref->flow;
	struct nb_tuple answer;

	if (flow->kind == NB_FLOW_VIA_HOST)
		return ref->head->seen == pkt->now && !nb_is_syn(pkt);
	if (flow->kind != NB_FLOW_RENAMED || flow->port[!end] ||
	    (pkt->tuple.proto == IPPROTO_TCP && !nb_is_syn(pkt)))
		return true;
	nb_tuple_swap(&pkt->tuple.src, &pkt->tuple.dst, flow->port[end], pkt->tuple.dport, pkt->tuple.proto,
		      &answer);
	return nb_nf_ct(skb, pkt->is_v4, &answer) == NB_NF_CT_NAT;
}

/* What a pod sends over TCP or UDP to another one, or an ICMP error about that. */
static __always_inline int nb_assist_connection(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_tuple key;
	__u32 end = nb_flow_key(&pkt->tuple, &key);
	struct nb_flow_ref ref = nb_flow_find(&key, pkt->now);
	struct nb_flow *flow = ref.flow;

	if (flow && nb_flow_usable(skb, pkt, &ref, end)) {
		if (!pkt->quote && (flow->kind != NB_FLOW_RENAMED || flow->port[!end]))
			nb_flow_seen(pkt, &ref, end);
		if (flow->kind != NB_FLOW_DIRECT)
			return nb_way_back(skb, pkt, flow, end);
		if (!pkt->quote && !pkt->fragment)
			nb_direct_cache_note(pkt);
		return NB_PASS;
	}
	if (nb_host_translates(skb, pkt)) {
		if (!pkt->quote)
			nb_flow_begin(pkt, &key, NB_FLOW_VIA_HOST);
		return nb_give_to_host(skb, pkt);
	}
	if (!pkt->quote && !(pkt->tcp_flags & (NB_RST | NB_FIN))) /* nothing ends that is not known */
		nb_flow_begin(pkt, &key, NB_FLOW_DIRECT);
	return NB_PASS;
}

/* An echo request or reply. Which flow a reply belongs to was seen when the request came. */
__noinline int nb_assist_echo(struct __sk_buff *skb, struct nb_pkt *pkt, bool request)
{
	struct nb_flow_ref ref;
	struct nb_tuple key;
	__u32 end;

	if (!pkt)
		return NB_PASS;
	end = nb_flow_key(&pkt->tuple, &key);
	ref = nb_flow_find(&key, pkt->now);
	if (!ref.flow && request)
		nb_flow_begin(pkt, &key, NB_FLOW_DIRECT);
	if (!ref.flow)
		return NB_PASS;
	nb_flow_seen(pkt, &ref, end);
	if (ref.flow->kind == NB_FLOW_DIRECT)
		return NB_PASS;
	return request ? nb_give_to_host(skb, pkt) : nb_way_back(skb, pkt, ref.flow, end);
}

enum nb_icmp_kind {
	NB_ICMP_OTHER,
	NB_ICMP_ECHO_REQUEST,
	NB_ICMP_ECHO_REPLY,
	NB_ICMP_ERROR,
	NB_ICMP_OTHER_WAY
};

static __always_inline enum nb_icmp_kind nb_icmp_kind(const struct nb_pkt *pkt, __u8 type)
{
	if (type == (pkt->is_v4 ? 8 : 128)) /* RFC 792, RFC 4443 */
		return NB_ICMP_ECHO_REQUEST;
	if (type == (pkt->is_v4 ? 0 : 129))
		return NB_ICMP_ECHO_REPLY;
	if (type == (pkt->is_v4 ? NB_ICMP_REDIRECT : NB_ICMPV6_REDIRECT))
		return NB_ICMP_OTHER_WAY;
	return nb_icmp_is_error(pkt, type) ? NB_ICMP_ERROR : NB_ICMP_OTHER;
}

/* Reads an ICMP message: an echo's id as both its ports, of an error the tuple that its sender answers with
 * to what is quoted. */
__noinline enum nb_icmp_kind nb_icmp_read(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_outer outer = {};
	enum nb_icmp_kind kind;
	__u8 *icmp;

	if (!pkt)
		return NB_ICMP_OTHER;
	icmp = nb_bytes(skb, pkt->l4_off, NB_ICMP_QUOTE);
	if (!icmp || pkt->l4_off + NB_ICMP_QUOTE > pkt->end)
		return NB_ICMP_OTHER;
	kind = nb_icmp_kind(pkt, icmp[0]);
	if (kind == NB_ICMP_ECHO_REQUEST || kind == NB_ICMP_ECHO_REPLY)
		pkt->tuple.sport = pkt->tuple.dport = *(__be16 *)(icmp + NB_ECHO_ID);
	if (kind == NB_ICMP_ERROR &&
	    (pkt->fragment || !nb_quote_read(skb, pkt, &outer) || !nb_addr_same(&outer.dst, &pkt->tuple.dst)))
		return NB_ICMP_OTHER;
	return kind;
}

/* What a pod sends to another port. */
static __always_inline int nb_to_port(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	enum nb_icmp_kind kind = NB_ICMP_OTHER;

	if (nb_is_icmp(pkt))
		kind = nb_icmp_read(skb, pkt);
	if (kind == NB_ICMP_ECHO_REQUEST || kind == NB_ICMP_ECHO_REPLY)
		return nb_assist_echo(skb, pkt, kind == NB_ICMP_ECHO_REQUEST);
	if (kind == NB_ICMP_ERROR ||
	    (nb_is_tracked_proto(pkt->tuple.proto) && nb_parse_l4(skb, pkt) == NB_CONTINUE))
		return nb_assist_connection(skb, pkt);
	return NB_PASS;
}

/* Fills *pkt, which is zeroed, as far as addresses and protocol. NB_PASS: nothing that is looked at here. */
static __always_inline int nb_assist_begin(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	nb_pkt_begin(skb, pkt);
	return nb_parse_l3(skb, pkt) == NB_CONTINUE ? NB_CONTINUE : NB_PASS;
}

SEC("tc")
int nb_assist_from(struct __sk_buff *skb)
{
	enum nb_receiver receiver = nb_receiver(skb);
	struct nb_pkt pkt = {};

	if (nb_settings.flags & (NB_SETTINGS_SPOOFCHK | NB_SETTINGS_CUT)) {
		int rc = nb_sender_check(skb);

		if (rc != NB_CONTINUE)
			return nb_verdict(rc);
	}
	if (receiver == NB_TO_PORT && nb_direct_cache_has(skb))
		return NB_PASS;
	if (receiver == NB_TO_MANY)
		nb_mac_learn(skb);
	if (receiver == NB_TO_MANY || nb_assist_begin(skb, &pkt) != NB_CONTINUE)
		return NB_PASS;
	if (receiver == NB_TO_BRIDGE)
		return nb_for_bridge(skb, &pkt);
	if (pkt.later)
		return nb_fragment_find(&pkt) ? nb_verdict(nb_give_to_host(skb, &pkt)) : NB_PASS;
	return nb_verdict(nb_to_port(skb, &pkt));
}

/* A packet that comes by the host, or an ICMP error from there: if its tuple is that of a direct connection,
 * it has another source port. */
__noinline int nb_port_remap(struct __sk_buff *skb, const struct nb_pkt *pkt)
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
	if (!flow || flow->kind != NB_FLOW_DIRECT || (pkt->quote && !flow->port[end]))
		return NB_PASS;
	if (flow->closing == NB_FLOW_CLOSED && ref.head->seen != pkt->now /* direct_cache.h */ &&
	    !flow->port[0] && !flow->port[1] && nb_is_syn(pkt)) {
		nb_flow_end(&ref);
		return NB_PASS;
	}
	ref.head->seen = pkt->now;
	port = flow->port[end];
	nb_port_remap_answer(pkt, port, &key);
	if (!port || !nb_port_remap_enter(pkt, &key, true)) { /* its set may have given it up */
		port = nb_port_remap_find(skb, pkt);
		nb_port_remap_answer(pkt, port, &key);
		if (!port || !nb_port_remap_enter(pkt, &key, true))
			return nb_drop(NB_DROP_NO_PORT);
	}
	flow->port[end] = port;
	return pkt->quote ? nb_quote_l4port_change(skb, pkt, true, port)
			  : nb_l4port_change(skb, pkt, true, port);
}

/* An echo request that comes by the host. */
static __always_inline int nb_echo_by_host(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_flow_ref ref;
	struct nb_tuple key;

	nb_flow_key(&pkt->tuple, &key);
	ref = nb_flow_find(&key, pkt->now);
	if (ref.flow && ref.flow->kind == NB_FLOW_DIRECT)
		return nb_port_remap(skb, pkt);
	if (ref.flow)
		ref.head->seen = pkt->now;
	else
		nb_flow_begin(pkt, &key, NB_FLOW_VIA_HOST);
	return NB_PASS;
}

/* own: made by the host itself, which must not tell a pod of a shorter way: there it would find backends, and
 * no VIP. */
static __always_inline int nb_icmp_to_pod(struct __sk_buff *skb, struct nb_pkt *pkt, bool own)
{
	switch (nb_icmp_read(skb, pkt)) {
	case NB_ICMP_ECHO_REQUEST:
		return own ? NB_PASS : nb_echo_by_host(skb, pkt);
	case NB_ICMP_ERROR:
		return nb_port_remap(skb, pkt);
	case NB_ICMP_OTHER_WAY:
		return own ? nb_drop(NB_DROP_REDIRECT) : NB_PASS;
	default:
		return NB_PASS;
	}
}

/* A packet to a pod, of which the host has translated the connection or made it itself. */
static __always_inline int nb_by_host(struct __sk_buff *skb, struct nb_pkt *pkt, bool own)
{
	if (pkt->later)
		return NB_PASS;
	if (nb_is_icmp(pkt))
		return nb_icmp_to_pod(skb, pkt, own);
	if (own || !nb_is_tracked_proto(pkt->tuple.proto) || nb_parse_l4(skb, pkt) != NB_CONTINUE ||
	    (!nb_runtime.renamed && pkt->tuple.proto == IPPROTO_TCP && !nb_is_syn(pkt)))
		return NB_PASS;
	return nb_port_remap(skb, pkt);
}

SEC("tc")
int nb_assist_host(struct __sk_buff *skb)
{
	__u32 from = skb->ingress_ifindex; /* 0: the host itself; the bridge: one of its ports */
	struct nb_pkt pkt = {};
	struct nb_port *port;
	int rc;

	if ((from && from != nb_settings.bridge_ifindex) || nb_assist_begin(skb, &pkt) != NB_CONTINUE)
		return NB_PASS;
	port = nb_port_of_addr(&pkt.tuple.dst);
	if (!port) /* another network's, or no pod's */
		return NB_PASS;
	rc = nb_by_host(skb, &pkt, !from);
	return from && rc < NB_DROPPED ? nb_redirect_port(skb, port) : nb_verdict(rc);
}
