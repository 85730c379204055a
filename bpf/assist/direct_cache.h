/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_DIRECT_CACHE_H
#define NATBRIDGE_BPF_ASSIST_DIRECT_CACHE_H

/*
 * Mode assist: the direct connections that this CPU has seen in the current tick. Most packets of
 * such a connection pass after one comparison of their headers with an element of this cache, and
 * are not parsed.
 */

#include "flow.h"

enum { NB_DIRECT_CACHE_BITS = 8, NB_DIRECT_CACHE_V4 = 0x100 };

/* The headers of a packet as far as they identify its connection, in network byte order. */
struct nb_direct {
	__be32 src[4], dst[4]; /* IPv4: the first word, the others are 0 */
	__be32 ports;
	__u32 proto; /* the protocol, with NB_DIRECT_CACHE_V4 */
	__u32 tick;
};

/* By a hash of the headers; a new connection overwrites the old one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << NB_DIRECT_CACHE_BITS);
	__type(key, __u32);
	__type(value, struct nb_direct);
} recent SEC(".maps");

static __always_inline struct nb_direct *nb_direct_cache_at(__be32 src, __be32 dst, __be32 ports)
{
	__u32 index = ((src ^ dst * 3 ^ ports) * 0x9e3779b1U) >> (32 - NB_DIRECT_CACHE_BITS);

	return bpf_map_lookup_elem(&recent, &index);
}

/* Notes that the packet, which is no fragment, belongs to a direct connection. */
static __always_inline void nb_direct_cache_note(const struct nb_pkt *pkt)
{
	const struct nb_tuple *tuple = &pkt->tuple;
	__be32 ports;
	struct nb_direct *direct;

	__builtin_memcpy(&ports, &tuple->sport, sizeof(ports)); /* and dport */
	direct = nb_direct_cache_at(tuple->src.w[3], tuple->dst.w[3], ports);
	if (!direct)
		return;
	direct->tick = pkt->now;
	direct->ports = ports;
	direct->proto = tuple->proto | (pkt->is_v4 ? NB_DIRECT_CACHE_V4 : 0);
	for (int i = 0; i < 4; i++) {
		direct->src[i] = pkt->is_v4 ? 0 : tuple->src.w[i];
		direct->dst[i] = pkt->is_v4 ? 0 : tuple->dst.w[i];
	}
	if (pkt->is_v4) {
		direct->src[0] = tuple->src.w[3];
		direct->dst[0] = tuple->dst.w[3];
	}
}

/* Whether a TCP segment may begin or end a connection. */
static __always_inline bool nb_direct_cache_is_control(__u8 proto, const __u8 *l4)
{
	return proto == IPPROTO_TCP && l4[NB_TCP_FLAGS_OFF] & (NB_SYN | NB_FIN | NB_RST);
}

/* at: the IPv4 header and the first 14 bytes behind it. */
static __always_inline bool nb_direct_cache_v4(const __u8 *at, __u32 now)
{
	const struct iphdr *ip = (const void *)at;
	const __be32 *ports = (const void *)(at + sizeof(*ip));
	const struct nb_direct *direct = nb_direct_cache_at(ip->saddr, ip->daddr, *ports);

	return direct && direct->tick == now && direct->src[0] == ip->saddr && direct->dst[0] == ip->daddr &&
	       direct->ports == *ports && direct->proto == (ip->protocol | NB_DIRECT_CACHE_V4) &&
	       at[0] == 0x45 && !(ip->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET)) &&
	       !nb_direct_cache_is_control(ip->protocol, (const __u8 *)ports);
}

/* at: the IPv6 header and the first 14 bytes behind it. */
static __always_inline bool nb_direct_cache_v6(const __u8 *at, __u32 now)
{
	const struct ipv6hdr *ip = (const void *)at;
	const __be32 *src = (const void *)&ip->saddr, *dst = (const void *)&ip->daddr;
	const __be32 *ports = (const void *)(at + sizeof(*ip));
	const struct nb_direct *direct = nb_direct_cache_at(src[3], dst[3], *ports);

	if (!direct || direct->tick != now || direct->ports != *ports || direct->proto != ip->nexthdr)
		return false;
	for (int i = 0; i < 4; i++)
		if (direct->src[i] != src[i] || direct->dst[i] != dst[i])
			return false;
	return !nb_direct_cache_is_control(ip->nexthdr, (const __u8 *)ports);
}

/* False also for what this CPU has not seen, or cannot compare. */
static __always_inline bool nb_direct_cache_has(struct __sk_buff *skb)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u32 now = bpf_jiffies64() >> nb_constants.tick_shift;
	__u32 headers = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u8 *at = nb_pkt_at(skb, NB_L3_OFF);

	if ((!v4 && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
	    at + headers + NB_TCP_FLAGS_OFF + 1 > (__u8 *)(long)skb->data_end)
		return false;
	return v4 ? nb_direct_cache_v4(at, now) : nb_direct_cache_v6(at, now);
}

#endif
