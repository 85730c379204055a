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

	/* In both structs dst follows src, with four words each. */
	conn->csum_addr = nb_csum_fold(nb_csum_change(key->src.w, conn->src.w, 2 * 4));
	conn->csum_port = from == to ? 0 : nb_csum_fold(nb_csum_change(&from, &to, 1));
}

/* What a packet is rewritten to. */
struct nb_nat {
	const struct nb_conn *conn;
	const struct nb_pkt *pkt; /* whose pkt->life says which connection's conn must still be */
	const struct nb_port *to; /* addressed to the MAC of its pod; NULL: that MAC stays */
	enum nb_csum_state csum_state;
};

/*
 * Whether the new headers on the stack are whole: the entry has served the packet's connection, and
 * the receiver's port its pod, since the first look at them. Whether pkt->life was that of a
 * connection at all, nb_conn_track() or nb_conn_is_usable() has said.
 */
static __always_inline bool nb_nat_is_valid(const struct nb_nat *nat)
{
	nb_read_barrier();
	return nb_life_same(nb_load(&nat->conn->life), nat->pkt->life) &&
	       (!nat->to || READ_ONCE(nat->to->gen) == nat->conn->out_gen);
}

union nb_l4 {
	struct tcphdr tcp;
	struct udphdr udp;
};

/*
 * The new headers, laid out so that the IP header begins at a multiple of 8: on the stack the
 * verifier insists on alignment, and the compiler copies in words as large as it allows.
 */
struct nb_headers {
	/* Of the entry, for NB_CSUM_UNKNOWN. */
	__u32 csum_addr;
	__u32 csum_port;
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
		ip->check = ~nb_csum_fold_small(conn->csum_addr + (__u16)~ip->check);
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
		return nb_csum_fold_small(conn->csum_addr + check);
	return ~nb_csum_fold_small(conn->csum_addr + conn->csum_port + (__u16)~check);
}

/*
 * TCP or UDP. at: its header. A UDP checksum of 0 means that there is none; one that is computed as
 * 0 is written as 0xffff (RFC 768).
 */
static __always_inline void nb_nat_l4(const struct nb_nat *nat, struct nb_headers *headers, union nb_l4 *l4,
				      const void *at, bool tcp)
{
	if (tcp)
		l4->tcp = *(const struct tcphdr *)at;
	else
		l4->udp = *(const struct udphdr *)at;
	/* Both ports, which are first in TCP as well. */
	*(__u32 *)&l4->udp.source = *(const __u32 *)&nat->conn->sport;
	if (nat->csum_state == NB_CSUM_UNKNOWN) {
		headers->csum_addr = nat->conn->csum_addr;
		headers->csum_port = nat->conn->csum_port;
		return;
	}
	if (tcp)
		l4->tcp.check = nb_nat_check(l4->tcp.check, nat->conn, nat->csum_state);
	else if (l4->udp.check)
		l4->udp.check = nb_nat_check(l4->udp.check, nat->conn, nat->csum_state) ?: 0xffff;
}

/* Whether there are options between the headers of IP and of TCP or UDP. */
static __always_inline bool nb_nat_is_apart(const struct nb_pkt *pkt, bool is_v4)
{
	return pkt->l4_off != ETH_HLEN + nb_ip_header_len(is_v4);
}

/*
 * The functions below put the new headers together. They return how many bytes at the frame's start
 * are to be written, or a drop reason.
 */

/* Link layer and IP alone. */
static __always_inline int nb_nat_make_ip(struct __sk_buff *skb, const struct nb_nat *nat, bool is_v4,
					  struct nb_headers *headers)
{
	void *at = nb_bytes(skb, 0, ETH_HLEN + nb_ip_header_len(is_v4));

	if (!at)
		return nb_drop(NB_DROP_WRITE);
	nb_nat_ip(nat, headers, at, is_v4);
	return ETH_HLEN + nb_ip_header_len(is_v4);
}

/* All headers in one piece: there are no options between them. */
static __always_inline int nb_nat_make_all(struct __sk_buff *skb, const struct nb_nat *nat, bool is_v4,
					   bool tcp, struct nb_headers *headers)
{
	__u32 l4_off = ETH_HLEN + nb_ip_header_len(is_v4), len = l4_off + nb_l4_header_len(tcp);
	void *at = nb_bytes(skb, 0, len);

	if (!at)
		return nb_drop(NB_DROP_WRITE);
	nb_nat_ip(nat, headers, at, is_v4);
	nb_nat_l4(nat, headers, is_v4 ? &headers->v4.l4 : &headers->v6.l4, at + l4_off, tcp);
	return len;
}

/* The same with options between them: TCP or UDP is written apart. */
static __always_inline int nb_nat_make_apart(struct __sk_buff *skb, const struct nb_nat *nat, bool is_v4,
					     bool tcp, struct nb_headers *headers)
{
	void *at = nb_bytes(skb, nat->pkt->l4_off, nb_l4_header_len(tcp));

	if (!at)
		return nb_drop(NB_DROP_WRITE);
	nb_nat_l4(nat, headers, is_v4 ? &headers->v4.l4 : &headers->v6.l4, at, tcp);
	return nb_nat_make_ip(skb, nat, is_v4, headers);
}

/* is_v4 as a constant. */
static __always_inline int nb_nat_make(struct __sk_buff *skb, const struct nb_nat *nat, bool is_v4,
				       struct nb_headers *headers)
{
	bool tcp = nat->pkt->tuple.proto == IPPROTO_TCP;

	if (nat->pkt->later_fragment)
		return nb_nat_make_ip(skb, nat, is_v4, headers);
	if (nb_nat_is_apart(nat->pkt, is_v4))
		return tcp ? nb_nat_make_apart(skb, nat, is_v4, true, headers)
			   : nb_nat_make_apart(skb, nat, is_v4, false, headers);
	return tcp ? nb_nat_make_all(skb, nat, is_v4, true, headers)
		   : nb_nat_make_all(skb, nat, is_v4, false, headers);
}

/* Has the kernel update a checksum whose state is not known. */
static __always_inline bool nb_nat_replace_check(struct __sk_buff *skb, const struct nb_pkt *pkt,
						 const struct nb_headers *headers)
{
	__u32 off = pkt->l4_off + offsetof(struct tcphdr, check);
	__u64 flags = 0;

	if (pkt->tuple.proto == IPPROTO_UDP) {
		off = pkt->l4_off + offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	}
	if (headers->csum_port && bpf_l4_csum_replace(skb, off, 0, headers->csum_port, flags))
		return false;
	return !bpf_l4_csum_replace(skb, off, 0, headers->csum_addr, flags | BPF_F_PSEUDO_HDR);
}

/* Writes TCP or UDP behind options. */
static __always_inline bool nb_nat_write_apart(struct __sk_buff *skb, const struct nb_pkt *pkt,
					       const struct nb_headers *headers)
{
	return nb_store(skb, pkt->l4_off, pkt->is_v4 ? &headers->v4.l4 : &headers->v6.l4,
			nb_l4_header_len(pkt->tuple.proto == IPPROTO_TCP));
}

/*
 * Rewrites the packet to the tuple of its entry; of a later fragment the addresses alone. to: see
 * struct nb_nat. NB_CONTINUE, NB_AGAIN with the packet as it was, or a drop reason: headers are
 * written completely, or the packet is dropped.
 */
__noinline int nb_translate(struct __sk_buff *skb, const struct nb_pkt *pkt, const struct nb_conn *conn,
			    const struct nb_port *to)
{
	struct nb_nat nat = { .conn = conn, .pkt = pkt, .to = to };
	struct nb_headers h;
	int len;

	if (!pkt || !conn)
		return nb_drop(NB_DROP_WRITE);
	nat.csum_state = pkt->later_fragment ? NB_CSUM_WHOLE : nb_csum_state(skb);
	len = pkt->is_v4 ? nb_nat_make(skb, &nat, true, &h) : nb_nat_make(skb, &nat, false, &h);
	if (len >= NB_DROPPED)
		return len;
	if (!nb_nat_is_valid(&nat))
		return NB_AGAIN;
	if (!nb_store(skb, 0, h.dmac, len) ||
	    (nb_nat_is_apart(pkt, pkt->is_v4) && !pkt->later_fragment && !nb_nat_write_apart(skb, pkt, &h)) ||
	    (nat.csum_state == NB_CSUM_UNKNOWN && !nb_nat_replace_check(skb, pkt, &h)))
		return nb_drop(NB_DROP_WRITE);
	return NB_CONTINUE;
}

#endif
