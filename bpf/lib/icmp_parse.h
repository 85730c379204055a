/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_ICMP_PARSE_H
#define NATBRIDGE_BPF_LIB_ICMP_PARSE_H

/* What an ICMP error or redirect quotes (RFC 792, RFC 4443, RFC 4861). */

#include "pkt.h"

enum {
	NB_ICMP_UNREACHABLE = 3, /* RFC 792 */
	NB_ICMP_QUENCH = 4,
	NB_ICMP_REDIRECT = 5,
	NB_ICMP_TIME_EXCEEDED = 11,
	NB_ICMP_PARAMETER = 12,
	NB_ICMPV6_PARAMETER = 4,  /* RFC 4443: errors are 1 .. 4 */
	NB_ICMPV6_REDIRECT = 137, /* RFC 4861, 4.5 */
	NB_ICMP_QUOTE = 8,        /* where the quoted packet begins, of an error */
	NB_ND_OPTIONS = 40,       /* and the options, of a redirect */
	NB_ND_OPT_TARGET_LLADDR = 2,
	NB_ND_OPT_REDIRECTED = 4,
	NB_ND_OPT_HEADER = 8, /* of the redirected header option, before the quoted packet */
	NB_ICMP_CSUM = 2,     /* offset of the checksum */
};

/* What pkt->tuple is for an ICMP message: the key of the complainer's entry. The outer header is in struct
 * nb_outer. */
struct nb_outer {
	struct nb_addr src;
	struct nb_addr dst;
	bool redirect;
	bool cut; /* less than the 8 bytes of the quoted header that RFC 792 asks for: no valid error */
};

static __always_inline bool nb_icmp_is_error(const struct nb_pkt *pkt, __u8 type)
{
	if (!pkt->is_v4)
		return type >= 1 && type <= NB_ICMPV6_PARAMETER;
	return type == NB_ICMP_UNREACHABLE || type == NB_ICMP_QUENCH || type == NB_ICMP_TIME_EXCEEDED ||
	       type == NB_ICMP_PARAMETER;
}

/* Where an ND redirect quotes a packet; 0: nowhere. */
static __always_inline __u32 nb_redirect_quote(struct __sk_buff *skb, __u32 off)
{
	__u8 *option = nb_bytes(skb, off, 2);

	if (option && option[0] == NB_ND_OPT_TARGET_LLADDR && option[1] == 1) {
		off += 8;
		option = nb_bytes(skb, off, 2);
	}
	return option && option[0] == NB_ND_OPT_REDIRECTED ? off + NB_ND_OPT_HEADER : 0;
}

/* Finds the quoted packet. */
static __always_inline bool nb_quote_find(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_outer *outer)
{
	__u8 *at = nb_bytes(skb, pkt->l4_off, NB_ICMP_QUOTE), type;

	if (!at)
		return false;
	type = *at; /* at is void once another header was looked at */
	pkt->quote = pkt->l4_off + NB_ICMP_QUOTE;
	outer->redirect = type == (pkt->is_v4 ? NB_ICMP_REDIRECT : NB_ICMPV6_REDIRECT);
	if (outer->redirect && !pkt->is_v4)
		pkt->quote = nb_redirect_quote(skb, pkt->l4_off + NB_ND_OPTIONS);
	return pkt->quote && (outer->redirect || nb_icmp_is_error(pkt, type));
}

static __always_inline bool nb_quote_v4(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_tuple *key)
{
	struct iphdr *ip = nb_bytes(skb, pkt->quote, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(NB_IP_OFFSET))
		return false;
	key->proto = ip->protocol;
	key->src.w[2] = key->dst.w[2] = bpf_htonl(0xffff);
	key->src.w[3] = ip->daddr;
	key->dst.w[3] = ip->saddr;
	pkt->quote_l4 = pkt->quote + 4 * ip->ihl;
	return true;
}

static __always_inline bool nb_quote_v6(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_tuple *key)
{
	struct ipv6hdr *ip = nb_bytes(skb, pkt->quote, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	key->proto = ip->nexthdr;
	__builtin_memcpy(&key->src, &ip->daddr, sizeof(key->src));
	__builtin_memcpy(&key->dst, &ip->saddr, sizeof(key->dst));
	pkt->quote_l4 = pkt->quote + sizeof(*ip);
	return true;
}

/* Reads the quoted tuple, swapped, into pkt->tuple. Of the quoted header of TCP or UDP 8 bytes suffice. */
static __always_inline bool nb_quote_read(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_outer *outer)
{
	struct nb_tuple key = {};
	__be16 *ports;

	if (!nb_quote_find(skb, pkt, outer) ||
	    !(pkt->is_v4 ? nb_quote_v4(skb, pkt, &key) : nb_quote_v6(skb, pkt, &key)) ||
	    !nb_is_tracked_proto(key.proto))
		return false;
	ports = nb_bytes(skb, pkt->quote_l4, 2 * sizeof(*ports));
	if (!ports)
		return false;
	key.sport = ports[1];
	key.dport = ports[0];
	outer->cut = pkt->quote_l4 + 8 > pkt->end;
	outer->src = pkt->tuple.src;
	outer->dst = pkt->tuple.dst;
	pkt->tuple = key;
	return true;
}

#endif
