/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_REJECT_H
#define NATBRIDGE_BPF_EBPF_REJECT_H

/*
 * Answers for a Service that cannot: a reset for TCP (RFC 9293, 3.10.7.1), port unreachable for UDP (RFC
 * 1122, RFC 4443). The packet itself becomes the answer and goes back to the pod that sent it.
 */

#include "bpf/lib/redirect.h"

#include "icmp_echo.h"
#include "nat.h"

enum {
	NB_TTL = 64,
	NB_TOS_CONTROL = 0xc0, /* RFC 1812, 4.3.2.5 */
	NB_IP_DF = 0x4000,
	/* What is quoted at most: answers of 576 bytes (RFC 1812, 4.3.2.3) and 1280 bytes (RFC 4443, 2.4). */
	NB_QUOTE_V4 = 576 - 20 - NB_ICMP_HEADER,
	NB_QUOTE_V6 = 1280 - 40 - NB_ICMP_HEADER,
	NB_QUOTE_MAX = NB_QUOTE_V6,
	NB_CSUM_MAX = 512, /* bytes that bpf_csum_diff() takes at once */
	NB_ICMP_DEST_UNREACH = 3,
	NB_ICMP_PORT_UNREACH = 3,
	NB_ICMPV6_DEST_UNREACH = 1,
	NB_ICMPV6_PORT_UNREACH = 4,
};

struct nb_pseudo {
	struct nb_addr src;
	struct nb_addr dst;
	__be32 len;
	__be32 proto;
};

/* The one's complement sum of the pseudo header; of IPv4 addresses the mapped form adds 2 * 0xffff, which is
 * 0. */
static __always_inline __u32 nb_pseudo_sum(const struct nb_addr *src, const struct nb_addr *dst, __u32 len,
					   __u8 proto)
{
	struct nb_pseudo pseudo = {
		.src = *src, .dst = *dst, .len = bpf_htonl(len), .proto = bpf_htonl(proto)
	};

	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

/* Writes the Ethernet and IP headers of an answer that goes back to where the packet came from. */
static __always_inline bool nb_write_answer(struct __sk_buff *skb, const struct nb_pkt *pkt,
					    const struct nb_addr *from, __u8 proto, __u32 len)
{
	struct ethhdr *at = nb_bytes(skb, 0, sizeof(*at)), eth = {};

	if (!at)
		return false;
	__builtin_memcpy(eth.h_dest, at->h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, (const void *)nb_settings.bridge_mac, ETH_ALEN);
	eth.h_proto = pkt->is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (!nb_store(skb, 0, &eth, sizeof(eth)))
		return false;
	if (pkt->is_v4) {
		struct iphdr ip = { .version = 4, .ihl = 5, .ttl = NB_TTL, .protocol = proto };

		ip.tot_len = bpf_htons(sizeof(ip) + len);
		if (proto == IPPROTO_ICMP)
			ip.tos = NB_TOS_CONTROL;
		else
			ip.frag_off = bpf_htons(NB_IP_DF);
		ip.saddr = from->w[3];
		ip.daddr = pkt->tuple.src.w[3];
		ip.check = ~nb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
		return nb_store(skb, NB_L3_OFF, &ip, sizeof(ip));
	}
	struct ipv6hdr ip = { .version = 6, .hop_limit = NB_TTL, .nexthdr = proto };

	ip.payload_len = bpf_htons(len);
	__builtin_memcpy(&ip.saddr, from, sizeof(ip.saddr));
	__builtin_memcpy(&ip.daddr, &pkt->tuple.src, sizeof(ip.daddr));
	return nb_store(skb, NB_L3_OFF, &ip, sizeof(ip));
}

static __always_inline __u32 nb_answer_l4(const struct nb_pkt *pkt)
{
	return NB_L3_OFF + (pkt->is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
}

/*
 * Makes the frame as long as the reset. A frame whose checksum the kernel is still to complete cannot be cut
 * off before that checksum's place (__bpf_skb_min_len()), which tells it from others: *partial.
 */
static __always_inline bool nb_reset_cut(struct __sk_buff *skb, __u32 len, bool *partial)
{
	*partial = bpf_skb_change_tail(skb, len - 4, 0) != 0;
	return !bpf_skb_change_tail(skb, len, 0);
}

__noinline int nb_reset(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct tcphdr tcp = {};
	__u32 l4_off, sum;
	bool partial;

	if (!pkt || pkt->tcp_flags & NB_RST)
		return TC_ACT_SHOT;
	l4_off = nb_answer_l4(pkt);
	if (!nb_reset_cut(skb, l4_off + sizeof(tcp), &partial) ||
	    !nb_write_answer(skb, pkt, &pkt->tuple.dst, IPPROTO_TCP, sizeof(tcp)))
		return TC_ACT_SHOT;
	tcp.source = pkt->tuple.dport;
	tcp.dest = pkt->tuple.sport;
	tcp.doff = sizeof(tcp) / 4;
	tcp.rst = 1;
	if (pkt->tcp_flags & NB_ACK) {
		tcp.seq = bpf_htonl(pkt->ack);
	} else {
		tcp.ack = 1;
		tcp.ack_seq = bpf_htonl(pkt->seq_end);
	}
	sum = nb_pseudo_sum(&pkt->tuple.dst, &pkt->tuple.src, sizeof(tcp), IPPROTO_TCP);
	tcp.check = partial ? nb_csum_fold(sum)
			    : ~nb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&tcp, sizeof(tcp), sum));
	if (!nb_store(skb, l4_off, &tcp, sizeof(tcp)))
		return TC_ACT_SHOT;
	return nb_to_peer(skb, skb->ifindex);
}

/* Where the answer's body is put together, for its checksum: zeroed beyond what is quoted. */
struct nb_quote {
	__u64 data[(NB_QUOTE_MAX + 7) / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_quote);
} quotes SEC(".maps");

/* The one's complement sum of the first len bytes from the IP header on; len is NB_QUOTE_MAX at most. */
static __always_inline bool nb_quote_sum(struct __sk_buff *skb, __u32 len, __u32 *sum)
{
	__u32 zero = 0;
	struct nb_quote *quote = bpf_map_lookup_elem(&quotes, &zero);

	/* Linux 6.1 takes only a comparison of this very value for its bounds. */
	asm volatile("" : "+r"(len));
	if (!quote || len < sizeof(struct iphdr) || len > NB_QUOTE_MAX)
		return false;
	for (int i = 0; i < (int)(sizeof(quote->data) / sizeof(*quote->data)); i++)
		*(volatile __u64 *)&quote->data[i] = 0;
	if (bpf_skb_load_bytes(skb, NB_L3_OFF, quote->data, len))
		return false;
	*sum = 0;
	for (int off = 0; off < NB_QUOTE_MAX; off += NB_CSUM_MAX) {
		__u32 part = NB_QUOTE_MAX - off < NB_CSUM_MAX ? NB_QUOTE_MAX - off : NB_CSUM_MAX;

		*sum = bpf_csum_diff(NULL, 0, (__be32 *)((__u8 *)quote->data + off), part, *sum);
	}
	return true;
}

/* The answer comes from the pod's gateway, as the host's own would; without one from the VIP. */
static __always_inline struct nb_addr nb_answer_from(const struct nb_pkt *pkt)
{
	struct nb_addr client = pkt->tuple.src;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &client);

	if (endpoint && (endpoint->gateway.w[3] | endpoint->gateway.w[2] | endpoint->gateway.w[1] |
			 endpoint->gateway.w[0]))
		return endpoint->gateway;
	return pkt->tuple.dst;
}

__noinline int nb_unreachable(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_icmp {
		__u8 type, code;
		__u16 check;
		__u32 unused;
	} icmp = {};
	struct nb_addr from;
	__u32 len, max, sum, l4_off;

	if (!pkt)
		return TC_ACT_SHOT;
	from = nb_answer_from(pkt);
	max = pkt->is_v4 ? NB_QUOTE_V4 : NB_QUOTE_V6;
	len = pkt->end - NB_L3_OFF;
	len = len > max ? max : len;
	if (!nb_quote_sum(skb, len, &sum) || bpf_skb_change_tail(skb, NB_L3_OFF + len, 0))
		return TC_ACT_SHOT;
	l4_off = nb_answer_l4(pkt);
	if (bpf_skb_adjust_room(skb, l4_off - NB_L3_OFF + sizeof(icmp), BPF_ADJ_ROOM_MAC, 0) ||
	    !nb_write_answer(skb, pkt, &from, pkt->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, sizeof(icmp) + len))
		return TC_ACT_SHOT;
	icmp.type = pkt->is_v4 ? NB_ICMP_DEST_UNREACH : NB_ICMPV6_DEST_UNREACH;
	icmp.code = pkt->is_v4 ? NB_ICMP_PORT_UNREACH : NB_ICMPV6_PORT_UNREACH;
	sum = nb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&icmp, sizeof(icmp), sum));
	if (!pkt->is_v4)
		sum += nb_csum_fold(
			nb_pseudo_sum(&from, &pkt->tuple.src, sizeof(icmp) + len, IPPROTO_ICMPV6));
	icmp.check = ~nb_csum_fold(sum);
	if (!nb_store(skb, l4_off, &icmp, sizeof(icmp)))
		return TC_ACT_SHOT;
	return nb_to_peer(skb, skb->ifindex);
}

/* The verdict on a packet of a pod that is rejected. */
static __always_inline int nb_reject(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == IPPROTO_TCP && !pkt->later ? nb_reset(skb, pkt) : nb_unreachable(skb, pkt);
}

static __always_inline bool nb_is_reject(int result)
{
	return result == nb_drop(NB_DROP_NO_BACKEND) || result == nb_drop(NB_DROP_NO_SERVICE) ||
	       result == nb_drop(NB_DROP_BACKEND_GONE);
}

#endif
