/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_REJECT_H
#define NATBRIDGE_BPF_EBPF_REJECT_H

/*
 * Rejects a packet: a TCP reset (RFC 9293, 3.10.7.1), or port unreachable for other protocols (RFC
 * 1122, RFC 4443). The packet itself becomes the answer and goes back to the pod that sent it.
 */

#include "bpf/lib/csum.h"
#include "bpf/lib/icmp_parse.h"
#include "bpf/lib/parse.h"

#include "place.h"

enum {
	NB_TTL = 64,
	NB_TOS_CONTROL = 0xc0, /* RFC 1812, 4.3.2.5 */
	NB_IP_DF = 0x4000,

	/* What is quoted at most: errors of 576 bytes (RFC 1812, 4.3.2.3), 1280 (RFC 4443, 2.4). */
	NB_REJECT_QUOTED_V4 = 576 - 20 - NB_ICMP_HEADER_LEN,
	NB_REJECT_QUOTED_V6 = 1280 - 40 - NB_ICMP_HEADER_LEN,
	NB_REJECT_QUOTED_MAX = NB_REJECT_QUOTED_V6,

	NB_CSUM_DIFF_MAX = 512, /* bytes that bpf_csum_diff() takes in one call */
};

/* Whether a packet that a stage dropped is rejected. */
static __always_inline bool nb_is_reject(int rc)
{
	return rc == nb_drop(NB_DROP_NO_BACKEND) || rc == nb_drop(NB_DROP_NO_SERVICE) ||
	       rc == nb_drop(NB_DROP_BACKEND_GONE);
}

/* Writes the Ethernet and IP header of the answer. len: behind the IP header. */
static __always_inline bool nb_reject_write_headers(struct __sk_buff *skb, const struct nb_pkt *pkt,
						    const struct nb_addr *from, __u8 proto, __u32 len)
{
	if (!nb_turn_eth(skb, pkt->is_v4))
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

/* ---- TCP ---- */

/*
 * Sets the length of the frame. *partial: the kernel still has to complete its checksum. Such a
 * frame cannot be cut off before the checksum field (__bpf_skb_min_len()), which tells it from
 * others.
 */
static __always_inline bool nb_reject_set_len(struct __sk_buff *skb, __u32 len, bool *partial)
{
	*partial = bpf_skb_change_tail(skb, len - 4, 0) != 0;
	return !bpf_skb_change_tail(skb, len, 0);
}

__noinline int nb_reject_reset(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct tcphdr tcp = {};
	__u32 l4_off, sum;
	bool partial;

	if (!pkt || pkt->tcp_flags & NB_RST)
		return TC_ACT_SHOT;
	l4_off = NB_L3_OFF + nb_ip_header_len(pkt->is_v4);
	if (!nb_reject_set_len(skb, l4_off + sizeof(tcp), &partial) ||
	    !nb_reject_write_headers(skb, pkt, &pkt->tuple.dst, IPPROTO_TCP, sizeof(tcp)))
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
	sum = nb_csum_pseudo(&pkt->tuple.dst, &pkt->tuple.src, sizeof(tcp), IPPROTO_TCP);
	tcp.check = partial ? nb_csum_fold(sum)
			    : ~nb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&tcp, sizeof(tcp), sum));
	if (!nb_store(skb, l4_off, &tcp, sizeof(tcp)))
		return TC_ACT_SHOT;
	return nb_send_back(skb, pkt);
}

/* ---- other protocols ---- */

/* Bytes of a packet, for their checksum. */
struct nb_packet_copy {
	__u64 data[(NB_REJECT_QUOTED_MAX + 7) / 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_packet_copy);
} quotes SEC(".maps");

/*
 * The one's complement sum of the first len bytes from the IP header on. False: they are more than
 * NB_REJECT_QUOTED_MAX, or no IPv4 header at least.
 */
static __always_inline bool nb_packet_sum(struct __sk_buff *skb, __u32 len, __u32 *sum)
{
	__u32 zero = 0;
	struct nb_packet_copy *copy = bpf_map_lookup_elem(&quotes, &zero);

	/* Linux 6.1 takes the bounds only from a comparison of this very value. */
	barrier_var(len);
	if (!copy || len < sizeof(struct iphdr) || len > NB_REJECT_QUOTED_MAX)
		return false;
	/* Zeroed behind len, since the sum is over all of it. volatile: no call of memset() in eBPF. */
	for (int i = 0; i < (int)(sizeof(copy->data) / sizeof(*copy->data)); i++)
		*(volatile __u64 *)&copy->data[i] = 0;
	if (bpf_skb_load_bytes(skb, NB_L3_OFF, copy->data, len))
		return false;
	*sum = 0;
	for (int off = 0; off < NB_REJECT_QUOTED_MAX; off += NB_CSUM_DIFF_MAX) {
		__u32 part = NB_REJECT_QUOTED_MAX - off < NB_CSUM_DIFF_MAX ? NB_REJECT_QUOTED_MAX - off
									   : NB_CSUM_DIFF_MAX;

		*sum = bpf_csum_diff(NULL, 0, (__be32 *)((__u8 *)copy->data + off), part, *sum);
	}
	return true;
}

/* The error's source: the pod's gateway, as of an error of the host. Without a gateway, the VIP. */
static __always_inline struct nb_addr nb_reject_source(const struct nb_pkt *pkt)
{
	struct nb_addr client = pkt->tuple.src;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &client);

	return endpoint && !nb_addr_is_zero(&endpoint->gateway) ? endpoint->gateway : pkt->tuple.dst;
}

__noinline int nb_reject_unreachable(struct __sk_buff *skb, const struct nb_pkt *pkt)
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
	from = nb_reject_source(pkt);
	max = pkt->is_v4 ? NB_REJECT_QUOTED_V4 : NB_REJECT_QUOTED_V6;
	len = pkt->end - NB_L3_OFF;
	len = len > max ? max : len;
	if (!nb_packet_sum(skb, len, &sum) || bpf_skb_change_tail(skb, NB_L3_OFF + len, 0))
		return TC_ACT_SHOT;
	l4_off = NB_L3_OFF + nb_ip_header_len(pkt->is_v4);
	if (bpf_skb_adjust_room(skb, l4_off - NB_L3_OFF + sizeof(icmp), BPF_ADJ_ROOM_MAC, 0) ||
	    !nb_reject_write_headers(skb, pkt, &from, pkt->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
				     sizeof(icmp) + len))
		return TC_ACT_SHOT;
	icmp.type = pkt->is_v4 ? NB_ICMP_UNREACHABLE : NB_ICMPV6_UNREACHABLE;
	icmp.code = pkt->is_v4 ? NB_ICMP_PORT_UNREACHABLE : NB_ICMPV6_PORT_UNREACHABLE;
	sum = nb_csum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&icmp, sizeof(icmp), sum));
	if (!pkt->is_v4)
		sum += nb_csum_fold(
			nb_csum_pseudo(&from, &pkt->tuple.src, sizeof(icmp) + len, IPPROTO_ICMPV6));
	icmp.check = ~nb_csum_fold(sum);
	if (!nb_store(skb, l4_off, &icmp, sizeof(icmp)))
		return TC_ACT_SHOT;
	return nb_send_back(skb, pkt);
}

/* Returns the verdict of tc. */
static __always_inline int nb_reject(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == IPPROTO_TCP && !pkt->later_fragment ? nb_reject_reset(skb, pkt)
								       : nb_reject_unreachable(skb, pkt);
}

#endif
