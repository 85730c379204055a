/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_FAST_PARSE_H
#define NATBRIDGE_BPF_EBPF_FAST_PARSE_H

/*
 * The first look at a packet. Almost all are plain: TCP or UDP behind an IP header without options or
 * extensions, no fragment, all headers in the linear part of the frame. Those that cannot be ours, neither to
 * a VIP nor to or from a port that any frontend or backend has or had, are let go here; the others are read
 * at once. What is not plain goes the whole way of nb_parse(), which finds the same.
 */

#include "bpf/lib/parse.h"

#include "service.h"

/* ports: of source and destination, as they stand in the header. */
static __always_inline bool nb_l4ports_known(const __be16 *ports)
{
	return nb_is_known_l4port(ports[0]) || nb_is_known_l4port(ports[1]);
}

static __always_inline bool nb_fast_parse_can(const void *ip, bool v4)
{
	const struct iphdr *ip4 = ip;
	const struct ipv6hdr *ip6 = ip;

	if (!v4)
		return nb_is_tracked_proto(ip6->nexthdr);
	return *(const __u8 *)ip == 0x45 && nb_is_tracked_proto(ip4->protocol) &&
	       !(ip4->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET));
}

static __always_inline bool nb_maybe_to_vip(const void *ip, bool v4)
{
	const struct iphdr *ip4 = ip;
	const struct ipv6hdr *ip6 = ip;

	if (!v4)
		return nb_in_prefix(&nb_settings.vips[0], (const void *)&ip6->daddr);
	return (ip4->daddr & nb_settings.vips[1].mask.w[3]) == nb_settings.vips[1].value.w[3];
}

/* ip: the header of a plain packet. NB_CONTINUE: *pkt is filled. */
static __always_inline int nb_fast_parse_read(struct __sk_buff *skb, struct nb_pkt *pkt, const void *ip,
					      bool v4)
{
	const void *l4 = ip + nb_ip_len(v4);
	int rc;

	if (skb->vlan_present)
		return NB_SLOW_PARSE;
	nb_pkt_begin(skb, pkt);
	rc = v4 ? nb_read_v4(skb, pkt, ip) : nb_read_v6(skb, pkt, ip);
	if (rc == NB_CONTINUE && pkt->tuple.proto == IPPROTO_UDP)
		rc = nb_read_udp(pkt, l4);
	else if (rc == NB_CONTINUE)
		rc = l4 + nb_l4_len(true) <= (void *)(long)skb->data_end ? nb_read_tcp(pkt, l4) : NB_BAD;
	return rc == NB_CONTINUE ? NB_CONTINUE : NB_SLOW_PARSE;
}

static __always_inline int nb_fast_parse_ip(struct __sk_buff *skb, struct nb_pkt *pkt, const void *ip,
					    bool v4)
{
	if (!nb_fast_parse_can(ip, v4))
		return NB_SLOW_PARSE;
	if (!nb_maybe_to_vip(ip, v4) && !nb_l4ports_known(ip + nb_ip_len(v4)))
		return NB_PASS;
	return nb_fast_parse_read(skb, pkt, ip, v4);
}

/* NB_CONTINUE: *pkt, which is zeroed, is filled; NB_PASS: none of ours; NB_SLOW_PARSE: *pkt may be filled in
 * part. */
static __always_inline int nb_fast_parse(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	const void *ip = nb_packet_at(skb, NB_L3_OFF);

	if ((!v4 && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
	    ip + nb_ip_len(v4) + nb_l4_len(false) > (void *)(long)skb->data_end)
		return NB_SLOW_PARSE;
	return v4 ? nb_fast_parse_ip(skb, pkt, ip, true) : nb_fast_parse_ip(skb, pkt, ip, false);
}

#endif
