/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_FAST_PARSE_H
#define NATBRIDGE_BPF_EBPF_FAST_PARSE_H

/*
 * The first look at a packet. Almost all packets are plain: TCP or UDP behind an IP header without
 * options or extension headers, not a fragment, all headers in the linear part of the frame. Of
 * these, the ones that cannot concern natbridge are passed at once: they go to no VIP, and neither
 * of their ports is one that a frontend or a backend has or had. The others are read here.
 * nb_slow_parse() reads what is not plain, and would read a plain packet to the same result.
 */

#include "bpf/lib/parse.h"

#include "service.h"

/* Which plain packets concern a program: a port that no frontend or backend has ever had rules most out. */
enum nb_concern {
	NB_REQUESTS_ANSWERS, /* from a client to a frontend or backend, and from a backend; all to VIPs */
	NB_ANSWERS,          /* from a backend */
	NB_TO_NODE,          /* from a client outside to a frontend or backend; all to a port of our own */
};

static __always_inline bool nb_fast_parse_can(const void *ip, bool v4)
{
	const struct iphdr *ip4 = ip;
	const struct ipv6hdr *ip6 = ip;

	if (!v4)
		return nb_is_tcp_or_udp(ip6->nexthdr);
	return *(const __u8 *)ip == 0x45 && nb_is_tcp_or_udp(ip4->protocol) &&
	       !(ip4->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET));
}

/* As nb_may_be_vip(), of a header's destination. */
static __always_inline bool nb_may_go_to_vip(const void *ip, bool v4)
{
	const struct iphdr *ip4 = ip;
	const struct ipv6hdr *ip6 = ip;

	if (!v4)
		return nb_in_prefix(&nb_settings.vips[0], (const void *)&ip6->daddr);
	return nb_in_prefix_word(&nb_settings.vips[1], ip4->daddr, 3);
}

/* ports: the source and destination port of a header. */
static __always_inline bool nb_is_of_concern(enum nb_concern concern, const void *ip, const __be16 *ports,
					     bool v4)
{
	switch (concern) {
	case NB_ANSWERS:
		return nb_l4port_is_known(ports[0]);
	case NB_TO_NODE:
		return nb_l4port_is_known(ports[1]) || bpf_ntohs(ports[1]) >= NB_NODE_L4PORT;
	default:
		return nb_may_go_to_vip(ip, v4) || nb_l4port_is_known(ports[0]) ||
		       nb_l4port_is_known(ports[1]);
	}
}

static __always_inline int nb_fast_parse_read(struct __sk_buff *skb, struct nb_pkt *pkt, const void *ip,
					      bool v4)
{
	const void *l4 = ip + nb_ip_header_len(v4);
	int rc;

	if (skb->vlan_present)
		return NB_SLOW_PARSE;
	nb_pkt_begin(skb, pkt);
	rc = v4 ? nb_read_v4(skb, pkt, ip) : nb_read_v6(skb, pkt, ip);
	if (rc == NB_CONTINUE && pkt->tuple.proto == IPPROTO_UDP)
		rc = nb_read_udp(pkt, l4);
	else if (rc == NB_CONTINUE)
		rc = l4 + nb_l4_header_len(true) <= (void *)(long)skb->data_end ? nb_read_tcp(pkt, l4)
										: NB_MALFORMED;
	return rc == NB_CONTINUE ? NB_CONTINUE : NB_SLOW_PARSE;
}

static __always_inline int nb_fast_parse_ip(struct __sk_buff *skb, struct nb_pkt *pkt,
					    enum nb_concern concern, const void *ip, bool v4)
{
	if (!nb_fast_parse_can(ip, v4))
		return NB_SLOW_PARSE;
	if (!nb_is_of_concern(concern, ip, ip + nb_ip_header_len(v4), v4))
		return NB_PASS;
	return nb_fast_parse_read(skb, pkt, ip, v4);
}

/*
 * pkt: all zero before. NB_CONTINUE: *pkt is filled. NB_PASS: no concern of natbridge.
 * NB_SLOW_PARSE: *pkt may be filled in part.
 */
static __always_inline int nb_fast_parse(struct __sk_buff *skb, struct nb_pkt *pkt, enum nb_concern concern)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	const void *ip = nb_pkt_at(skb, NB_L3_OFF);

	if ((!v4 && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
	    ip + nb_ip_header_len(v4) + nb_l4_header_len(false) > (void *)(long)skb->data_end)
		return NB_SLOW_PARSE;
	return v4 ? nb_fast_parse_ip(skb, pkt, concern, ip, true)
		  : nb_fast_parse_ip(skb, pkt, concern, ip, false);
}

#endif
