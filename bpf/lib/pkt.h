/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_PKT_H
#define NATBRIDGE_BPF_LIB_PKT_H

/*
 * The description of a packet that all stages share, and how it is read. It carries offsets, not pointers:
 * every access to the packet goes through nb_bytes(), which may move the data.
 */

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>

#include "verdict.h"

enum {
	NB_L3_OFF = ETH_HLEN,
	NB_OFF_MAX =
		0xff -
		20, /* of anything that is read: a header quoted by an ICMP error, both with all options */
	NB_IP_MF = 0x2000, /* more fragments; RFC 791 */
	NB_IP_OFFSET = 0x1fff,
	NB_TCP_FLAGS_OFF = 13, /* in the TCP header (RFC 9293, 3.1) */
	NB_FIN = 0x01,
	NB_SYN = 0x02,
	NB_RST = 0x04,
	NB_ACK = 0x10,
	NB_URG = 0x20,
};

struct nb_pkt {
	struct nb_tuple tuple; /* as it stands in the packet; of an ICMP error see icmp_nat.h */
	__u64 hash;            /* of tuple, once a connection is looked for */
	__u32 l4_off;
	__u32 end;     /* offset at which the IP packet ends; the frame may be longer (padding); 0: none of
			  ours */
	__u32 frag_id; /* as on the wire */
	__u32 quote;   /* ICMP error: offset of the quoted packet, else 0 */
	__u32 quote_l4;
	__u32 now;     /* tick */
	__u32 ifindex; /* of the pod's port */
	__u32 seq;     /* TCP, host order: of the first byte */
	__u32 seq_end; /* TCP: after the last one, SYN and FIN counted */
	__u32 ack;     /* TCP */
	__u8 tcp_flags;
	bool is_v4;
	bool fragment; /* of a datagram */
	bool later;    /* a fragment but the first: no header of TCP or UDP is in it */
};

/*
 * The verifier knows a packet pointer by its identity and the context by an offset of 0: keep the compiler
 * from computing the same packet pointer twice, and from keeping the address of a field of the context.
 */
static __always_inline void *nb_packet_at(struct __sk_buff *skb, __u32 off)
{
	void *at;

	asm volatile("" : "+r"(skb), "+r"(off));
	at = (void *)(long)skb->data + (off & 0xff);
	asm volatile("" : "+r"(at));
	return at;
}

/* len bytes at off, in the linear part of the packet; NULL if it is shorter. Earlier pointers are void
 * afterwards. */
static __always_inline void *nb_bytes(struct __sk_buff *skb, __u32 off, __u32 len)
{
	void *at;

	if (off > NB_OFF_MAX)
		return NULL;
	at = nb_packet_at(skb, off);
	if (at + len <= (void *)(long)skb->data_end)
		return at;
	if (bpf_skb_pull_data(skb, off + len))
		return NULL;
	at = nb_packet_at(skb, off);
	return at + len <= (void *)(long)skb->data_end ? at : NULL;
}

/* Writes len bytes at off. Pointers into the packet are void afterwards. */
static __always_inline bool nb_store(struct __sk_buff *skb, __u32 off, const void *from, __u32 len)
{
	return !bpf_skb_store_bytes(skb, off, from, len, 0);
}

static __always_inline __u32 nb_ip_len(bool is_v4)
{
	return is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline __u32 nb_l4_len(bool tcp)
{
	return tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

/*
 * Two words as they stand in memory, to be written at once: a read of both that follows soon does not wait
 * until two writes have reached the cache.
 */
static __always_inline __u64 nb_words(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u64)second << 32;
#else
	return (__u64)first << 32 | second;
#endif
}

/* ports: of source and destination, as they stand in the header. */
static __always_inline void nb_set_l4ports(struct nb_pkt *pkt, const void *ports)
{
	__u64 *words = (__u64 *)&pkt->tuple.sport; /* ports, protocol and pad */

	*words = nb_words(*(const __u32 *)ports, bpf_htonl((__u32)pkt->tuple.proto << 24));
}

static __always_inline void nb_set_addr_v4(struct nb_addr *to, __be32 addr)
{
	*(__u64 *)&to->w[2] = nb_words(bpf_htonl(0xffff), addr);
}

/*
 * Those that read a header take a pointer to the whole of it, but for options. NB_BAD, of IP NB_PASS: what
 * stands there is none.
 */

static __always_inline int nb_read_tcp(struct nb_pkt *pkt, const struct tcphdr *tcp)
{
	if (tcp->doff < 5 || pkt->l4_off + 4 * tcp->doff > pkt->end)
		return NB_BAD;
	nb_set_l4ports(pkt, tcp);
	pkt->tcp_flags = ((const __u8 *)tcp)[NB_TCP_FLAGS_OFF];
	pkt->seq = bpf_ntohl(tcp->seq);
	pkt->ack = bpf_ntohl(tcp->ack_seq);
	pkt->seq_end = pkt->seq + (pkt->end - pkt->l4_off - 4 * tcp->doff) + tcp->syn + tcp->fin;
	return NB_CONTINUE;
}

static __always_inline int nb_read_udp(struct nb_pkt *pkt, const struct udphdr *udp)
{
	__u32 len = bpf_ntohs(udp->len);

	/* Of a fragmented datagram the length is that of the whole. */
	if (pkt->l4_off + sizeof(*udp) > pkt->end || len < sizeof(*udp) ||
	    (!pkt->fragment && pkt->l4_off + len > pkt->end))
		return NB_BAD;
	nb_set_l4ports(pkt, udp);
	return NB_CONTINUE;
}

/* Takes ports, and of TCP what the state machine needs, from the header at pkt->l4_off. NB_BAD: there is
 * none. */
static __always_inline int nb_parse_l4(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;
	void *at = tcp ? nb_bytes(skb, pkt->l4_off, nb_l4_len(true))
		       : nb_bytes(skb, pkt->l4_off, nb_l4_len(false));

	if (!at)
		return NB_BAD;
	return tcp ? nb_read_tcp(pkt, at) : nb_read_udp(pkt, at);
}

/*
 * Where the IP packet ends. len is the length that its header gives, 0 if it is too large for the field
 * (GSO); it may not be more than what there is.
 */
static __always_inline bool nb_set_end(struct __sk_buff *skb, struct nb_pkt *pkt, __u32 len)
{
	if (!len && !skb->gso_size)
		return false;
	pkt->end = len ? NB_L3_OFF + len : skb->len;
	return pkt->end <= skb->len;
}

static __always_inline int nb_read_v4(struct __sk_buff *skb, struct nb_pkt *pkt, const struct iphdr *ip)
{
	if (ip->version != 4 || ip->ihl < 5 || !nb_set_end(skb, pkt, bpf_ntohs(ip->tot_len)))
		return NB_PASS;
	pkt->l4_off = NB_L3_OFF + 4 * ip->ihl;
	if (pkt->l4_off > pkt->end)
		return NB_PASS;
	pkt->is_v4 = true;
	pkt->tuple.proto = ip->protocol;
	nb_set_addr_v4(&pkt->tuple.src, ip->saddr);
	nb_set_addr_v4(&pkt->tuple.dst, ip->daddr);
	if (ip->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET)) {
		pkt->fragment = true;
		pkt->later = ip->frag_off & bpf_htons(NB_IP_OFFSET);
		pkt->frag_id = ip->id;
	}
	return NB_CONTINUE;
}

/* Whether an address of a tuple is an IPv4 one. */
static __always_inline bool nb_is_mapped(const struct nb_addr *addr)
{
	return !(addr->w[0] | addr->w[1]) && addr->w[2] == bpf_htonl(0xffff);
}

static __always_inline bool nb_is_tracked_proto(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

static __always_inline bool nb_is_icmp(const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == (pkt->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* The tuple that the answer to a packet with this tuple has. */
static __always_inline void nb_tuple_swap(const struct nb_addr *src, const struct nb_addr *dst, __be16 sport,
					  __be16 dport, __u8 proto, struct nb_tuple *out)
{
	__builtin_memset(out, 0, sizeof(*out));
	out->src = *dst;
	out->dst = *src;
	out->sport = dport;
	out->dport = sport;
	out->proto = proto;
}

/* A one's complement sum of at most 2^34, folded into 16 bits (RFC 1071). */
static __always_inline __u16 nb_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

static __always_inline bool nb_addr_same(const struct nb_addr *a, const struct nb_addr *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

#endif
