/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_ICMP_ECHO_H
#define NATBRIDGE_BPF_EBPF_ICMP_ECHO_H

/*
 * Packets that are not tracked to an address of a Service or of a service range. No other host
 * has such an address: the host's default route would send them on, and a router back.
 *
 *   echo request to a Service with a backend     answered here, in the Service's name
 *   echo request to a Service without a backend  rejected
 *   to an address of a range, without a Service  dropped, except for ICMP that is no echo request
 *
 * A fragment of an echo request is answered by the same fragment of the reply (RFC 792; RFC 4443,
 * 4.2).
 */

#include "bpf/lib/icmp_parse.h"

#include "fib.h"
#include "place.h"
#include "service.h"

static __always_inline bool nb_is_echo_request(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u8 *type = nb_bytes(skb, pkt->l4_off, NB_ICMP_HEADER_LEN);

	return type && pkt->l4_off + NB_ICMP_HEADER_LEN <= pkt->end &&
	       *type == (pkt->is_v4 ? NB_ICMP_ECHO : NB_ICMPV6_ECHO);
}

/* Turns the request into the reply. The type alone changes, and with it the checksum. */
static __always_inline bool nb_echo_set_reply(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u8 reply = pkt->is_v4 ? NB_ICMP_ECHO_REPLY : NB_ICMPV6_ECHO_REPLY;
	__u16 request = bpf_htons(pkt->is_v4 ? NB_ICMP_ECHO << 8 : NB_ICMPV6_ECHO << 8);

	return !bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, request, bpf_htons(reply << 8),
				    sizeof(__u16)) &&
	       nb_store(skb, pkt->l4_off, &reply, sizeof(reply));
}

/* Swaps the IP addresses, which changes no checksum, and turns the Ethernet header round. */
static __always_inline bool nb_echo_swap_addresses(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u32 off =
		NB_L3_OFF + (pkt->is_v4 ? offsetof(struct iphdr, saddr) : offsetof(struct ipv6hdr, saddr));
	__be32 v4[2] = { pkt->tuple.dst.w[3], pkt->tuple.src.w[3] };
	struct nb_addr v6[2] = { pkt->tuple.dst, pkt->tuple.src };

	return nb_turn_eth(skb, pkt->is_v4) &&
	       (pkt->is_v4 ? nb_store(skb, off, v4, sizeof(v4)) : nb_store(skb, off, v6, sizeof(v6)));
}

static __always_inline int nb_echo_answer(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	if ((!pkt->later_fragment && !nb_echo_set_reply(skb, pkt)) || !nb_echo_swap_addresses(skb, pkt))
		return nb_drop(NB_DROP_WRITE);
	nb_count(NB_COUNT_ECHO);
	return nb_send_back(skb, pkt);
}

/* NB_CONTINUE: none of the packets that the table above names. */
__noinline int nb_vip_other_proto(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	int rc;

	if (!pkt)
		return NB_PASS;
	rc = nb_no_frontend(&pkt->tuple);
	if (rc == NB_PASS)
		return NB_CONTINUE;
	if (!nb_is_icmp(pkt))
		return rc == nb_drop(NB_DROP_NO_VIP) ? rc : NB_CONTINUE;
	if (!pkt->later_fragment && !nb_is_echo_request(skb, pkt))
		return NB_CONTINUE;
	if (rc == nb_drop(NB_DROP_NO_VIP))
		return rc;
	if (nb_dst_is_of_host(skb, pkt))
		return NB_PASS;
	if (nb_vip_has_backend(&pkt->tuple.dst))
		return nb_echo_answer(skb, pkt);
	return nb_drop(pkt->later_fragment ? NB_DROP_FRAGMENT : NB_DROP_NO_BACKEND);
}

#endif
