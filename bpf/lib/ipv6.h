/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_IPV6_H
#define NATBRIDGE_BPF_LIB_IPV6_H

/* The IPv6 header, and a bounded walk over the extension headers behind it (RFC 8200, 4). */

#include "pkt.h"

enum {
	NB_IPV6_HEADERS = 6, /* extension headers that are walked over */
	NB_IPV6_OFFSET = 0xfff8,
	NB_IPV6_MF = 0x0001,
};

/* The next header: its type and its offset. */
struct nb_ipv6_walk {
	__u32 off;
	__u8 proto;
};

static __always_inline bool nb_ipv6_is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS;
}

/* An extension header begins with the type of the next one and its own length in 8 bytes, less 1. */
static __always_inline bool nb_ipv6_walk_extension(struct __sk_buff *skb, struct nb_ipv6_walk *walk)
{
	__u8 *header = nb_bytes(skb, walk->off, 2);

	if (!header)
		return false;
	walk->proto = header[0];
	walk->off += 8 + 8 * header[1];
	return true;
}

static __always_inline bool nb_ipv6_walk_fragment(struct __sk_buff *skb, struct nb_ipv6_walk *walk,
						  struct nb_pkt *pkt)
{
	struct nb_fragment_header {
		__u8 next;
		__u8 reserved;
		__be16 offset;
		__be32 id;
	} *header = nb_bytes(skb, walk->off, sizeof(*header));

	if (!header)
		return false;
	walk->proto = header->next;
	walk->off += sizeof(*header);
	if (header->offset & bpf_htons(NB_IPV6_OFFSET | NB_IPV6_MF)) {
		pkt->fragment = true;
		pkt->later_fragment = header->offset & bpf_htons(NB_IPV6_OFFSET);
		pkt->frag_id = header->id;
	}
	return true;
}

/*
 * Walks on to the header that is neither an extension nor a fragment header. In a later fragment
 * the walk ends at the fragment header: data follows it. NB_MALFORMED: no such header was found.
 */
__noinline int nb_ipv6_walk(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_ipv6_walk walk;

	if (!pkt)
		return NB_MALFORMED;
	walk.off = pkt->l4_off;
	walk.proto = pkt->tuple.proto;
	for (int i = 0; i < NB_IPV6_HEADERS; i++) {
		bool ok;

		if (pkt->later_fragment ||
		    !(nb_ipv6_is_extension(walk.proto) || walk.proto == IPPROTO_FRAGMENT))
			break;
		ok = walk.proto == IPPROTO_FRAGMENT ? nb_ipv6_walk_fragment(skb, &walk, pkt)
						    : nb_ipv6_walk_extension(skb, &walk);
		if (!ok || walk.off > NB_OFF_MAX || walk.off > pkt->end)
			return NB_MALFORMED;
	}
	pkt->l4_off = walk.off;
	pkt->tuple.proto = walk.proto;
	return nb_ipv6_is_extension(walk.proto) && !pkt->later_fragment ? NB_MALFORMED : NB_CONTINUE;
}

/* Reads the fixed header alone. NB_PASS: it is none. */
static __always_inline int nb_read_v6(struct __sk_buff *skb, struct nb_pkt *pkt, const struct ipv6hdr *ip)
{
	__u32 len = bpf_ntohs(ip->payload_len);

	if (ip->version != 6 || !nb_pkt_set_end(skb, pkt, len ? sizeof(*ip) + len : 0))
		return NB_PASS;
	pkt->tuple.proto = ip->nexthdr;
	__builtin_memcpy(&pkt->tuple.src, &ip->saddr, sizeof(struct nb_addr));
	__builtin_memcpy(&pkt->tuple.dst, &ip->daddr, sizeof(struct nb_addr));
	/* In a tuple ::ffff:a.b.c.d is an IPv4 address. On the wire it is none (RFC 4291, 2.5.5.2). */
	if (nb_addr_is_v4(&pkt->tuple.src) || nb_addr_is_v4(&pkt->tuple.dst)) {
		pkt->end = 0;
		return NB_PASS;
	}
	pkt->l4_off = NB_L3_OFF + sizeof(*ip);
	return NB_CONTINUE;
}

static __always_inline int nb_parse_v6(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct ipv6hdr *ip = nb_bytes(skb, NB_L3_OFF, sizeof(*ip));

	if (!ip || nb_read_v6(skb, pkt, ip) != NB_CONTINUE)
		return NB_PASS;
	if (nb_is_tcp_or_udp(pkt->tuple.proto) || pkt->tuple.proto == IPPROTO_ICMPV6)
		return NB_CONTINUE;
	return nb_ipv6_walk(skb, pkt);
}

#endif
