/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_DIRECT_CACHE_H
#define NATBRIDGE_BPF_ASSIST_DIRECT_CACHE_H

/*
 * Mode assist: what this CPU has found to be direct in this very tick. Most packets of a connection are let
 * go after a comparison of their headers with what was noted here, without being taken apart.
 */

#include "flow.h"

enum { NB_RECENT_BITS = 8, NB_RECENT_V4 = 0x100 };

/* The headers of a packet as far as they tell its connection, as they stand in it. */
struct nb_direct {
	__be32 src[4], dst[4]; /* IPv4: the first of four, the others are 0 */
	__be32 ports;
	__u32 proto; /* NB_RECENT_V4 and the protocol */
	__u32 tick;
};

/* Each in the place that it hashes to, where it gives way to the next one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1 << NB_RECENT_BITS);
	__type(key, __u32);
	__type(value, struct nb_direct);
} recent SEC(".maps");

static __always_inline struct nb_direct *nb_direct_cache_at(__be32 src, __be32 dst, __be32 ports)
{
	__u32 index = ((src ^ dst * 3 ^ ports) * 0x9e3779b1U) >> (32 - NB_RECENT_BITS);

	return bpf_map_lookup_elem(&recent, &index);
}

/* Notes that the packet, no fragment, is one of a direct connection. */
static __always_inline void nb_direct_cache_note(const struct nb_pkt *pkt)
{
	const struct nb_tuple *tuple = &pkt->tuple;
	__be32 ports;
	struct nb_direct *place;

	__builtin_memcpy(&ports, &tuple->sport, sizeof(ports)); /* and dport */
	place = nb_direct_cache_at(tuple->src.w[3], tuple->dst.w[3], ports);
	if (!place)
		return;
	place->tick = pkt->now;
	place->ports = ports;
	place->proto = tuple->proto | (pkt->is_v4 ? NB_RECENT_V4 : 0);
	for (int i = 0; i < 4; i++) {
		place->src[i] = pkt->is_v4 ? 0 : tuple->src.w[i];
		place->dst[i] = pkt->is_v4 ? 0 : tuple->dst.w[i];
	}
	if (pkt->is_v4) {
		place->src[0] = tuple->src.w[3];
		place->dst[0] = tuple->dst.w[3];
	}
}

/* Whether a TCP segment may begin or end something. */
static __always_inline bool nb_direct_cache_turns(__u8 proto, const __u8 *l4)
{
	return proto == IPPROTO_TCP && l4[NB_TCP_FLAGS_OFF] & (NB_SYN | NB_FIN | NB_RST);
}

/* at: the IPv4 header and the first 14 bytes behind it. */
static __always_inline bool nb_direct_cache_v4(const __u8 *at, __u32 now)
{
	const struct iphdr *ip = (const void *)at;
	const __be32 *ports = (const void *)(at + sizeof(*ip));
	const struct nb_direct *place = nb_direct_cache_at(ip->saddr, ip->daddr, *ports);

	return place && place->tick == now && place->src[0] == ip->saddr && place->dst[0] == ip->daddr &&
	       place->ports == *ports && place->proto == (ip->protocol | NB_RECENT_V4) && at[0] == 0x45 &&
	       !(ip->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET)) &&
	       !nb_direct_cache_turns(ip->protocol, (const __u8 *)ports);
}

/* at: the IPv6 header and the first 14 bytes behind it. */
static __always_inline bool nb_direct_cache_v6(const __u8 *at, __u32 now)
{
	const struct ipv6hdr *ip = (const void *)at;
	const __be32 *src = (const void *)&ip->saddr, *dst = (const void *)&ip->daddr;
	const __be32 *ports = (const void *)(at + sizeof(*ip));
	const struct nb_direct *place = nb_direct_cache_at(src[3], dst[3], *ports);

	if (!place || place->tick != now || place->ports != *ports || place->proto != ip->nexthdr)
		return false;
	for (int i = 0; i < 4; i++)
		if (place->src[i] != src[i] || place->dst[i] != dst[i])
			return false;
	return !nb_direct_cache_turns(ip->nexthdr, (const __u8 *)ports);
}

/* Whether the frame is of a direct connection, as far as its first bytes and this CPU know. */
static __always_inline bool nb_direct_cache_has(struct __sk_buff *skb)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u32 now = bpf_jiffies64() >> nb_constants.tick_shift;
	__u32 headers = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u8 *at = nb_packet_at(skb, NB_L3_OFF);

	if ((!v4 && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
	    at + headers + NB_TCP_FLAGS_OFF + 1 > (__u8 *)(long)skb->data_end)
		return false;
	return v4 ? nb_direct_cache_v4(at, now) : nb_direct_cache_v6(at, now);
}

#endif
