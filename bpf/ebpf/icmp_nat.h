/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_ICMP_NAT_H
#define NATBRIDGE_BPF_EBPF_ICMP_NAT_H

/*
 * ICMP errors about tracked connections (RFC 792, RFC 4443). What an error quotes was sent to the one who
 * complains, so the quoted tuple, swapped, is the key of the entry by which that one's own packets are
 * translated. The quote and the outer header are rewritten as the receiver of the error knows the connection
 * (nf_nat_icmp_reply_translation()). A redirect is not passed on: the way that it names ends at an address
 * that its receiver does not know of.
 */

#include "bpf/lib/icmp_parse.h"
#include "bpf/lib/redirect.h"

#include "fib.h"
#include "nat.h"

/* Too large for the stack, beside what the lookup needs. */
struct nb_icmp_nat {
	struct nb_outer outer;
	struct nb_conn to; /* outer, rewritten */
	struct nb_headers headers;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_icmp_nat);
} related SEC(".maps");

static __always_inline struct nb_icmp_nat *nb_icmp_nat(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&related, &zero);
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
	sum = nb_new_check(*check, conn, NB_CSUM_WHOLE);
	if (udp && !sum)
		sum = 0xffff;
	return nb_store(skb, off, &sum, sizeof(sum));
}

/* Writes the quoted packet as the receiver of the error sent it: the entry's tuple, swapped. */
static __always_inline bool nb_quote_write(struct __sk_buff *skb, const struct nb_pkt *pkt,
					   const struct nb_conn *conn)
{
	const __be16 ports[2] = { conn->dport, conn->sport };

	if (pkt->is_v4) {
		struct iphdr *at = nb_bytes(skb, pkt->quote, sizeof(*at)), ip;

		if (!at)
			return false;
		ip = *at;
		ip.saddr = conn->dst.w[3];
		ip.daddr = conn->src.w[3];
		ip.check = ~nb_csum_fold((__u16)~ip.check + nb_csum_fold(conn->csum_addr));
		if (!nb_store(skb, pkt->quote, &ip, sizeof(ip)))
			return false;
	} else if (!nb_store(skb, pkt->quote + offsetof(struct ipv6hdr, saddr), &conn->dst,
			     sizeof(conn->dst)) ||
		   !nb_store(skb, pkt->quote + offsetof(struct ipv6hdr, daddr), &conn->src,
			     sizeof(conn->src))) {
		return false;
	}
	return nb_store(skb, pkt->quote_l4, ports, sizeof(ports));
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
					   const struct nb_conn *conn, struct nb_icmp_nat *r,
					   const struct nb_port *port)
{
	r->to.src = nb_addr_same(&conn->src, &pkt->tuple.src) ? r->outer.src : conn->src;
	r->to.dst = conn->dst;
	r->to.csum_addr = bpf_csum_diff((__be32 *)&r->outer.src, 2 * sizeof(struct nb_addr),
					(__be32 *)&r->to.src, 2 * sizeof(struct nb_addr), 0);
	return nb_write_ip(skb, pkt->is_v4, &r->to, port, &r->headers) &&
	       (pkt->is_v4 ||
		!bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, 0, r->to.csum_addr, BPF_F_PSEUDO_HDR));
}

static __always_inline int nb_icmp_nat_translate(struct __sk_buff *skb, const struct nb_pkt *pkt,
						 const struct nb_conn *conn, struct nb_icmp_nat *r,
						 const struct nb_port *to)
{
	__u32 diff;

	if (!nb_quote_write(skb, pkt, conn))
		return nb_drop(NB_DROP_WRITE);
	diff = nb_quote_diff(pkt, conn, nb_quote_fix_l4(skb, pkt, conn));
	if ((diff && bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, 0, diff, 0)) ||
	    !nb_outer_write(skb, pkt, conn, r, to))
		return nb_drop(NB_DROP_WRITE);
	nb_count(NB_COUNT_RELATED);
	return NB_CONTINUE;
}

static __always_inline void nb_tuple_turn(struct nb_tuple *tuple)
{
	struct nb_addr src = tuple->src;
	__be16 sport = tuple->sport;

	tuple->src = tuple->dst;
	tuple->dst = src;
	tuple->sport = tuple->dport;
	tuple->dport = sport;
}

/* The live entry of the complainer, if the error is about a translated connection and addressed to its other
 * end. */
static __always_inline struct nb_conn *nb_icmp_nat_find(struct __sk_buff *skb, struct nb_pkt *pkt,
							struct nb_outer *outer)
{
	struct nb_entry *entry;
	__s64 slot;

	if (!nb_quote_read(skb, pkt, outer) || !nb_addr_same(&outer->dst, &pkt->tuple.dst))
		return NULL;
	slot = nb_entry_find(&pkt->tuple);
	if (slot < 0 && outer->redirect) { /* of the host, about an answer that it got to translate no more */
		nb_tuple_turn(&pkt->tuple);
		slot = nb_entry_find(&pkt->tuple);
	}
	entry = slot < 0 ? NULL : nb_entry_at(NULL, slot);
	return entry && entry->conn.flags & NB_CONN_NAT ? &entry->conn : NULL;
}

/* An error about a connection whose receiver has gone is not for the address's next owner. */
static __always_inline int nb_icmp_nat_late(const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	if (nb_conn_expired(conn, pkt->now))
		return NB_PASS;
	return nb_drop(nb_conn_lives(conn, pkt->now) ? NB_DROP_CUT : NB_DROP_GONE);
}

/* An ICMP message that a pod sends. */
__noinline int nb_icmp_nat_from_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_icmp_nat *r = nb_icmp_nat();
	struct nb_conn *conn;
	struct nb_port *out;
	int rc;

	if (!pkt || !r || pkt->fragment)
		return NB_PASS;
	conn = nb_icmp_nat_find(skb, pkt, &r->outer);
	if (!conn)
		return NB_PASS;
	if (r->outer.redirect || r->outer.cut)
		return nb_drop(r->outer.cut ? NB_DROP_INVALID : NB_DROP_REDIRECT);
	out = nb_conn_receiver(conn, pkt->now);
	if (!out)
		return nb_icmp_nat_late(pkt, conn);
	if (conn->in_ifindex != pkt->ifindex && nb_is_of_other(&pkt->tuple.src, pkt->ifindex))
		return nb_drop(NB_DROP_NOT_ITS_PORT);
	if (nb_conn_finished_by_host(conn))
		return conn->in_ifindex || nb_sender_is_known(skb, pkt) ? nb_to_host(skb)
									: nb_drop(NB_DROP_NOT_ITS_PORT);
	rc = nb_icmp_nat_translate(skb, pkt, conn, r, nb_deliver_to(conn, out));
	return rc == NB_CONTINUE ? nb_deliver(skb, conn, out) : rc;
}

/* An ICMP message to a pod, by the host's stack. */
__noinline int nb_icmp_nat_to_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_icmp_nat *r = nb_icmp_nat();
	struct nb_conn *conn;
	struct nb_port *out;

	if (!pkt || !r || pkt->fragment)
		return NB_PASS;
	conn = nb_icmp_nat_find(skb, pkt, &r->outer);
	if (!conn)
		return NB_PASS;
	if (r->outer.redirect || r->outer.cut)
		return nb_drop(r->outer.cut ? NB_DROP_INVALID : NB_DROP_REDIRECT);
	if (!nb_conn_via_host_reply(conn))
		return NB_PASS;
	out = nb_conn_receiver(conn, pkt->now);
	if (!out)
		return nb_icmp_nat_late(pkt, conn);
	if (out->ifindex != pkt->ifindex && nb_is_of_other(&pkt->tuple.dst, pkt->ifindex))
		return NB_PASS;
	return nb_icmp_nat_translate(skb, pkt, conn, r, NULL);
}

#endif
