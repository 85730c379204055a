/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_PARSE_H
#define NATBRIDGE_BPF_PARSE_H

/* From a frame to its description: link layer, IP, fragments, TCP and UDP. */

#include "fragment.h"
#include "ipv6.h"

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

/* The headers cannot be read: nothing of ours, unless it goes to a VIP, which it must not untranslated. */
static __always_inline int nb_unparsed(const struct nb_pkt *pkt)
{
	return nb_is_vip(&pkt->tuple.dst) ? nb_drop(NB_DROP_UNPARSED) : NB_PASS;
}

/*
 * Fills *pkt, which is zeroed. NB_CONTINUE: TCP or UDP, with its whole tuple, or ICMP, with addresses alone.
 */
static __always_inline int nb_parse(struct __sk_buff *skb, struct nb_pkt *pkt, bool to_pod)
{
	int rc = nb_parse_l3(skb, pkt);

	pkt->ifindex = skb->ifindex;
	pkt->now = bpf_jiffies64() >> nb_tick_shift;
	if (rc == NB_CONTINUE && pkt->later)
		return nb_fragment_later(pkt, to_pod);
	if (rc == NB_CONTINUE && !nb_is_tracked_proto(pkt->tuple.proto))
		return nb_is_icmp(pkt) ? NB_CONTINUE : NB_PASS;
	if (rc == NB_CONTINUE)
		rc = nb_parse_l4(skb, pkt);
	if (rc == NB_BAD)
		return nb_unparsed(pkt);
	if (rc == NB_CONTINUE && pkt->fragment)
		nb_fragment_first(pkt);
	return rc;
}

#endif
