/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONNTRACK_H
#define NATBRIDGE_BPF_EBPF_CONNTRACK_H

/*
 * The life of a tracked connection: whether an entry is alive, when it expires, and how a packet
 * changes its state.
 *
 * A packet of a steady connection writes its own entry only. Once a second, and where the state may
 * change, it changes the life of the client's entry, the record, and copies that to the backend's.
 *
 * Packets of one connection may be on several CPUs at once, and their pair may get another
 * connection meanwhile. So a life is changed by compare and swap alone, from the value that the
 * decision was based on; other words carry the generation (natbridge/conn_life.h).
 */

#include "conn_table.h"
#include "sctp_state.h"
#include "tcp_state.h"

enum { NB_AGE_MAX = 1000 }; /* ticks, more than two minutes; beyond are those that seem to begin later */

/* ---- alive or not ---- */

/*
 * Whether an entry with this life serves a packet: it holds a connection; or one that another CPU,
 * or userspace, has been entering for as long as a packet waits. Such an entry is complete.
 */
static __always_inline bool nb_conn_is_usable(const struct nb_pkt *pkt, __u64 life)
{
	__u32 use = nb_life_use(life);

	return use == NB_USE_TAKEN || (pkt->has_waited && nb_use_is_undecided(use));
}

/*
 * Whether an entry served the connection that a packet found there (pkt->life), and still does:
 * then everything that was read of it since belongs to that connection.
 */
static __always_inline bool nb_conn_is_same(const struct nb_conn *conn, const struct nb_pkt *pkt)
{
	nb_read_barrier();
	return nb_conn_is_usable(pkt, pkt->life) && nb_life_same(nb_load(&conn->life), pkt->life);
}

static __always_inline bool nb_life_expired(__u64 life, __u32 now)
{
	return (__s32)(nb_life_expires(life) - now) <= 0;
}

/* Why a connection that serves no packet any more has ended. */
static __always_inline enum nb_end nb_end_reason(__u64 life, __u32 now)
{
	return nb_life_expired(life, now) ? NB_END_EXPIRED : NB_END_GONE;
}

/* The port to which an entry's packets go; NULL: the receiver is gone, or cut off. */
static __always_inline struct nb_port *nb_conn_out_port(const struct nb_conn *conn)
{
	struct nb_port *port = nb_port_at(conn->out_slot);

	return port && READ_ONCE(port->gen) == conn->out_gen ? port : NULL;
}

/* Whether an entry with this life has not expired and its receiver is there, cut off or not. */
static __always_inline bool nb_conn_lives(const struct nb_conn *conn, __u64 life, __u32 now)
{
	struct nb_port *port = nb_port_at(conn->out_slot);

	return !nb_life_expired(life, now) && port && (READ_ONCE(port->gen) & ~NB_GEN_CUT) == conn->out_gen;
}

/* ---- lifetime of TCP and UDP, in ticks ---- */

static __always_inline __u32 nb_timeout_of(__u32 state, __u32 flags, __u8 proto)
{
	__u32 index = state;

	if (proto == IPPROTO_UDP)
		index = flags & NB_LIFE_ASSURED ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_UDP;
	else if (index == NB_TCP_ESTABLISHED && !(flags & NB_LIFE_SEEN_REPLY))
		index = NB_TIMEOUT_TCP_UNACKNOWLEDGED; /* picked up in the middle (tcp_loose) */
	barrier_var(index); /* what is compared is what is used: Linux 6.1 does not track copies */
	return index < NB_TIMEOUTS ? nb_settings.timeouts[index] : 0;
}

/* When an entry expires that is used now: up to a second late, so that it is written once a second. */
static __always_inline __u32 nb_deadline(__u32 state, __u32 flags, __u8 proto, __u32 now)
{
	return now + nb_timeout_of(state, flags, proto) + nb_constants.second;
}

/*
 * Whether a packet has to write the lifetime: not within a second after it was written, which is
 * while it ends later than the timeout from now, and not more than a second later. So a timeout
 * that became shorter is due, too.
 */
static __always_inline bool nb_life_is_due(__u64 life, __u32 now, __u32 timeout)
{
	return nb_life_expires(life) - now - timeout - 1 >= nb_constants.second;
}

static __always_inline bool nb_life_due(__u64 life, __u32 now, __u8 proto)
{
	return nb_life_is_due(life, now, nb_timeout_of(nb_life_state(life), nb_life_flags(life), proto));
}

/*
 * Whether an established connection is as good as dead: one side has data that is not acknowledged,
 * or was sent three times again, and both were silent for longer than the timeouts for that. fwd
 * and rev are its entries, and life is the client's.
 */
static __always_inline bool nb_conn_stalled(const struct nb_conn *fwd, const struct nb_conn *rev, __u64 life,
					    __u32 now)
{
	__u64 fwd_seq = nb_tagged(nb_load(&fwd->seq), life), rev_seq = nb_tagged(nb_load(&rev->seq), life);
	__u32 fwd_acked = nb_tagged(nb_load(&fwd->acked), life);
	__u32 rev_acked = nb_tagged(nb_load(&rev->acked), life);
	__u32 idle, limit = 0;

	if (nb_life_state(life) != NB_TCP_ESTABLISHED)
		return false;
	if (nb_tagged_more(fwd_seq) >= NB_RETRANS_MAX || nb_tagged_more(rev_seq) >= NB_RETRANS_MAX)
		limit = nb_settings.timeouts[NB_TIMEOUT_TCP_RETRANS];
	else if ((__s32)((__u32)fwd_seq - rev_acked) > 0 || (__s32)((__u32)rev_seq - fwd_acked) > 0)
		limit = nb_settings.timeouts[NB_TIMEOUT_TCP_UNACKNOWLEDGED];
	idle = nb_settings.timeouts[NB_TCP_ESTABLISHED] + nb_constants.second - (nb_life_expires(life) - now);
	return limit && (__s32)(idle - limit) > (__s32)nb_constants.second;
}

/* ---- state ---- */

/* How a packet changes a connection: what nb_tcp_step() and nb_life_step() decide together. */
struct nb_step {
	__u32 state;   /* after the packet */
	bool refresh;  /* it prolongs the lifetime */
	bool valid;    /* it is a valid segment */
	bool finished; /* the connection ends with it */
};

/*
 * The state of a TCP connection after this packet. life: that of the record; other: the entry of
 * the other direction. NB_NEW: the connection begins anew.
 */
static __always_inline int nb_tcp_step(const struct nb_pkt *pkt, __u64 life, bool reply,
				       const struct nb_conn *other, struct nb_step *step)
{
	enum nb_tcp_kind kind = nb_tcp_kind(pkt->tcp_flags);
	__u32 old = nb_life_state(life), next;

	/* A reset before any answer is the last packet: the kernel deletes the entry then. */
	step->finished = kind == NB_KIND_RST && !(nb_life_flags(life) & NB_LIFE_SEEN_REPLY);
	if (step->finished)
		return NB_CONTINUE;
	next = nb_tcp_next(reply, kind, old);
	if (next >= NB_TCP_STATES) {
		step->refresh = false;
		step->valid = next != NB_TCP_INVALID;
		return NB_CONTINUE;
	}
	if (next == NB_TCP_SYN_SENT && old >= NB_TCP_TIME_WAIT)
		return NB_NEW;
	if (kind == NB_KIND_RST && old == NB_TCP_ESTABLISHED && !nb_tcp_reset_exact(pkt, other, life)) {
		step->refresh = false;
		return NB_CONTINUE;
	}
	/* A repeated SYN must not keep an unanswered entry alive. */
	if (kind == NB_KIND_SYN && old == NB_TCP_SYN_SENT)
		step->refresh = false;
	step->state = next;
	return NB_CONTINUE;
}

/*
 * Ticks since the first packet, as far as the record knows: below 1000, then from 0 again. Another
 * CPU may have begun the connection a tick later than now.
 */
static __always_inline __u32 nb_conn_age(const struct nb_conn *record, __u64 life, __u32 now)
{
	__u64 checked = nb_tagged(nb_load(&record->checked), life);
	__u32 age = (now - nb_tagged_more(checked)) & NB_SMALL_MASK;

	return checked && age < NB_AGE_MAX ? age : 0;
}

/* The record's flags after a packet of this direction, in the state after the packet. */
static __always_inline __u32 nb_flags_step(const struct nb_pkt *pkt, const struct nb_conn *record, __u64 life,
					   __u32 state, bool answer)
{
	__u32 flags = nb_life_flags(life) | (answer ? NB_LIFE_SEEN_REPLY : 0);

	if (!(flags & NB_LIFE_SEEN_REPLY))
		return flags;
	if (pkt->tuple.proto == IPPROTO_UDP) {
		/* A stream is one that is used for more than 2 s (nf_conntrack_proto_udp.c). */
		if (nb_conn_age(record, life, pkt->now) > 2 * nb_constants.second)
			flags |= NB_LIFE_ASSURED;
		return flags | NB_LIFE_STEADY;
	}
	if (state == NB_TCP_ESTABLISHED)
		return flags | NB_LIFE_ASSURED | NB_LIFE_STEADY;
	return flags & ~NB_LIFE_STEADY;
}

/* The record's life after this packet, in *next. NB_NEW: the connection begins anew. */
static __always_inline int nb_life_step(const struct nb_pkt *pkt, const struct nb_conn *record, __u64 life,
					bool reply, const struct nb_conn *other, __u64 *next)
{
	struct nb_step step = { .state = nb_life_state(life), .refresh = true, .valid = true };
	__u32 flags, expires = nb_life_expires(life);
	int rc;

	if (pkt->tuple.proto == IPPROTO_TCP) {
		rc = nb_tcp_step(pkt, life, reply, other, &step);
		if (rc != NB_CONTINUE)
			return rc;
		if (step.finished) {
			*next = nb_life_with_expires(life, pkt->now);
			return NB_CONTINUE;
		}
	}
	/* A segment that is not valid is no answer either. */
	flags = nb_flags_step(pkt, record, life, step.state, reply && step.valid);
	if (step.refresh)
		expires = nb_deadline(step.state, flags, pkt->tuple.proto, pkt->now);
	*next = nb_life_with(life, step.state, flags, expires);
	return NB_CONTINUE;
}

/* Whether a packet that changes a life to "next" is the last one but for late ones. */
static __always_inline bool nb_life_closes(__u64 life, __u64 next, __u32 now)
{
	return (nb_state_is_closed(nb_life_state(next)) && !nb_state_is_closed(nb_life_state(life))) ||
	       nb_life_expired(next, now); /* nb_step.finished */
}

/*
 * Copies the record's life to the backend's entry, until both are the same. The copy is read before
 * the record. So it is not changed if its pair has got another connection in between, by whose
 * owner it was voided first (nb_pair_claim()), and it follows a connection that was renewed.
 */
static __always_inline void nb_pair_copy_life(struct nb_pair *pair)
{
	for (int i = 0; i < NB_LIFE_TRIES; i++) {
		__u64 copy = nb_load(&pair->dir[1].conn.life), record;

		nb_read_barrier();
		record = nb_load(&pair->dir[0].conn.life);
		if (copy == record || nb_life_use(copy) != NB_USE_TAKEN ||
		    nb_life_use(record) != NB_USE_TAKEN)
			break;
		nb_change(&pair->dir[1].conn.life, copy, record);
	}
}

/*
 * Whether the record is of the connection that the packet found, or of the one that has taken its
 * place in the same entries (conn_renew.h). Then the packet belongs to that one.
 */
static __always_inline bool nb_pkt_is_of(struct nb_pkt *pkt, struct nb_pair *pair, __u64 record, bool reply)
{
	if (nb_life_same_gen(record, pkt->life))
		return true;
	if (!reply || nb_life_use(record) != NB_USE_TAKEN ||
	    !nb_change(&pair->dir[1].conn.life, pkt->life, record))
		return false;
	pkt->life = record;
	return true;
}

/* ---- what a packet does to its entry ---- */

/* sctp: the packet's protocol, as a constant, so that TCP and UDP do not pay for it. */
static __always_inline int nb_conn_change(struct nb_pkt *pkt, __u32 entry_id, bool sctp)
{
	struct nb_pair *pair = nb_pair_at(entry_id / 2);
	bool reply = entry_id & 1;
	struct nb_conn *record;
	bool repair;
	int rc;

	if (!pkt || !pair)
		return NB_PASS;
	record = &pair->dir[0].conn;
	if (!sctp && pkt->tuple.proto == IPPROTO_TCP && !nb_tcp_flags_valid(pkt->tcp_flags))
		return record->flags & NB_CONN_NAT ? nb_drop(NB_DROP_INVALID) : NB_PASS;
	/*
	 * Once a second: whether the index finds the other entry. Until an answer comes, each request
	 * looks: without the backend's entry no answer is translated.
	 */
	repair = (sctp ? nb_sctp_due(pkt) : nb_life_due(pkt->life, pkt->now, pkt->tuple.proto)) ||
		 !(reply || nb_life_flags(pkt->life) & NB_LIFE_SEEN_REPLY);
	/* Another CPU may change the life in between: then this packet is judged by the new one. */
	for (int i = 0; i < NB_LIFE_TRIES; i++) {
		__u64 life, next;

		if (sctp)
			barrier_var(i); /* keeps the loop's head its only entry: see nb_conn_insert() */
		life = nb_load(&record->life);
		if (!nb_pkt_is_of(pkt, pair, life, reply))
			return NB_AGAIN;
		if (nb_life_use(life) != NB_USE_TAKEN)
			return nb_conn_is_usable(pkt, life) ? NB_CONTINUE : NB_AGAIN;
		rc = sctp ? nb_sctp_life_step(pkt, pair, life, reply, &next)
			  : nb_life_step(pkt, record, life, reply, &pair->dir[!reply].conn, &next);
		if (rc != NB_CONTINUE)
			return rc;
		if (next == life)
			break;
		if (nb_change(&record->life, life, next)) {
			if (nb_life_closes(life, next, pkt->now))
				nb_conn_tell_end(entry_id / 2, next, NB_END_CLOSED);
			break;
		}
	}
	nb_pair_copy_life(pair);
	if (repair && nb_pair_repair(pair, entry_id ^ 1, nb_load(&record->life)))
		nb_count(NB_COUNT_REPAIRED);
	if (!sctp && pkt->tuple.proto == IPPROTO_TCP)
		nb_tcp_note(pkt, &pair->dir[reply].conn);
	return NB_CONTINUE;
}

/*
 * For packets that can change the state of the connection, or have to write its lifetime. NB_NEW:
 * the connection begins anew. NB_AGAIN: the connection is gone, look the packet's up once more. A
 * drop reason: the packet belongs to no connection.
 */
__noinline int nb_conn_update(struct nb_pkt *pkt, __u32 entry_id)
{
	return nb_conn_change(pkt, entry_id, false);
}

/* The same for SCTP. */
__noinline int nb_sctp_update(struct nb_pkt *pkt, __u32 entry_id)
{
	return nb_conn_change(pkt, entry_id, true);
}

/*
 * Whether a packet changes nothing but what its direction has sent: of a steady connection, whose
 * lifetime is not due. TCP is established and answered then.
 */
static __always_inline bool nb_pkt_is_steady(const struct nb_pkt *pkt, bool tcp)
{
	if (!nb_life_is_steady(pkt->life))
		return false;
	if (!tcp) /* no association of SCTP is steady */
		return !nb_life_due(pkt->life, pkt->now, IPPROTO_UDP);
	return !nb_life_is_due(pkt->life, pkt->now, nb_settings.timeouts[NB_TCP_ESTABLISHED]) &&
	       !nb_tcp_special(pkt);
}

/* Tracks a packet in its entry, whose life pkt->life is. Returns as nb_conn_update(). */
static __always_inline int nb_conn_track(struct nb_pkt *pkt, struct nb_conn *conn, __u32 entry_id)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (pkt->later_fragment)
		return nb_conn_is_usable(pkt, pkt->life) ? NB_CONTINUE : NB_AGAIN;
	if (!nb_pkt_is_steady(pkt, tcp))
		return pkt->tuple.proto == IPPROTO_SCTP ? nb_sctp_update(pkt, entry_id)
							: nb_conn_update(pkt, entry_id);
	if (tcp)
		nb_tcp_note_segment(pkt, conn, true);
	return NB_CONTINUE;
}

#endif
