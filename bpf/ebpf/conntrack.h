/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONNTRACK_H
#define NATBRIDGE_BPF_EBPF_CONNTRACK_H

/*
 * The life of a tracked connection: whether an entry is alive, when it expires, and how a packet
 * changes its state.
 *
 * A packet of a steady connection writes its own entry only. Once a second, and where the state may
 * change, it brings the other direction's entry up to date as well. The client's entry is the
 * record; the other one holds a copy of its state, flags and lifetime.
 *
 * Packets of one connection may be on several CPUs at once, which write without a lock. The state
 * is changed by compare and swap. A lost update of anything else is harmless:
 *   - flags: the next packet that is not steady computes the same flags again.
 *   - expires: the CPUs write times that differ by a tick, or those of two successive states. The
 *     next packet sees that a lifetime does not fit the state (nb_conn_due()) and writes it again.
 */

#include "conn_table.h"
#include "tcp_state.h"

/* ---- alive or not ---- */

static __always_inline bool nb_conn_expired(const struct nb_conn *conn, __u32 now)
{
	return (__s32)(READ_ONCE(conn->expires) - now) <= 0;
}

/* The port to which an entry's packets go; NULL: the receiver is gone, or cut off. */
static __always_inline struct nb_port *nb_conn_out_port(const struct nb_conn *conn)
{
	struct nb_port *port = nb_port_at(conn->out_slot);

	return port && READ_ONCE(port->gen) == conn->out_gen ? port : NULL;
}

/* The same; NULL also if the entry has expired. */
static __always_inline struct nb_port *nb_conn_receiver(const struct nb_conn *conn, __u32 now)
{
	return nb_conn_expired(conn, now) ? NULL : nb_conn_out_port(conn);
}

/* Whether the entry has not expired and its receiver is there, cut off or not. */
static __always_inline bool nb_conn_lives(const struct nb_conn *conn, __u32 now)
{
	struct nb_port *port = nb_port_at(conn->out_slot);

	return !nb_conn_expired(conn, now) && port && (READ_ONCE(port->gen) & ~NB_GEN_CUT) == conn->out_gen;
}

/* ---- lifetime, in ticks ---- */

static __always_inline __u32 nb_conn_timeout(const struct nb_conn *conn, __u8 proto)
{
	__u32 index = READ_ONCE(conn->state);

	if (proto == IPPROTO_UDP)
		index = conn->flags & NB_CONN_ASSURED ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_UDP;
	else if (index == NB_TCP_ESTABLISHED && !(conn->flags & NB_CONN_SEEN_REPLY))
		index = NB_TIMEOUT_TCP_UNACKNOWLEDGED; /* picked up in the middle (tcp_loose) */
	barrier_var(index); /* what is compared is what is used: Linux 6.1 does not track copies */
	return index < NB_TIMEOUTS ? nb_settings.timeouts[index] : 0;
}

/* When an entry expires that is used now: up to a second late, so that it is written once a second. */
static __always_inline __u32 nb_conn_deadline(const struct nb_conn *conn, __u8 proto, __u32 now)
{
	return now + nb_conn_timeout(conn, proto) + nb_constants.second;
}

/* False within a second after "expires" was written. A timeout that became shorter is due, too. */
static __always_inline bool nb_conn_is_due(__u32 deadline, const struct nb_conn *conn)
{
	return (__u32)(deadline - READ_ONCE(conn->expires)) >= nb_constants.second;
}

/* Whether this packet has to write the lifetime. */
static __always_inline bool nb_conn_due(const struct nb_conn *conn, const struct nb_pkt *pkt)
{
	return nb_conn_is_due(nb_conn_deadline(conn, pkt->tuple.proto, pkt->now), conn);
}

/* The same for an entry with NB_CONN_STEADY: of TCP, the connection is established and answered. */
static __always_inline bool nb_conn_due_steady(const struct nb_conn *conn, const struct nb_pkt *pkt)
{
	if (pkt->tuple.proto != IPPROTO_TCP)
		return nb_conn_due(conn, pkt);
	return nb_conn_is_due(pkt->now + nb_settings.timeouts[NB_TCP_ESTABLISHED] + nb_constants.second,
			      conn);
}

/*
 * Whether an established connection is as good as dead: one side has data that is not acknowledged,
 * or was sent three times again, and both were silent for longer than the timeouts for that. fwd
 * and rev are its entries.
 */
static __always_inline bool nb_conn_stalled(const struct nb_conn *fwd, const struct nb_conn *rev, __u32 now)
{
	__u32 idle, limit = 0;

	if (READ_ONCE(fwd->state) != NB_TCP_ESTABLISHED)
		return false;
	if (READ_ONCE(fwd->retrans) >= 3 || READ_ONCE(rev->retrans) >= 3)
		limit = nb_settings.timeouts[NB_TIMEOUT_TCP_RETRANS];
	else if ((__s32)(READ_ONCE(fwd->seq_end) - READ_ONCE(rev->ack)) > 0 ||
		 (__s32)(READ_ONCE(rev->seq_end) - READ_ONCE(fwd->ack)) > 0)
		limit = nb_settings.timeouts[NB_TIMEOUT_TCP_UNACKNOWLEDGED];
	idle = nb_settings.timeouts[NB_TCP_ESTABLISHED] + nb_constants.second -
	       (READ_ONCE(fwd->expires) - now);
	return limit && (__s32)(idle - limit) > (__s32)nb_constants.second;
}

/* ---- state ---- */

/*
 * Moves a TCP connection to its state after this packet. NB_NEW: the connection begins anew.
 * *refresh becomes false if the packet must not prolong the lifetime, *valid if it is not a valid
 * segment.
 */
static __always_inline int nb_tcp_step(const struct nb_pkt *pkt, const struct nb_conn *conn,
				       const struct nb_conn *other, struct nb_conn *record, bool *refresh,
				       bool *valid)
{
	bool reply = conn->flags & NB_CONN_REPLY;
	enum nb_tcp_kind kind = nb_tcp_kind(pkt->tcp_flags);

	/* Another CPU may move the state in between: then this packet is judged by the new one. */
	for (int i = 0; i < 4; i++) {
		__u32 old = READ_ONCE(record->state);
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

/* The record's flags after a packet of this direction; the state is that after the packet already. */
static __always_inline __u16 nb_conn_next_flags(const struct nb_pkt *pkt, const struct nb_conn *record,
						bool reply)
{
	__u16 flags = READ_ONCE(record->flags) | (reply ? NB_CONN_SEEN_REPLY : 0);

	if (!(flags & NB_CONN_SEEN_REPLY))
		return flags;
	if (pkt->tuple.proto == IPPROTO_UDP) {
		/* A stream is one that is used for more than 2 s (nf_conntrack_proto_udp.c). */
		if (pkt->now - record->created > 2 * nb_constants.second)
			flags |= NB_CONN_ASSURED;
		return flags | NB_CONN_STEADY;
	}
	if (READ_ONCE(record->state) == NB_TCP_ESTABLISHED)
		return flags | NB_CONN_ASSURED | NB_CONN_STEADY;
	return flags & ~NB_CONN_STEADY;
}

/* The flags that both entries of a connection have, and that packets change. */
enum { NB_CONN_SHARED = NB_CONN_SEEN_REPLY | NB_CONN_ASSURED | NB_CONN_STEADY };

/* Brings both entries of a connection to the state after this packet. NB_NEW: it begins anew. */
static __always_inline int nb_conn_step(const struct nb_pkt *pkt, struct nb_conn *conn, struct nb_conn *other)
{
	bool reply = conn->flags & NB_CONN_REPLY, refresh = true, valid = true;
	struct nb_conn *record = reply ? other : conn;
	struct nb_conn *copy = reply ? conn : other;
	__u32 expires;
	__u16 shared;
	int rc;

	if (pkt->tuple.proto == IPPROTO_TCP) {
		/* A reset before any answer is the last packet: the kernel deletes the entry then. */
		if (pkt->tcp_flags & NB_RST && !(READ_ONCE(record->flags) & NB_CONN_SEEN_REPLY)) {
			WRITE_ONCE(record->expires, pkt->now);
			WRITE_ONCE(copy->expires, pkt->now);
			return NB_CONTINUE;
		}
		rc = nb_tcp_step(pkt, conn, other, record, &refresh, &valid);
		if (rc != NB_CONTINUE)
			return rc;
	}
	/* A segment that is not valid is no answer either. */
	shared = nb_conn_next_flags(pkt, record, reply && valid) & NB_CONN_SHARED;
	WRITE_ONCE(record->flags, (READ_ONCE(record->flags) & ~NB_CONN_SHARED) | shared);
	WRITE_ONCE(copy->flags, (READ_ONCE(copy->flags) & ~NB_CONN_SHARED) | shared);
	WRITE_ONCE(copy->state, READ_ONCE(record->state));
	if (refresh) {
		expires = nb_conn_deadline(record, pkt->tuple.proto, pkt->now);
		WRITE_ONCE(record->expires, expires);
		WRITE_ONCE(copy->expires, expires);
	}
	return NB_CONTINUE;
}

/* ---- what a packet does to its entry ---- */

/*
 * For packets that can change the state of the connection, or have to write its lifetime. NB_NEW:
 * the connection begins anew. A drop reason: the packet belongs to no connection.
 */
__noinline int nb_conn_update(struct nb_pkt *pkt, __u32 entry_id)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);
	struct nb_conn *conn;
	bool repair;
	int rc;

	if (!pkt || !pair)
		return NB_PASS;
	conn = &pair->dir[entry_id & 1].conn;
	if (pkt->tuple.proto == IPPROTO_TCP && !nb_tcp_flags_valid(pkt->tcp_flags))
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_INVALID) : NB_PASS;
	/* Until an answer comes, and then once a second: whether the index finds the other entry. */
	repair = !(READ_ONCE(conn->flags) & NB_CONN_SEEN_REPLY) || nb_conn_due(conn, pkt);
	rc = nb_conn_step(pkt, conn, &pair->dir[~entry_id & 1].conn);
	if (rc != NB_CONTINUE)
		return rc;
	if (repair && nb_pair_repair(pair, entry_id ^ 1))
		nb_count(NB_COUNT_REPAIRED);
	if (pkt->tuple.proto == IPPROTO_TCP)
		nb_tcp_note(pkt, conn);
	return NB_CONTINUE;
}

/* Tracks a packet in its entry. Returns as nb_conn_update(). */
static __always_inline int nb_conn_track(struct nb_pkt *pkt, struct nb_conn *conn, __u32 entry_id)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (pkt->later_fragment)
		return NB_CONTINUE;
	if (!(READ_ONCE(conn->flags) & NB_CONN_STEADY) || nb_conn_due_steady(conn, pkt) ||
	    (tcp && nb_tcp_special(pkt)))
		return nb_conn_update(pkt, entry_id);
	if (tcp)
		nb_tcp_note_segment(pkt, conn, true);
	return NB_CONTINUE;
}

#endif
