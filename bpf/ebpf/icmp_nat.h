/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_ICMP_NAT_H
#define NATBRIDGE_BPF_EBPF_ICMP_NAT_H

/*
 * ICMP errors about translated connections (RFC 792, RFC 4443). An error quotes a packet that went
 * to the pod which reports it. So the quoted tuple, swapped, is the key of the entry that
 * translates that pod's own packets. The quoted packet and the outer header are rewritten to the
 * addresses and ports that the error's receiver knows (nf_nat_icmp_reply_translation()).
 *
 * A redirect is dropped: it names a next hop to an address that its receiver does not know.
 */

#include "bpf/lib/icmp_parse.h"
#include "bpf/lib/redirect.h"

#include "conn_check.h"
#include "fib.h"
#include "nat.h"
#include "place.h"

/* Too large for the stack, besides what the lookup needs. */
struct nb_icmp_nat {
	struct nb_icmp_outer outer;
	struct nb_conn conn; /* a copy of the entry that was found */
	struct nb_conn to;   /* outer, rewritten: addresses and csum_addr alone */
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
 * Updates the checksum in the quoted header of TCP or UDP, if it is quoted. True: it was. Then the
 * sum over the quoted packet has changed, with IPv4, by the negative of the addresses' difference,
 * and with IPv6 not at all.
 */
static __always_inline bool nb_icmp_fix_quoted_check(struct __sk_buff *skb, const struct nb_pkt *pkt,
						     const struct nb_conn *conn)
{
	__u32 off;
	__u16 *check = nb_icmp_quoted_check(skb, pkt, &off), sum;

	if (!check)
		return false;
	sum = nb_nat_check(*check, conn, NB_CSUM_WHOLE);
	if (pkt->tuple.proto == IPPROTO_UDP && !sum)
		sum = 0xffff;
	return nb_store(skb, off, &sum, sizeof(sum));
}

/* Rewrites the quoted packet to what the error's receiver sent: the entry's tuple, swapped. */
static __always_inline bool nb_icmp_write_quoted(struct __sk_buff *skb, const struct nb_pkt *pkt,
						 const struct nb_conn *conn)
{
	const __be16 ports[2] = { conn->dport, conn->sport };

	if (pkt->is_v4) {
		struct iphdr *at = nb_bytes(skb, pkt->quoted_off, sizeof(*at)), ip;

		if (!at)
			return false;
		ip = *at;
		ip.saddr = conn->dst.w[3];
		ip.daddr = conn->src.w[3];
		ip.check = ~nb_csum_fold((__u16)~ip.check + nb_csum_fold(conn->csum_addr));
		if (!nb_store(skb, pkt->quoted_off, &ip, sizeof(ip)))
			return false;
	} else if (!nb_store(skb, pkt->quoted_off + offsetof(struct ipv6hdr, saddr), &conn->dst,
			     sizeof(conn->dst)) ||
		   !nb_store(skb, pkt->quoted_off + offsetof(struct ipv6hdr, daddr), &conn->src,
			     sizeof(conn->src))) {
		return false;
	}
	return nb_store(skb, pkt->quoted_l4_off, ports, sizeof(ports));
}

/*
 * What the rewritten quoted packet adds to the sum of the ICMP message. The checksum of its IPv4
 * header makes up for the addresses, that of TCP or UDP for addresses and ports.
 */
static __always_inline __u32 nb_icmp_quoted_diff(const struct nb_pkt *pkt, const struct nb_conn *conn,
						 bool l4_fixed)
{
	__u32 addr = nb_csum_fold(conn->csum_addr), port = nb_csum_fold(conn->csum_port);

	if (pkt->is_v4)
		return l4_fixed ? (__u16)~addr : port;
	return l4_fixed ? 0 : addr + port;
}

/*
 * Rewrites the outer header: those addresses that the reporting pod's own packets have rewritten.
 * So the source becomes the VIP, also if a router on the way reports the error. In ICMPv6 the
 * addresses are part of the checksum.
 */
static __always_inline bool nb_icmp_write_outer(struct __sk_buff *skb, const struct nb_pkt *pkt,
						const struct nb_conn *conn, struct nb_icmp_nat *work,
						const struct nb_port *to)
{
	const struct nb_nat nat = { .conn = &work->to, .pkt = pkt, .to = to };
	int len;

	work->to = *conn;
	if (nb_addr_same(&conn->src, &pkt->tuple.src))
		work->to.src = work->outer.src;
	work->to.csum_addr = bpf_csum_diff((__be32 *)&work->outer.src, 2 * sizeof(struct nb_addr),
					   (__be32 *)&work->to.src, 2 * sizeof(struct nb_addr), 0);
	work->to.csum_addr = nb_csum_fold(work->to.csum_addr);
	len = nb_nat_make_ip(skb, &nat, pkt->is_v4, &work->headers);
	return len < NB_DROPPED && nb_store(skb, 0, work->headers.dmac, len) &&
	       (pkt->is_v4 || !bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, 0, work->to.csum_addr,
						   BPF_F_PSEUDO_HDR));
}

static __always_inline int nb_icmp_nat_translate(struct __sk_buff *skb, const struct nb_pkt *pkt,
						 const struct nb_conn *conn, struct nb_icmp_nat *work,
						 const struct nb_port *to)
{
	__u32 diff;

	if (!nb_icmp_write_quoted(skb, pkt, conn))
		return nb_drop(NB_DROP_WRITE);
	diff = nb_icmp_quoted_diff(pkt, conn, nb_icmp_fix_quoted_check(skb, pkt, conn));
	if ((diff && bpf_l4_csum_replace(skb, pkt->l4_off + NB_ICMP_CSUM, 0, diff, 0)) ||
	    !nb_icmp_write_outer(skb, pkt, conn, work, to))
		return nb_drop(NB_DROP_WRITE);
	nb_count(NB_COUNT_RELATED);
	return NB_CONTINUE;
}

/*
 * Copies the entry of the pod that reports the error, with its life in pkt->life. False: the message
 * is about no translated connection, or goes to somebody else than the connection's other end.
 */
static __always_inline bool nb_icmp_nat_find(struct __sk_buff *skb, struct nb_pkt *pkt,
					     struct nb_icmp_nat *work)
{
	struct nb_entry *entry;
	__s64 entry_id;

	if (!nb_icmp_parse_quoted(skb, pkt, &work->outer) || !nb_addr_same(&work->outer.dst, &pkt->tuple.dst))
		return false;
	entry_id = nb_entry_find(&pkt->tuple);
	if (entry_id < 0 && work->outer.redirect) {
		/* The host's redirect about an answer that the client's port has not translated yet. */
		nb_tuple_swap_ends(&pkt->tuple);
		entry_id = nb_entry_find(&pkt->tuple);
	}
	entry = entry_id < 0 ? NULL : nb_entry_at(NULL, entry_id);
	if (!entry)
		return false;
	pkt->life = nb_load(&entry->conn.life);
	nb_read_barrier();
	work->conn = entry->conn;
	work->conn.life = pkt->life;
	return nb_key_same(&entry->key, &pkt->tuple) && nb_conn_is_same(&entry->conn, pkt) &&
	       work->conn.flags & NB_CONN_NAT;
}

/* The receiver is gone: the error is not for the next owner of its address. */
static __always_inline int nb_icmp_nat_receiver_gone(const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	if (nb_life_expired(pkt->life, pkt->now))
		return NB_PASS;
	return nb_drop(nb_conn_lives(conn, pkt->life, pkt->now) ? NB_DROP_CUT : NB_DROP_GONE);
}

/* An ICMP message that a pod sends. */
__noinline int nb_icmp_nat_from_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_icmp_nat *work = nb_icmp_nat();
	const struct nb_conn *conn;
	struct nb_port *out;
	__u32 receiver;
	int rc;

	if (!pkt || !work || pkt->fragment || !nb_icmp_nat_find(skb, pkt, work))
		return NB_PASS;
	conn = &work->conn;
	if (work->outer.redirect || work->outer.truncated)
		return nb_drop(work->outer.truncated ? NB_DROP_INVALID : NB_DROP_REDIRECT);
	out = nb_life_expired(pkt->life, pkt->now) ? NULL : nb_conn_out_port(conn);
	if (!out)
		return nb_icmp_nat_receiver_gone(pkt, conn);
	if (!nb_conn_is_from(conn, pkt) && nb_addr_of_other_port(&pkt->tuple.src, pkt->ifindex))
		return nb_drop(NB_DROP_NOT_ITS_PORT);
	receiver = nb_conn_receiver(conn, out);
	if (nb_conn_reply_to_host(conn->flags))
		return conn->in_ifindex || nb_fib_source_valid(skb, pkt) ? nb_pass_to_host(skb)
									 : nb_drop(NB_DROP_NOT_ITS_PORT);
	rc = nb_icmp_nat_translate(skb, pkt, conn, work, nb_deliver_port(conn->flags, out));
	return rc == NB_CONTINUE ? nb_deliver(skb, pkt, conn->flags, receiver) : rc;
}

/* An ICMP message that enters a pod from the host's IP stack. */
__noinline int nb_icmp_nat_to_pod(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_icmp_nat *work = nb_icmp_nat();
	const struct nb_conn *conn;
	struct nb_port *out;

	if (!pkt || !work || pkt->fragment || !nb_icmp_nat_find(skb, pkt, work))
		return NB_PASS;
	conn = &work->conn;
	if (work->outer.redirect || work->outer.truncated)
		return nb_drop(work->outer.truncated ? NB_DROP_INVALID : NB_DROP_REDIRECT);
	if (!nb_conn_via_host_reply(conn->flags))
		return NB_PASS;
	out = nb_life_expired(pkt->life, pkt->now) ? NULL : nb_conn_out_port(conn);
	if (!out)
		return nb_icmp_nat_receiver_gone(pkt, conn);
	if (out->ifindex != pkt->ifindex && nb_addr_of_other_port(&pkt->tuple.dst, pkt->ifindex))
		return NB_PASS;
	return nb_icmp_nat_translate(skb, pkt, conn, work, NULL);
}

#endif
