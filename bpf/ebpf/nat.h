/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_NAT_H
#define NATBRIDGE_BPF_EBPF_NAT_H

/*
 * Rewriting a packet from its own tuple to that of its entry, one way for both directions and both families.
 * The differences to the checksums are in the entry (RFC 1624); a wrong checksum stays wrong.
 *
 * Headers are put together on the stack and stored in one piece. Nothing is written into the packet directly,
 * here or elsewhere in the object: the kernel would make the header of every packet writable before it runs
 * such a program (tc_cls_act_prologue()), also of those that are passed on untouched, at 1 % of their speed.
 */

#include "conntrack.h"
#include "csum.h"

/* Works out, for a new entry, what the rewrite does to a one's complement sum. */
static __always_inline void nb_conn_set_csum(const struct nb_tuple *key, struct nb_conn *conn)
{
	__be32 from = (__u32)key->sport << 16 | key->dport;
	__be32 to = (__u32)conn->sport << 16 | conn->dport;

	/* src and dst stand one behind the other in both structs. */
	conn->csum_addr = bpf_csum_diff((__be32 *)&key->src, 2 * sizeof(struct nb_addr), (__be32 *)&conn->src,
					2 * sizeof(struct nb_addr), 0);
	conn->csum_port = from == to ? 0 : bpf_csum_diff(&from, sizeof(from), &to, sizeof(to), 0);
}

/* The headers of TCP or UDP, as far as they are rewritten. */
union nb_l4 {
	struct tcphdr tcp;
	struct udphdr udp;
};

/* Headers as they go back into the packet, in pieces as large as their alignment allows on the stack, where
 * it is minded. IP begins at a multiple of 8. */
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

/* Link and IP header with the addresses of the entry, and if the packet goes to a port, the MAC address of
 * its pod. */
static __always_inline void nb_put_ip(struct nb_headers *headers, const void *at, bool is_v4,
				      const struct nb_conn *conn, const struct nb_port *to)
{
	const __be16 *dmac = to ? (const void *)to->mac : at;

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
 * The checksum of TCP or UDP after the rewrite. One that is still to be completed holds the sum of the pseudo
 * header alone, as it is, not its complement.
 */
static __always_inline __u16 nb_new_check(__u16 check, const struct nb_conn *conn, enum nb_csum_state summed)
{
	if (summed == NB_CSUM_PARTIAL)
		return nb_csum_fold((__u64)conn->csum_addr + check);
	return ~nb_csum_fold((__u64)conn->csum_addr + conn->csum_port + (__u16)~check);
}

/* TCP or UDP with the ports of the entry. A UDP checksum of 0 is none, and one that comes out as 0 is written
 * as 0xffff (RFC 768). */
static __always_inline void nb_put_l4(union nb_l4 *l4, const void *at, bool tcp, const struct nb_conn *conn,
				      enum nb_csum_state summed)
{
	if (tcp)
		l4->tcp = *(const struct tcphdr *)at;
	else
		l4->udp = *(const struct udphdr *)at;
	*(__u32 *)&l4->udp.source = *(const __u32 *)&conn->sport; /* both ports, which TCP has there too */
	if (summed == NB_CSUM_UNKNOWN)
		return;
	if (tcp)
		l4->tcp.check = nb_new_check(l4->tcp.check, conn, summed);
	else if (l4->udp.check)
		l4->udp.check = nb_new_check(l4->udp.check, conn, summed) ?: 0xffff;
}

/* Link and IP header alone. */
static __always_inline bool nb_write_ip(struct __sk_buff *skb, bool is_v4, const struct nb_conn *conn,
					const struct nb_port *to, struct nb_headers *headers)
{
	void *at = nb_bytes(skb, 0, ETH_HLEN + nb_ip_len(is_v4));

	if (!at)
		return false;
	nb_put_ip(headers, at, is_v4, conn, to);
	return nb_store(skb, 0, headers->dmac, ETH_HLEN + nb_ip_len(is_v4));
}

/* TCP or UDP alone. */
static __always_inline bool nb_write_l4(struct __sk_buff *skb, __u32 off, bool tcp,
					const struct nb_conn *conn, enum nb_csum_state summed,
					union nb_l4 *l4)
{
	void *at = nb_bytes(skb, off, nb_l4_len(tcp));

	if (!at)
		return false;
	nb_put_l4(l4, at, tcp, conn, summed);
	return nb_store(skb, off, l4, nb_l4_len(tcp));
}

/* All headers in one piece: there are no options between them. */
static __always_inline bool nb_write_whole(struct __sk_buff *skb, bool is_v4, bool tcp,
					   const struct nb_conn *conn, const struct nb_port *to,
					   enum nb_csum_state summed, struct nb_headers *headers)
{
	__u32 l4_off = ETH_HLEN + nb_ip_len(is_v4), len = l4_off + nb_l4_len(tcp);
	void *at = nb_bytes(skb, 0, len);

	if (!at)
		return false;
	nb_put_ip(headers, at, is_v4, conn, to);
	nb_put_l4(is_v4 ? &headers->v4.l4 : &headers->v6.l4, at + l4_off, tcp, conn, summed);
	return nb_store(skb, 0, headers->dmac, len);
}

/* What is not known of a checksum is left to the kernel. */
static __always_inline bool nb_replace_check(struct __sk_buff *skb, const struct nb_pkt *pkt,
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
 * Headers are either written whole or the packet is dropped. Of a later fragment the addresses are all there
 * is. to: the port that the packet goes to, NULL: it goes on as the frame that it is.
 */
__noinline int nb_translate(struct __sk_buff *skb, const struct nb_pkt *pkt, const struct nb_conn *conn,
			    const struct nb_port *to)
{
	enum nb_csum_state summed;
	struct nb_headers h;
	bool tcp, v4, done;

	if (!pkt || !conn)
		return nb_drop(NB_DROP_WRITE);
	tcp = pkt->tuple.proto == IPPROTO_TCP;
	v4 = pkt->is_v4;
	summed = pkt->later ? NB_CSUM_WHOLE : nb_csum_state(skb);
	if (pkt->later || pkt->l4_off != ETH_HLEN + nb_ip_len(v4)) {
		done = v4 ? nb_write_ip(skb, true, conn, to, &h) : nb_write_ip(skb, false, conn, to, &h);
		if (done && !pkt->later)
			done = tcp ? nb_write_l4(skb, pkt->l4_off, true, conn, summed, &h.v4.l4)
				   : nb_write_l4(skb, pkt->l4_off, false, conn, summed, &h.v4.l4);
	} else if (v4) {
		done = tcp ? nb_write_whole(skb, true, true, conn, to, summed, &h)
			   : nb_write_whole(skb, true, false, conn, to, summed, &h);
	} else {
		done = tcp ? nb_write_whole(skb, false, true, conn, to, summed, &h)
			   : nb_write_whole(skb, false, false, conn, to, summed, &h);
	}
	if (done && summed == NB_CSUM_UNKNOWN)
		done = nb_replace_check(skb, pkt, conn);
	return done ? NB_CONTINUE : nb_drop(NB_DROP_WRITE);
}

#endif
