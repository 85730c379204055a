/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_RELATED_H
#define NATBRIDGE_BPF_RELATED_H

/*
 * ICMP errors about tracked connections (RFC 792, RFC 4443). What an error quotes was sent to the one who
 * complains, so the quoted tuple, swapped, is the key of the entry by which that one's own packets are
 * translated. The quote and the outer header are rewritten as the receiver of the error knows the connection
 * (nf_nat_icmp_reply_translation()). A redirect is not passed on: the way that it names ends at an address
 * that its receiver does not know of.
 */

#include "forward.h"
#include "nat.h"

enum {
	NB_ICMP_UNREACHABLE = 3, /* RFC 792 */
	NB_ICMP_QUENCH = 4,
	NB_ICMP_REDIRECT = 5,
	NB_ICMP_TIME_EXCEEDED = 11,
	NB_ICMP_PARAMETER = 12,
	NB_ICMPV6_PARAMETER = 4,  /* RFC 4443: errors are 1 .. 4 */
	NB_ICMPV6_REDIRECT = 137, /* RFC 4861, 4.5 */
	NB_ICMP_QUOTE = 8,        /* where the quoted packet begins, of an error */
	NB_ND_OPTIONS = 40,       /* and the options, of a redirect */
	NB_ND_OPT_TARGET_LLADDR = 2,
	NB_ND_OPT_REDIRECTED = 4,
	NB_ND_OPT_HEADER = 8, /* of the redirected header option, before the quoted packet */
	NB_ICMP_CSUM = 2,     /* offset of the checksum */
};

/* What pkt->tuple is for an ICMP message: the key of the complainer's entry. The outer header is in struct
 * nb_outer. */
struct nb_outer {
	struct nb_addr src;
	struct nb_addr dst;
	bool redirect;
	bool cut; /* less than the 8 bytes of the quoted header that RFC 792 asks for: no valid error */
};

static __always_inline bool nb_icmp_is_error(const struct nb_pkt *pkt, __u8 type)
{
	if (!pkt->is_v4)
		return type >= 1 && type <= NB_ICMPV6_PARAMETER;
	return type == NB_ICMP_UNREACHABLE || type == NB_ICMP_QUENCH || type == NB_ICMP_TIME_EXCEEDED ||
	       type == NB_ICMP_PARAMETER;
}

/* Where an ND redirect quotes a packet; 0: nowhere. */
static __always_inline __u32 nb_redirect_quote(struct __sk_buff *skb, __u32 off)
{
	__u8 *option = nb_bytes(skb, off, 2);

	if (option && option[0] == NB_ND_OPT_TARGET_LLADDR && option[1] == 1) {
		off += 8;
		option = nb_bytes(skb, off, 2);
	}
	return option && option[0] == NB_ND_OPT_REDIRECTED ? off + NB_ND_OPT_HEADER : 0;
}

/* Finds the quoted packet. */
static __always_inline bool nb_quote_find(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_outer *outer)
{
	__u8 *at = nb_bytes(skb, pkt->l4_off, NB_ICMP_QUOTE), type;

	if (!at)
		return false;
	type = *at; /* at is void once another header was looked at */
	pkt->quote = pkt->l4_off + NB_ICMP_QUOTE;
	outer->redirect = type == (pkt->is_v4 ? NB_ICMP_REDIRECT : NB_ICMPV6_REDIRECT);
	if (outer->redirect && !pkt->is_v4)
		pkt->quote = nb_redirect_quote(skb, pkt->l4_off + NB_ND_OPTIONS);
	return pkt->quote && (outer->redirect || nb_icmp_is_error(pkt, type));
}

static __always_inline bool nb_quote_v4(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_tuple *key)
{
	struct iphdr *ip = nb_bytes(skb, pkt->quote, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->frag_off & bpf_htons(NB_IP_OFFSET))
		return false;
	key->proto = ip->protocol;
	key->src.w[2] = key->dst.w[2] = bpf_htonl(0xffff);
	key->src.w[3] = ip->daddr;
	key->dst.w[3] = ip->saddr;
	pkt->quote_l4 = pkt->quote + 4 * ip->ihl;
	return true;
}

static __always_inline bool nb_quote_v6(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_tuple *key)
{
	struct ipv6hdr *ip = nb_bytes(skb, pkt->quote, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	key->proto = ip->nexthdr;
	__builtin_memcpy(&key->src, &ip->daddr, sizeof(key->src));
	__builtin_memcpy(&key->dst, &ip->saddr, sizeof(key->dst));
	pkt->quote_l4 = pkt->quote + sizeof(*ip);
	return true;
}

/* Reads the quoted tuple, swapped, into pkt->tuple. Of the quoted header of TCP or UDP 8 bytes suffice. */
static __always_inline bool nb_quote_read(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_outer *outer)
{
	struct nb_tuple key = {};
	__be16 *ports;

	if (!nb_quote_find(skb, pkt, outer) ||
	    !(pkt->is_v4 ? nb_quote_v4(skb, pkt, &key) : nb_quote_v6(skb, pkt, &key)) ||
	    !nb_is_tracked_proto(key.proto))
		return false;
	ports = nb_bytes(skb, pkt->quote_l4, 2 * sizeof(*ports));
	if (!ports)
		return false;
	key.sport = ports[1];
	key.dport = ports[0];
	outer->cut = pkt->quote_l4 + 8 > pkt->end;
	outer->src = pkt->tuple.src;
	outer->dst = pkt->tuple.dst;
	pkt->tuple = key;
	return true;
}

/*
 * The checksum that the quoted header of TCP or UDP has, if that much is quoted: brought in line with what is
 * rewritten. True: it was, so that the sum over the quote has changed by nothing but, with IPv4, the negative
 * of the addresses' difference.
 */
static __always_inline bool nb_quote_fix_l4(struct __sk_buff *skb, const struct nb_pkt *pkt,
					    const struct nb_conn *conn)
{
	bool udp = pkt->tuple.proto == IPPROTO_UDP;
	__u32 off = pkt->quote_l4 + (udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	__u16 *check, sum;

	if (off + sizeof(*check) > pkt->end)
		return false;
	check = nb_bytes(skb, off, sizeof(*check));
	if (!check || (udp && !*check))
		return false;
	sum = ~nb_csum_fold((__u16) ~*check + nb_csum_fold(conn->csum_addr) + nb_csum_fold(conn->csum_port));
	*check = udp && !sum ? 0xffff : sum;
	return true;
}

/* Writes the quoted packet as the receiver of the error sent it: the entry's tuple, swapped. */
static __always_inline bool nb_quote_write(struct __sk_buff *skb, const struct nb_pkt *pkt,
					   const struct nb_conn *conn)
{
	__be16 *ports;

	if (pkt->is_v4) {
		struct iphdr *ip = nb_bytes(skb, pkt->quote, sizeof(*ip));

		if (!ip)
			return false;
		ip->saddr = conn->dst.w[3];
		ip->daddr = conn->src.w[3];
		ip->check = ~nb_csum_fold((__u16)~ip->check + nb_csum_fold(conn->csum_addr));
	} else {
		struct ipv6hdr *ip = nb_bytes(skb, pkt->quote, sizeof(*ip));

		if (!ip)
			return false;
		__builtin_memcpy(&ip->saddr, &conn->dst, sizeof(conn->dst));
		__builtin_memcpy(&ip->daddr, &conn->src, sizeof(conn->src));
	}
	ports = nb_bytes(skb, pkt->quote_l4, 2 * sizeof(*ports));
	if (!ports)
		return false;
	ports[0] = conn->dport;
	ports[1] = conn->sport;
	return true;
}

/* What the quote's new content adds to the sum of the ICMP message. */
static __always_inline __u32 nb_quote_diff(const struct nb_pkt *pkt, const struct nb_conn *conn,
					   bool l4_fixed)
{
	__u32 addr = nb_csum_fold(conn->csum_addr), port = nb_csum_fold(conn->csum_port);

	/* The checksum of an IPv4 header makes up for the addresses in it, that of TCP or UDP for both. */
	if (pkt->is_v4)
		return l4_fixed ? (__u16)~addr : port;
	return l4_fixed ? 0 : addr + port;
}

/*
 * The outer header: an address is rewritten where those of the complainer's own packets are. So the source
 * becomes the VIP even if a router on the way complains. The addresses also count in the checksum of ICMPv6.
 */
static __always_inline bool nb_outer_write(struct __sk_buff *skb, const struct nb_pkt *pkt,
					   const struct nb_conn *conn, const struct nb_outer *outer)
{
	struct nb_tuple from = {};
	struct nb_conn to = {};

	from.src = outer->src;
	from.dst = outer->dst;
	to.src = nb_addr_same(&conn->src, &pkt->tuple.src) ? outer->src : conn->src;
	to.dst = conn->dst;
	nb_conn_set_csum(&from, &to);
	return nb_write_addrs(skb, pkt, &to) &&
	       (pkt->is_v4 ||
		!bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, 0, to.csum_addr, BPF_F_PSEUDO_HDR));
}

static __always_inline int nb_related_translate(struct __sk_buff *skb, const struct nb_pkt *pkt,
						const struct nb_conn *conn, const struct nb_outer *outer)
{
	__u32 diff;

	if (!nb_quote_write(skb, pkt, conn))
		return nb_drop(NB_DROP_WRITE);
	diff = nb_quote_diff(pkt, conn, nb_quote_fix_l4(skb, pkt, conn));
	if ((diff && bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, 0, diff, 0)) ||
	    !nb_outer_write(skb, pkt, conn, outer))
		return nb_drop(NB_DROP_WRITE);
	nb_count(NB_COUNT_RELATED);
	return NB_CONTINUE;
}

/* The live entry of the complainer, if the error is about a translated connection and addressed to its other
 * end. */
static __always_inline struct nb_conn *nb_related_find(struct __sk_buff *skb, struct nb_pkt *pkt,
						       struct nb_outer *outer)
{
	struct nb_conn *conn;
	struct nb_tuple key;

	if (!nb_quote_read(skb, pkt, outer) || !nb_addr_same(&outer->dst, &pkt->tuple.dst))
		return NULL;
	key = pkt->tuple;
	conn = bpf_map_lookup_elem(&conntrack, &key);
	return conn && conn->flags & NB_CONN_NAT ? conn : NULL;
}

/* An ICMP message that a pod sends. */
__noinline int nb_related_from_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_outer outer;
	struct nb_conn *conn;
	struct nb_port *out;
	int rc;

	if (!pkt || pkt->fragment)
		return NB_PASS;
	conn = nb_related_find(skb, pkt, &outer);
	if (!conn)
		return NB_PASS;
	if (outer.redirect || outer.cut)
		return nb_drop(outer.cut ? NB_DROP_INVALID : NB_DROP_REDIRECT);
	out = nb_conn_receiver(conn, pkt->now);
	if (!out)
		return NB_PASS;
	if (conn->in_ifindex != pkt->ifindex)
		return nb_drop(NB_DROP_NOT_ITS_PORT);
	if (nb_conn_unfinished(conn))
		return nb_to_host(skb);
	rc = nb_related_translate(skb, pkt, conn, &outer);
	return rc == NB_CONTINUE ? nb_deliver(skb, conn, out) : rc;
}

/* An ICMP message to a pod, by the host's stack. */
__noinline int nb_related_to_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_outer outer;
	struct nb_conn *conn;
	struct nb_port *out;

	if (!pkt || pkt->fragment)
		return NB_PASS;
	conn = nb_related_find(skb, pkt, &outer);
	if (!conn)
		return NB_PASS;
	if (outer.redirect || outer.cut)
		return nb_drop(outer.cut ? NB_DROP_INVALID : NB_DROP_REDIRECT);
	out = nb_conn_unfinished(conn) ? nb_conn_receiver(conn, pkt->now) : NULL;
	return out && out->ifindex == pkt->ifindex ? nb_related_translate(skb, pkt, conn, &outer) : NB_PASS;
}

#endif
