/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_NAT_H
#define NATBRIDGE_BPF_EBPF_NAT_H

/*
 * Rewrites a packet from its own tuple to that of its entry, in one way for both directions and
 * both address families. The entry holds the differences to the checksums (RFC 1624), so that a
 * wrong checksum stays wrong.
 *
 * Headers are put together on the stack and stored in one piece. No program of this object writes
 * into the packet directly: the kernel would then make the header of every packet writable before
 * it runs the program (tc_cls_act_prologue()), at 1 % of the speed of packets that pass untouched.
 */

#include "bpf/lib/csum.h"
#include "bpf/lib/parse.h"

#include "conntrack.h"

/* Computes, for a new entry, what the rewrite adds to a one's complement sum. */
static __always_inline void nb_conn_set_csum(const struct nb_tuple *key, struct nb_conn *conn)
{
	__be32 from = (__u32)key->sport << 16 | key->dport;
	__be32 to = (__u32)conn->sport << 16 | conn->dport;

	/* In both structs dst follows src. */
	conn->csum_addr = bpf_csum_diff((__be32 *)&key->src, 2 * sizeof(struct nb_addr), (__be32 *)&conn->src,
					2 * sizeof(struct nb_addr), 0);
	conn->csum_port = from == to ? 0 : bpf_csum_diff(&from, sizeof(from), &to, sizeof(to), 0);
}

/* What a packet is rewritten to. */
struct nb_nat {
	const struct nb_conn *conn;
	const struct nb_port *to; /* addressed to the MAC of its pod; NULL: that MAC stays */
	enum nb_csum_state csum_state;
};

union nb_l4 {
	struct tcphdr tcp;
	struct udphdr udp;
};

/*
 * The new headers, laid out so that the IP header begins at a multiple of 8: on the stack the
 * verifier insists on alignment, and the compiler copies in words as large as it allows.
 */
struct nb_headers {
	__u16 pad;
	__be16 dmac[ETH_ALEN / 2];
	__u64 smac_type;
	union {
		struct {
			struct iphdr ip;
			union nb_l4 l4;
		} v4;
		struct {
			struct ipv6hdr ip;
			union nb_l4 l4;
		} v6;
	};
};

/*
 * The functions below take what distinguishes families and protocols (is_v4, tcp) as constants: the
 * compiler makes a version of each without branches.
 */

/* Link layer and IP. at: the frame. */
static __always_inline void nb_nat_ip(const struct nb_nat *nat, struct nb_headers *headers, const void *at,
				      bool is_v4)
{
	const __be16 *dmac = nat->to ? (const void *)nat->to->mac : at;
	const struct nb_conn *conn = nat->conn;

	for (int i = 0; i < ETH_ALEN / 2; i++)
		headers->dmac[i] = dmac[i];
	headers->smac_type = *(const __u64 *)(at + ETH_ALEN);
	at += ETH_HLEN;
	if (is_v4) {
		struct iphdr *ip = &headers->v4.ip;

		*(__u64 *)ip = *(const __u64 *)at;
		*(__u32 *)&ip->ttl = *(const __u32 *)(at + offsetof(struct iphdr, ttl));
		ip->saddr = conn->src.w[3];
		ip->daddr = conn->dst.w[3];
		ip->check = ~nb_csum_fold((__u64)conn->csum_addr + (__u16)~ip->check);
	} else {
		struct ipv6hdr *ip = &headers->v6.ip;

		*(__u64 *)ip = *(const __u64 *)at;
		__builtin_memcpy(&ip->saddr, &conn->src, sizeof(conn->src));
		__builtin_memcpy(&ip->daddr, &conn->dst, sizeof(conn->dst));
	}
}

/*
 * The checksum of TCP or UDP after the rewrite. A partial one is the sum of the pseudo header, not
 * its complement.
 */
static __always_inline __u16 nb_nat_check(__u16 check, const struct nb_conn *conn, enum nb_csum_state state)
{
	if (state == NB_CSUM_PARTIAL)
		return nb_csum_fold((__u64)conn->csum_addr + check);
	return ~nb_csum_fold((__u64)conn->csum_addr + conn->csum_port + (__u16)~check);
}

/*
 * TCP or UDP. at: its header. A UDP checksum of 0 means that there is none; one that is computed as
 * 0 is written as 0xffff (RFC 768).
 */
static __always_inline void nb_nat_l4(const struct nb_nat *nat, union nb_l4 *l4, const void *at, bool tcp)
{
	if (tcp)
		l4->tcp = *(const struct tcphdr *)at;
	else
		l4->udp = *(const struct udphdr *)at;
	/* Both ports, which are first in TCP as well. */
	*(__u32 *)&l4->udp.source = *(const __u32 *)&nat->conn->sport;
	if (nat->csum_state == NB_CSUM_UNKNOWN)
		return;
	if (tcp)
		l4->tcp.check = nb_nat_check(l4->tcp.check, nat->conn, nat->csum_state);
	else if (l4->udp.check)
		l4->udp.check = nb_nat_check(l4->udp.check, nat->conn, nat->csum_state) ?: 0xffff;
}

/* Link layer and IP alone. */
static __always_inline bool nb_nat_write_ip(struct __sk_buff *skb, const struct nb_nat *nat, bool is_v4,
					    struct nb_headers *headers)
{
	void *at = nb_bytes(skb, 0, ETH_HLEN + nb_ip_header_len(is_v4));

	if (!at)
		return false;
	nb_nat_ip(nat, headers, at, is_v4);
	return nb_store(skb, 0, headers->dmac, ETH_HLEN + nb_ip_header_len(is_v4));
}

/* TCP or UDP alone. */
static __always_inline bool nb_nat_write_l4(struct __sk_buff *skb, const struct nb_nat *nat, __u32 off,
					    bool tcp, union nb_l4 *l4)
{
	void *at = nb_bytes(skb, off, nb_l4_header_len(tcp));

	if (!at)
		return false;
	nb_nat_l4(nat, l4, at, tcp);
	return nb_store(skb, off, l4, nb_l4_header_len(tcp));
}

/* All headers in one piece: there are no options between them. */
static __always_inline bool nb_nat_write_headers(struct __sk_buff *skb, const struct nb_nat *nat, bool is_v4,
						 bool tcp, struct nb_headers *headers)
{
	__u32 l4_off = ETH_HLEN + nb_ip_header_len(is_v4), len = l4_off + nb_l4_header_len(tcp);
	void *at = nb_bytes(skb, 0, len);

	if (!at)
		return false;
	nb_nat_ip(nat, headers, at, is_v4);
	nb_nat_l4(nat, is_v4 ? &headers->v4.l4 : &headers->v6.l4, at + l4_off, tcp);
	return nb_store(skb, 0, headers->dmac, len);
}

/* Has the kernel update a checksum whose state is not known. */
static __always_inline bool nb_nat_replace_check(struct __sk_buff *skb, const struct nb_pkt *pkt,
						 const struct nb_conn *conn)
{
	__u32 off = pkt->l4_off + offsetof(struct tcphdr, check);
	__u64 flags = 0;

	if (pkt->tuple.proto == IPPROTO_UDP) {
		off = pkt->l4_off + offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	}
	if (conn->csum_port && bpf_l4_csum_replace(skb, off, 0, conn->csum_port, flags))
		return false;
	return !bpf_l4_csum_replace(skb, off, 0, conn->csum_addr, flags | BPF_F_PSEUDO_HDR);
}

/*
 * Rewrites the packet to the tuple of its entry; of a later fragment the addresses alone. to: see
 * struct nb_nat. NB_CONTINUE, or a drop reason: headers are written completely, or the packet is
 * dropped.
 */
__noinline int nb_translate(struct __sk_buff *skb, const struct nb_pkt *pkt, const struct nb_conn *conn,
			    const struct nb_port *to)
{
	struct nb_nat nat = { .conn = conn, .to = to };
	struct nb_headers h;
	bool tcp, v4, done;

	if (!pkt || !conn)
		return nb_drop(NB_DROP_WRITE);
	tcp = pkt->tuple.proto == IPPROTO_TCP;
	v4 = pkt->is_v4;
	nat.csum_state = pkt->later_fragment ? NB_CSUM_WHOLE : nb_csum_state(skb);
	if (pkt->later_fragment || pkt->l4_off != ETH_HLEN + nb_ip_header_len(v4)) {
		done = v4 ? nb_nat_write_ip(skb, &nat, true, &h) : nb_nat_write_ip(skb, &nat, false, &h);
		if (done && !pkt->later_fragment)
			done = tcp ? nb_nat_write_l4(skb, &nat, pkt->l4_off, true, &h.v4.l4)
				   : nb_nat_write_l4(skb, &nat, pkt->l4_off, false, &h.v4.l4);
	} else if (v4) {
		done = tcp ? nb_nat_write_headers(skb, &nat, true, true, &h)
			   : nb_nat_write_headers(skb, &nat, true, false, &h);
	} else {
		done = tcp ? nb_nat_write_headers(skb, &nat, false, true, &h)
			   : nb_nat_write_headers(skb, &nat, false, false, &h);
	}
	if (done && nat.csum_state == NB_CSUM_UNKNOWN)
		done = nb_nat_replace_check(skb, pkt, conn);
	return done ? NB_CONTINUE : nb_drop(NB_DROP_WRITE);
}

#endif
