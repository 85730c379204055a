/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_PARSE_H
#define NATBRIDGE_BPF_LIB_PARSE_H

/* From a frame to its description: link layer and IP. */

#include "ipv6.h"

static __always_inline int nb_parse_v4(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct iphdr *ip = nb_bytes(skb, NB_L3_OFF, sizeof(*ip));

	return ip ? nb_read_v4(skb, pkt, ip) : NB_PASS;
}

/* What a description begins with, zeroed as it is. */
static __always_inline void nb_pkt_begin(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	pkt->ifindex = skb->ifindex;
	pkt->now = bpf_jiffies64() >> nb_constants.tick_shift;
}

/* Addresses and protocol of an untagged IPv4 or IPv6 frame. NB_PASS: another one, with a VLAN tag for
 * instance. */
static __always_inline int nb_parse_l3(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	if (skb->vlan_present)
		return NB_PASS;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return nb_parse_v4(skb, pkt);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return nb_parse_v6(skb, pkt);
	return NB_PASS;
}

#endif
