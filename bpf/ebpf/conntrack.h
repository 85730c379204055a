/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONNTRACK_H
#define NATBRIDGE_BPF_EBPF_CONNTRACK_H

/*
 * The life of a tracked connection: whether an entry is alive, who may use it, and what a packet does to its
 * state. A packet of a steady connection touches its own entry only; once a second, and where the state may
 * change, that of the other direction is brought up to date as well.
 */

#include "conn_table.h"
#include "tcp_state.h"

static __always_inline void nb_conn_other_key(const struct nb_conn *conn, __u8 proto, struct nb_tuple *key)
{
	nb_tuple_swap(&conn->src, &conn->dst, conn->sport, conn->dport, proto, key);
}

static __always_inline bool nb_conn_expired(const struct nb_conn *conn, __u32 now)
{
	return (__s32)(conn->expires - now) <= 0;
}

/* Where packets of this entry go; NULL if it has expired, or the receiver has gone or is cut off. */
static __always_inline struct nb_port *nb_conn_receiver(const struct nb_conn *conn, __u32 now)
{
	struct nb_port *port;

	if (nb_conn_expired(conn, now))
		return NULL;
	port = nb_port_of_slot(conn->out_slot);
	return port && port->gen == conn->out_gen ? port : NULL;
}

/* Whether the receiver is still there, cut off or not, and the entry has not expired. */
static __always_inline bool nb_conn_lives(const struct nb_conn *conn, __u32 now)
{
	struct nb_port *port = nb_port_of_slot(conn->out_slot);

	return !nb_conn_expired(conn, now) && port && (port->gen & ~NB_GEN_CUT) == conn->out_gen;
}

/* Whether an ADD gave this address to a pod at another port than that one. */
static __always_inline bool nb_is_of_other(const struct nb_addr *addr, __u32 ifindex)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *owner = bpf_map_lookup_elem(&endpoints, &key);
	struct nb_port *port = owner ? nb_port_of_slot(owner->slot) : NULL;

	return port && port->ifindex && port->ifindex != ifindex;
}

static __always_inline __u32 nb_conn_timeout(const struct nb_conn *conn, __u8 proto)
{
	__u32 index = conn->state;

	if (proto == IPPROTO_UDP)
		index = conn->flags & NB_CONN_ASSURED ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_UDP;
	else if (index == NB_TCP_ESTABLISHED && !(conn->flags & NB_CONN_SEEN_REPLY))
		index = NB_TIMEOUT_TCP_UNACKNOWLEDGED; /* picked up in its middle (tcp_loose) */
	asm volatile("" : "+r"(index)); /* what is compared is what is used: Linux 6.1 knows no copies */
	return index < NB_TIMEOUTS ? nb_settings.timeouts[index] : 0;
}

/* When an entry that is used now expires: never early, at most a second late, so that it is written once a
 * second. */
static __always_inline __u32 nb_conn_deadline(const struct nb_conn *conn, __u8 proto, __u32 now)
{
	return now + nb_conn_timeout(conn, proto) + nb_constants.second;
}

/* "Later" and not "other": a shorter timeout set at run time counts from the next packet on, too. */
static __always_inline bool nb_conn_is_later(__u32 deadline, const struct nb_conn *conn)
{
	return (__u32)(deadline - conn->expires) >= nb_constants.second;
}

static __always_inline bool nb_conn_due(const struct nb_conn *conn, const struct nb_pkt *pkt)
{
	return nb_conn_is_later(nb_conn_deadline(conn, pkt->tuple.proto, pkt->now), conn);
}

/* The same for a connection that is NB_CONN_STEADY: of TCP, it is established and answered. */
static __always_inline bool nb_conn_due_steady(const struct nb_conn *conn, const struct nb_pkt *pkt)
{
	if (pkt->tuple.proto != IPPROTO_TCP)
		return nb_conn_due(conn, pkt);
	return nb_conn_is_later(pkt->now + nb_settings.timeouts[NB_TCP_ESTABLISHED] + nb_constants.second,
				conn);
}

/*
 * Whether a live connection is as good as dead: established, but with data unacknowledged or sent three
 * times, and silent for longer than the timeouts for that. fwd and rev are its two entries.
 */
static __always_inline bool nb_conn_stalled(const struct nb_conn *fwd, const struct nb_conn *rev, __u32 now)
{
	__u32 idle, limit = 0;

	if (fwd->state != NB_TCP_ESTABLISHED)
		return false;
	if (fwd->retrans >= 3 || rev->retrans >= 3)
		limit = nb_settings.timeouts[NB_TIMEOUT_TCP_RETRANS];
	else if ((__s32)(fwd->seq_end - rev->ack) > 0 || (__s32)(rev->seq_end - fwd->ack) > 0)
		limit = nb_settings.timeouts[NB_TIMEOUT_TCP_UNACKNOWLEDGED];
	idle = nb_settings.timeouts[NB_TCP_ESTABLISHED] + nb_constants.second - (fwd->expires - now);
	return limit && (__s32)(idle - limit) > (__s32)nb_constants.second;
}

/* The state of a TCP connection after this packet, changed in its record. NB_NEW: the connection begins anew.
 */
static __always_inline int nb_tcp_step(const struct nb_pkt *pkt, const struct nb_conn *conn,
				       const struct nb_conn *other, struct nb_conn *record, bool *refresh,
				       bool *valid)
{
	bool reply = conn->flags & NB_CONN_REPLY;
	enum nb_tcp_kind kind = nb_tcp_kind(pkt->tcp_flags);

	for (int i = 0; i < 4; i++) {
		__u32 old = record->state;
		__u32 next = nb_tcp_next(reply, kind, old);

		if (next >= NB_TCP_STATES) {
			*refresh = false;
			*valid = next != NB_TCP_INVALID;
			return NB_CONTINUE;
		}
		if (next == NB_TCP_SYN_SENT && old >= NB_TCP_TIME_WAIT)
			return NB_NEW;
		if (kind == NB_KIND_RST && old == NB_TCP_ESTABLISHED && !nb_tcp_reset_exact(pkt, other)) {
			*refresh = false;
			return NB_CONTINUE;
		}
		/* A repeated SYN must not keep an unanswered entry alive. */
		if (kind == NB_KIND_SYN && old == NB_TCP_SYN_SENT)
			*refresh = false;
		if (next == old)
			return NB_CONTINUE;
		if (__sync_val_compare_and_swap(&record->state, old, next) == old)
			return NB_CONTINUE;
	}
	return NB_CONTINUE;
}

/* Which flags of the record a packet in this direction sets, once its state is that after the packet. */
static __always_inline __u16 nb_conn_next_flags(const struct nb_pkt *pkt, const struct nb_conn *record,
						bool reply)
{
	__u16 flags = record->flags | (reply ? NB_CONN_SEEN_REPLY : 0);

	if (!(flags & NB_CONN_SEEN_REPLY))
		return flags;
	if (pkt->tuple.proto == IPPROTO_UDP) {
		/* A stream only if it is still used after two seconds (nf_conntrack_proto_udp.c). */
		if (pkt->now - record->created > 2 * nb_constants.second)
			flags |= NB_CONN_ASSURED;
		return flags | NB_CONN_STEADY;
	}
	if (record->state == NB_TCP_ESTABLISHED)
		return flags | NB_CONN_ASSURED | NB_CONN_STEADY;
	return flags & ~NB_CONN_STEADY;
}

enum { NB_CONN_SHARED = NB_CONN_SEEN_REPLY | NB_CONN_ASSURED | NB_CONN_STEADY };

/* Brings both entries of a connection to the state after this packet. */
static __always_inline int nb_conn_step(const struct nb_pkt *pkt, struct nb_conn *conn, struct nb_conn *other)
{
	bool reply = conn->flags & NB_CONN_REPLY, refresh = true, valid = true;
	struct nb_conn *record = reply ? other : conn;
	struct nb_conn *copy = reply ? conn : other;
	__u16 shared;
	int rc;

	if (pkt->tuple.proto == IPPROTO_TCP) {
		/* A reset before any answer: this packet is the last (the kernel kills the entry likewise).
		 */
		if (pkt->tcp_flags & NB_RST && !(record->flags & NB_CONN_SEEN_REPLY)) {
			record->expires = copy->expires = pkt->now;
			return NB_CONTINUE;
		}
		rc = nb_tcp_step(pkt, conn, other, record, &refresh, &valid);
		if (rc != NB_CONTINUE)
			return rc;
	}
	/* What is no valid segment is no answer either. */
	shared = nb_conn_next_flags(pkt, record, reply && valid) & NB_CONN_SHARED;
	record->flags = (record->flags & ~NB_CONN_SHARED) | shared;
	copy->flags = (copy->flags & ~NB_CONN_SHARED) | shared;
	copy->state = record->state;
	if (refresh)
		record->expires = copy->expires = nb_conn_deadline(record, pkt->tuple.proto, pkt->now);
	return NB_CONTINUE;
}

#endif
