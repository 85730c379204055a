/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_NAT_H
#define NATBRIDGE_BPF_NAT_H

/*
 * Rewriting a packet from its own tuple to that of its entry, one way for both directions and both families.
 * The differences to the checksums are in the entry (RFC 1624); a wrong checksum stays wrong.
 */

#include "conntrack.h"

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

static __always_inline bool nb_write_addrs(struct __sk_buff *skb, const struct nb_pkt *pkt,
					   const struct nb_conn *conn)
{
	if (pkt->is_v4) {
		struct iphdr *ip = nb_bytes(skb, NB_L3_OFF, sizeof(*ip));

		if (!ip)
			return false;
		ip->saddr = conn->src.w[3];
		ip->daddr = conn->dst.w[3];
		ip->check = ~nb_csum_fold((__u16)~ip->check + nb_csum_fold(conn->csum_addr));
	} else {
		struct ipv6hdr *ip = nb_bytes(skb, NB_L3_OFF, sizeof(*ip));

		if (!ip)
			return false;
		__builtin_memcpy(&ip->saddr, &conn->src, sizeof(conn->src));
		__builtin_memcpy(&ip->daddr, &conn->dst, sizeof(conn->dst));
	}
	return true;
}

static __always_inline bool nb_write_ports(struct __sk_buff *skb, const struct nb_pkt *pkt,
					   const struct nb_conn *conn)
{
	__be16 *ports = nb_bytes(skb, pkt->l4_off, 2 * sizeof(*ports));

	if (!ports)
		return false;
	ports[0] = conn->sport;
	ports[1] = conn->dport;
	return true;
}

/*
 * The checksums of TCP and UDP are left to the kernel, which knows whether they are complete or still to be
 * computed (CHECKSUM_PARTIAL): then only the part of the addresses counts. It also keeps an IPv4 UDP checksum
 * of 0.
 */
static __always_inline bool nb_fix_l4_csum(struct __sk_buff *skb, const struct nb_pkt *pkt,
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

/* Headers are either written whole or the packet is dropped. Of a later fragment the addresses are all there
 * is. */
static __always_inline int nb_translate(struct __sk_buff *skb, const struct nb_pkt *pkt,
					const struct nb_conn *conn)
{
	if (!nb_write_addrs(skb, pkt, conn))
		return nb_drop(NB_DROP_WRITE);
	if (pkt->later || (nb_write_ports(skb, pkt, conn) && nb_fix_l4_csum(skb, pkt, conn)))
		return NB_CONTINUE;
	return nb_drop(NB_DROP_WRITE);
}

#endif
