/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_REDIRECT_H
#define NATBRIDGE_BPF_REDIRECT_H

/*
 * ICMP redirects. The host routes what it is given back out of the bridge where a service is served through
 * its stack, and tells the pod of the shorter way: that way ends at an address that the pod does not know of.
 */

#include "conntrack.h"

enum {
	NB_ICMP_REDIRECT = 5,     /* RFC 792 */
	NB_ICMPV6_REDIRECT = 137, /* RFC 4861, 4.5 */
	NB_ICMP_QUOTE = 8,        /* where the quoted packet begins */
	NB_ND_OPTIONS = 40,
	NB_ND_OPT_TARGET_LLADDR = 2,
	NB_ND_OPT_REDIRECTED = 4,
	NB_ND_OPT_HEADER = 8, /* of the redirected header option, before the quoted packet */
};

static __always_inline bool nb_is_icmp(const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == (pkt->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* The tuple of the quoted IPv4 packet at off. */
static __always_inline bool nb_quoted_v4(struct __sk_buff *skb, __u32 off, struct nb_tuple *tuple)
{
	struct iphdr *ip = nb_bytes(skb, off, sizeof(*ip));
	__be16 *ports;
	__u32 len;

	if (!ip)
		return false;
	len = 4 * ip->ihl;
	tuple->proto = ip->protocol;
	tuple->src.w[2] = tuple->dst.w[2] = bpf_htonl(0xffff);
	tuple->src.w[3] = ip->saddr;
	tuple->dst.w[3] = ip->daddr;
	ports = nb_bytes(skb, off + len, 2 * sizeof(*ports));
	if (!ports)
		return false;
	tuple->sport = ports[0];
	tuple->dport = ports[1];
	return true;
}

static __always_inline bool nb_quoted_v6(struct __sk_buff *skb, __u32 off, struct nb_tuple *tuple)
{
	struct ipv6hdr *ip = nb_bytes(skb, off, sizeof(*ip));
	__be16 *ports;

	if (!ip)
		return false;
	tuple->proto = ip->nexthdr;
	__builtin_memcpy(&tuple->src, &ip->saddr, sizeof(tuple->src));
	__builtin_memcpy(&tuple->dst, &ip->daddr, sizeof(tuple->dst));
	ports = nb_bytes(skb, off + sizeof(*ip), 2 * sizeof(*ports));
	if (!ports)
		return false;
	tuple->sport = ports[0];
	tuple->dport = ports[1];
	return true;
}

static __always_inline bool nb_redirect_quote(struct __sk_buff *skb, const struct nb_pkt *pkt,
					      struct nb_tuple *tuple)
{
	__u8 *type = nb_bytes(skb, pkt->l4_off, 1);
	__u32 off = pkt->l4_off + NB_ND_OPTIONS;
	__u8 *option;

	if (!type)
		return false;
	if (pkt->is_v4)
		return *type == NB_ICMP_REDIRECT && nb_quoted_v4(skb, pkt->l4_off + NB_ICMP_QUOTE, tuple);
	if (*type != NB_ICMPV6_REDIRECT)
		return false;
	option = nb_bytes(skb, off, 2);
	if (option && option[0] == NB_ND_OPT_TARGET_LLADDR && option[1] == 1) {
		off += 8;
		option = nb_bytes(skb, off, 2);
	}
	return option && option[0] == NB_ND_OPT_REDIRECTED &&
	       nb_quoted_v6(skb, off + NB_ND_OPT_HEADER, tuple);
}

/* Drops a redirect about a translated connection; pkt holds addresses and protocol. */
__noinline int nb_redirect_check(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_tuple quoted = {}, reply;
	struct nb_conn *conn;

	if (!pkt || !nb_redirect_quote(skb, pkt, &quoted))
		return NB_PASS;
	nb_tuple_swap(&quoted.src, &quoted.dst, quoted.sport, quoted.dport, quoted.proto, &reply);
	conn = bpf_map_lookup_elem(&conntrack, &reply);
	return conn && conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_REDIRECT) : NB_PASS;
}

#endif
