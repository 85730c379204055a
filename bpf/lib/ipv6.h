/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_IPV6_H
#define NATBRIDGE_BPF_LIB_IPV6_H

/* The IPv6 header and the extension headers behind it (RFC 8200, 4), as far as a bounded walk goes. */

#include "pkt.h"

enum {
	NB_IPV6_HEADERS = 6, /* extension headers walked over */
	NB_IPV6_OFFSET = 0xfff8,
	NB_IPV6_MF = 0x0001,
};

/* The walk: the next header's type, and where it stands. */
struct nb_walk {
	__u32 off;
	__u8 proto;
};

static __always_inline bool nb_is_extension(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING || proto == IPPROTO_DSTOPTS;
}

/* Of an extension header: its first two bytes, the type of the next header and a length of 8 bytes each. */
static __always_inline bool nb_walk_over(struct __sk_buff *skb, struct nb_walk *walk)
{
	__u8 *header = nb_bytes(skb, walk->off, 2);

	if (!header)
		return false;
	walk->proto = header[0];
	walk->off += 8 + 8 * header[1];
	return true;
}

/* A fragment header. The walk ends at a later fragment: what follows is data. */
static __always_inline bool nb_walk_fragment(struct __sk_buff *skb, struct nb_walk *walk, struct nb_pkt *pkt)
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
		pkt->later = header->offset & bpf_htons(NB_IPV6_OFFSET);
		pkt->frag_id = header->id;
	}
	return true;
}

/* Walks on to what is neither an extension header nor a fragment header, or to a later fragment's data. */
__noinline int nb_walk_v6(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_walk walk;

	if (!pkt)
		return NB_BAD;
	walk.off = pkt->l4_off;
	walk.proto = pkt->tuple.proto;
	for (int i = 0; i < NB_IPV6_HEADERS; i++) {
		bool ok;

		if (pkt->later || !(nb_is_extension(walk.proto) || walk.proto == IPPROTO_FRAGMENT))
			break;
		ok = walk.proto == IPPROTO_FRAGMENT ? nb_walk_fragment(skb, &walk, pkt)
						    : nb_walk_over(skb, &walk);
		if (!ok || walk.off > NB_OFF_MAX || walk.off > pkt->end)
			return NB_BAD;
	}
	pkt->l4_off = walk.off;
	pkt->tuple.proto = walk.proto;
	return nb_is_extension(walk.proto) && !pkt->later ? NB_BAD : NB_CONTINUE;
}

/* The header alone; what follows may be an extension header. */
static __always_inline int nb_read_v6(struct __sk_buff *skb, struct nb_pkt *pkt, const struct ipv6hdr *ip)
{
	__u32 len = bpf_ntohs(ip->payload_len);

	if (ip->version != 6 || !nb_set_end(skb, pkt, len ? sizeof(*ip) + len : 0))
		return NB_PASS;
	pkt->tuple.proto = ip->nexthdr;
	__builtin_memcpy(&pkt->tuple.src, &ip->saddr, sizeof(struct nb_addr));
	__builtin_memcpy(&pkt->tuple.dst, &ip->daddr, sizeof(struct nb_addr));
	/* In the tuple these would be IPv4's, which no host has on the wire (RFC 4291, 2.5.5.2). */
	if (nb_is_mapped(&pkt->tuple.src) || nb_is_mapped(&pkt->tuple.dst)) {
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
	if (nb_is_tracked_proto(pkt->tuple.proto) || pkt->tuple.proto == IPPROTO_ICMPV6)
		return NB_CONTINUE;
	return nb_walk_v6(skb, pkt);
}

#endif
