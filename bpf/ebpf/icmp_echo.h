/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_ICMP_ECHO_H
#define NATBRIDGE_BPF_EBPF_ICMP_ECHO_H

/*
 * What is neither TCP nor UDP and goes to an address of a Service or of a service range. Nobody beyond the
 * node has such an address: by the host's default route the packet would circle between node and router.
 *
 *   echo request to a Service with a backend   answered here, as by the Service's address
 *   echo request to a Service without one      rejected
 *   anything to an address that no Service has dropped; but SCTP passes, which others may serve there, and
 *                                              ICMP other than echo requests
 *
 * Any fragment of an echo request is answered by its own fragment of the reply (RFC 792, RFC 4443, 4.2).
 */

#include "bpf/lib/icmp_parse.h"
#include "bpf/lib/redirect.h"

#include "fib.h"
#include "service.h"

enum {
	NB_ICMP_ECHO = 8, /* RFC 792; the reply is 0 */
	NB_ICMP_ECHO_REPLY = 0,
	NB_ICMPV6_ECHO = 128, /* RFC 4443, 4.1 */
	NB_ICMPV6_ECHO_REPLY = 129,
	NB_ICMP_HEADER = 8,
};

static __always_inline bool nb_is_echo(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u8 *type = nb_bytes(skb, pkt->l4_off, NB_ICMP_HEADER);

	return type && pkt->l4_off + NB_ICMP_HEADER <= pkt->end &&
	       *type == (pkt->is_v4 ? NB_ICMP_ECHO : NB_ICMPV6_ECHO);
}

/* Makes the reply of the request; its sum changes by the type alone. Code and all behind it stay. */
static __always_inline bool nb_echo_turn(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u8 reply = pkt->is_v4 ? NB_ICMP_ECHO_REPLY : NB_ICMPV6_ECHO_REPLY;
	__u16 request = bpf_htons(pkt->is_v4 ? NB_ICMP_ECHO << 8 : NB_ICMPV6_ECHO << 8);

	return !bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, request, bpf_htons(reply << 8),
				    sizeof(__u16)) &&
	       nb_store(skb, pkt->l4_off, &reply, sizeof(reply));
}

/* Back to the sender: from the bridge's MAC, the two addresses exchanged, which no sum notices. */
static __always_inline bool nb_turn_round(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u32 off =
		NB_L3_OFF + (pkt->is_v4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr));
	struct ethhdr *at = nb_bytes(skb, 0, sizeof(*at)), eth = {};
	__be32 v4[2] = { pkt->tuple.dst.w[3], pkt->tuple.src.w[3] };
	struct nb_addr v6[2] = { pkt->tuple.dst, pkt->tuple.src };

	if (!at)
		return false;
	__builtin_memcpy(eth.h_dest, at->h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, (const void *)nb_settings.bridge_mac, ETH_ALEN);
	eth.h_proto = pkt->is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return nb_store(skb, 0, &eth, sizeof(eth)) &&
	       (pkt->is_v4 ? nb_store(skb, off, v4, sizeof(v4)) : nb_store(skb, off, v6, sizeof(v6)));
}

static __always_inline int nb_echo_answer(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	if ((!pkt->later && !nb_echo_turn(skb, pkt)) || !nb_turn_round(skb, pkt))
		return nb_drop(NB_DROP_WRITE);
	nb_count(NB_COUNT_ECHO);
	return nb_to_peer(skb, skb->ifindex);
}

/* Whether some port of a Service's address has a backend for new connections. */
static __always_inline bool nb_vip_is_served(const struct nb_addr *addr)
{
	struct nb_frontend_key key = { .addr = *addr };
	struct nb_frontend *vip = bpf_map_lookup_elem(&frontends, &key);

	return vip && vip->count < vip->refs;
}

/* A packet of an IP protocol that is not tracked. NB_CONTINUE: none of what the comment above names. */
__noinline int nb_beside_vip(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	int rc;

	if (!pkt)
		return NB_PASS;
	rc = nb_no_frontend(&pkt->tuple);
	if (rc == NB_PASS)
		return NB_CONTINUE;
	if (!nb_is_icmp(pkt))
		return rc == nb_drop(NB_DROP_NO_VIP) && pkt->tuple.proto != IPPROTO_SCTP ? rc : NB_CONTINUE;
	if (!pkt->later && !nb_is_echo(skb, pkt))
		return NB_CONTINUE;
	if (rc == nb_drop(NB_DROP_NO_VIP))
		return rc;
	if (nb_may_be_of_host(&pkt->tuple.dst) && nb_stays_here(skb, pkt))
		return NB_PASS;
	if (nb_vip_is_served(&pkt->tuple.dst))
		return nb_echo_answer(skb, pkt);
	return nb_drop(pkt->later ? NB_DROP_FRAGMENT : NB_DROP_NO_BACKEND);
}

#endif
