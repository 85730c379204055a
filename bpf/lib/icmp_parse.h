/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_ICMP_PARSE_H
#define NATBRIDGE_BPF_LIB_ICMP_PARSE_H

/* The numbers of ICMP (RFC 792) and ICMPv6 (RFC 4443), and what an error or a redirect quotes. */

#include "pkt.h"

enum {
	NB_ICMP_ECHO_REPLY = 0,
	NB_ICMP_UNREACHABLE = 3,
	NB_ICMP_PORT_UNREACHABLE = 3, /* code */
	NB_ICMP_QUENCH = 4,
	NB_ICMP_REDIRECT = 5,
	NB_ICMP_ECHO = 8,
	NB_ICMP_TIME_EXCEEDED = 11,
	NB_ICMP_PARAMETER = 12,

	NB_ICMPV6_UNREACHABLE = 1,
	NB_ICMPV6_PORT_UNREACHABLE = 4, /* code */
	NB_ICMPV6_PARAMETER = 4,        /* errors are 1 .. 4 */
	NB_ICMPV6_ECHO = 128,
	NB_ICMPV6_ECHO_REPLY = 129,
	NB_ICMPV6_SOLICITATION = 135, /* neighbour discovery: RFC 4861 */
	NB_ICMPV6_ADVERTISEMENT = 136,
	NB_ICMPV6_REDIRECT = 137,

	NB_ICMP_HEADER_LEN = 8, /* of an echo or an error, which then quotes a packet */
	NB_ICMP_CSUM = 2,       /* offset of the checksum */
	NB_ICMP_ECHO_ID = 4,    /* offset of an echo's id */

	NB_ND_TARGET = 8,   /* offset of the target in a neighbour advertisement */
	NB_ND_OPTIONS = 40, /* offset of the options in a redirect */
	NB_ND_OPT_TARGET_LLADDR = 2,
	NB_ND_OPT_REDIRECTED = 4,
	NB_ND_OPT_HEADER_LEN = 8, /* of the redirected header option, before the quoted packet */

	NB_QUOTED_L4_LEN = 8, /* what an error quotes at least behind the IP header (RFC 792) */
};

/* The outer header of an ICMP error or redirect. */
struct nb_icmp_outer {
	struct nb_addr src;
	struct nb_addr dst;
	bool redirect;
	bool truncated; /* quotes less than NB_QUOTED_L4_LEN: not a valid error */
};

static __always_inline bool nb_icmp_is_error(const struct nb_pkt *pkt, __u8 type)
{
	if (!pkt->is_v4)
		return type >= 1 && type <= NB_ICMPV6_PARAMETER;
	return type == NB_ICMP_UNREACHABLE || type == NB_ICMP_QUENCH || type == NB_ICMP_TIME_EXCEEDED ||
	       type == NB_ICMP_PARAMETER;
}

/* Where the options at off of a redirect of neighbour discovery quote a packet; 0: nowhere. */
static __always_inline __u32 nb_nd_redirect_quoted_off(struct __sk_buff *skb, __u32 off)
{
	__u8 *option = nb_bytes(skb, off, 2);

	if (option && option[0] == NB_ND_OPT_TARGET_LLADDR && option[1] == 1) {
		off += 8;
		option = nb_bytes(skb, off, 2);
	}
	return option && option[0] == NB_ND_OPT_REDIRECTED ? off + NB_ND_OPT_HEADER_LEN : 0;
}

/* Sets pkt->quoted_off. False: the message quotes no packet. */
static __always_inline bool nb_icmp_find_quoted(struct __sk_buff *skb, struct nb_pkt *pkt,
						struct nb_icmp_outer *outer)
{
	__u8 *at = nb_bytes(skb, pkt->l4_off, NB_ICMP_HEADER_LEN), type;

	if (!at)
		return false;
	type = *at;
	pkt->quoted_off = pkt->l4_off + NB_ICMP_HEADER_LEN;
	outer->redirect = type == (pkt->is_v4 ? NB_ICMP_REDIRECT : NB_ICMPV6_REDIRECT);
	if (outer->redirect && !pkt->is_v4)
		pkt->quoted_off = nb_nd_redirect_quoted_off(skb, pkt->l4_off + NB_ND_OPTIONS);
	return pkt->quoted_off && (outer->redirect || nb_icmp_is_error(pkt, type));
}

static __always_inline bool nb_icmp_parse_quoted_v4(struct __sk_buff *skb, struct nb_pkt *pkt,
						    struct nb_tuple *key)
{
	struct iphdr *ip = nb_bytes(skb, pkt->quoted_off, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(NB_IP_OFFSET))
		return false;
	key->proto = ip->protocol;
	key->src.w[2] = key->dst.w[2] = bpf_htonl(0xffff);
	key->src.w[3] = ip->daddr;
	key->dst.w[3] = ip->saddr;
	pkt->quoted_l4_off = pkt->quoted_off + 4 * ip->ihl;
	return true;
}

static __always_inline bool nb_icmp_parse_quoted_v6(struct __sk_buff *skb, struct nb_pkt *pkt,
						    struct nb_tuple *key)
{
	struct ipv6hdr *ip = nb_bytes(skb, pkt->quoted_off, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	key->proto = ip->nexthdr;
	__builtin_memcpy(&key->src, &ip->daddr, sizeof(key->src));
	__builtin_memcpy(&key->dst, &ip->saddr, sizeof(key->dst));
	pkt->quoted_l4_off = pkt->quoted_off + sizeof(*ip);
	return true;
}

/*
 * Puts the quoted tuple, swapped, into pkt->tuple: the quoted packet went to the pod that reports
 * the error, so this is the tuple with which that pod sends. *outer gets the outer header. False:
 * not an error or redirect about TCP, UDP or SCTP.
 */
static __always_inline bool nb_icmp_parse_quoted(struct __sk_buff *skb, struct nb_pkt *pkt,
						 struct nb_icmp_outer *outer)
{
	struct nb_tuple key = { .side = pkt->tuple.side };
	__be16 *ports;

	if (!nb_icmp_find_quoted(skb, pkt, outer) ||
	    !(pkt->is_v4 ? nb_icmp_parse_quoted_v4(skb, pkt, &key)
			 : nb_icmp_parse_quoted_v6(skb, pkt, &key)) ||
	    !nb_is_tracked_proto(key.proto))
		return false;
	ports = nb_bytes(skb, pkt->quoted_l4_off, 2 * sizeof(*ports));
	if (!ports)
		return false;
	key.sport = ports[1];
	key.dport = ports[0];
	outer->truncated = pkt->quoted_l4_off + NB_QUOTED_L4_LEN > pkt->end;
	outer->src = pkt->tuple.src;
	outer->dst = pkt->tuple.dst;
	pkt->tuple = key;
	return true;
}

/*
 * The checksum in the quoted header of TCP or UDP, at *off; NULL if it is not quoted, or is 0 of
 * UDP: none. That of SCTP stays as it is quoted: those who get the error look at the tag.
 */
static __always_inline __u16 *nb_icmp_quoted_check(struct __sk_buff *skb, const struct nb_pkt *pkt,
						   __u32 *off)
{
	bool udp = pkt->tuple.proto == IPPROTO_UDP;
	__u16 *check;

	if (pkt->tuple.proto == IPPROTO_SCTP)
		return NULL;
	*off = pkt->quoted_l4_off + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	if (*off + sizeof(*check) > pkt->end)
		return NULL;
	check = nb_bytes(skb, *off, sizeof(*check));
	return check && (!udp || *check) ? check : NULL;
}

#endif
