/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_SCTP_STATE_H
#define NATBRIDGE_BPF_EBPF_SCTP_STATE_H

/*
 * The state table of SCTP: the states of a tracked association, as the kernel's conntrack moves through
 * them (net/netfilter/nf_conntrack_proto_sctp.c: sctp_conntracks, nf_conntrack_sctp_packet()), with these
 * differences:
 *
 *   - The kernel's CLOSED is an association that begins as well as one that has ended. Here the former
 *     is NB_SCTP_NONE.
 *   - Only INIT begins a connection. So there is no HEARTBEAT_SENT.
 *   - A packet with a wrong verification tag is translated, and changes nothing; the kernel lets it
 *     through untranslated. Of an established association two tags are right: the one that it began
 *     with, and the one of the newest INIT. So one who guesses addresses and ports breaks nothing.
 */

#include "sctp_parse.h"

#include "conn_table.h"

enum { NB_SCTP_STATES = NB_SCTP_CLOSED + 1 };

/* Seconds (sctp_timeouts). The kernel's timeout of CLOSED holds for NONE, too. */
static const __u8 nb_sctp_seconds[NB_SCTP_STATES] = {
	[NB_SCTP_NONE] = 10,
	[NB_SCTP_COOKIE_WAIT] = 3,
	[NB_SCTP_COOKIE_ECHOED] = 3,
	[NB_SCTP_ESTABLISHED] = 210,
	[NB_SCTP_SHUTDOWN_SENT] = 3,
	[NB_SCTP_SHUTDOWN_RECD] = 3,
	[NB_SCTP_SHUTDOWN_ACK_SENT] = 3,
	[NB_SCTP_CLOSED] = 10,
};

/* In ticks, rounded up. */
static __always_inline __u32 nb_sctp_timeout(__u32 state)
{
	barrier_var(state); /* what is compared is what is used: see nb_timeout_of() */
	return state < NB_SCTP_STATES ? (nb_sctp_seconds[state] * nb_constants.minute + 59) / 60 : 0;
}

/* As nb_deadline() and nb_life_due(). */
static __always_inline __u32 nb_sctp_deadline(__u32 state, __u32 now)
{
	return now + nb_sctp_timeout(state) + nb_constants.second;
}

static __always_inline bool nb_sctp_due(const struct nb_pkt *pkt)
{
	return nb_life_expires(pkt->life) - pkt->now - nb_sctp_timeout(nb_life_state(pkt->life)) - 1 >=
	       nb_constants.second;
}

/* Short names, for the table below. __: no such state. */
enum {
	sNO = NB_SCTP_NONE,
	sCW = NB_SCTP_COOKIE_WAIT,
	sCE = NB_SCTP_COOKIE_ECHOED,
	sES = NB_SCTP_ESTABLISHED,
	sSS = NB_SCTP_SHUTDOWN_SENT,
	sSR = NB_SCTP_SHUTDOWN_RECD,
	sSA = NB_SCTP_SHUTDOWN_ACK_SENT,
	sCL = NB_SCTP_CLOSED,
	s__ = NB_SCTP_CLOSED,
};

/* Types of chunks that are in the table. */
enum {
	NB_SCTP_MOVES = NB_SCTP_FIRST | 1 << NB_SCTP_ABORT | 1 << NB_SCTP_SHUTDOWN |
			1 << NB_SCTP_SHUTDOWN_ACK | 1 << NB_SCTP_ERROR,
};

/* [from the client: 0, from the backend: 1][type of chunk][old state] -> new state */
static const __u8 nb_sctp_state_table[2][NB_SCTP_TYPES][16] = {
	{
		/* clang-format off */
		/*                              NO   CW   CE   ES   SS   SR   SA        CL */
		[NB_SCTP_INIT]              = {sNO, sCW, sCE, sES, sNO, sNO, sSA, s__, sNO},
		[NB_SCTP_INIT_ACK]          = {sNO, sCW, sCE, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_ABORT]             = {sCL, sCL, sCL, sCL, sCL, sCL, sCL, s__, sCL},
		[NB_SCTP_SHUTDOWN]          = {sNO, sCW, sCE, sSS, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_SHUTDOWN_ACK]      = {sNO, sCW, sCE, sES, sSA, sSA, sSA, s__, sCL},
		[NB_SCTP_ERROR]             = {sNO, sCW, sCE, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_COOKIE_ECHO]       = {sNO, sCE, sCE, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_COOKIE_ACK]        = {sNO, sCW, sES, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_SHUTDOWN_COMPLETE] = {sNO, sCW, sCE, sES, sSS, sSR, sCL, s__, sCL},
	},
	{
		/*                              NO   CW   CE   ES   SS   SR   SA        CL */
		[NB_SCTP_INIT]              = {sNO, sCW, sCE, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_INIT_ACK]          = {sCW, sCW, sCE, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_ABORT]             = {sCL, sCL, sCL, sCL, sCL, sCL, sCL, s__, sCL},
		[NB_SCTP_SHUTDOWN]          = {sNO, sCW, sCE, sSR, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_SHUTDOWN_ACK]      = {sNO, sCW, sCE, sES, sSA, sSA, sSA, s__, sCL},
		[NB_SCTP_ERROR]             = {sNO, sCW, sCL, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_COOKIE_ECHO]       = {sNO, sCE, sCE, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_COOKIE_ACK]        = {sNO, sCW, sES, sES, sSS, sSR, sSA, s__, sCL},
		[NB_SCTP_SHUTDOWN_COMPLETE] = {sNO, sCW, sCE, sES, sSS, sSR, sCL, s__, sCL},
		/* clang-format on */
	},
};

/*
 * The state after a packet with these chunks. Those that are first in their packet have higher numbers
 * than those that may follow them. reply: 1 if the backend sends it.
 */
__noinline __u32 nb_sctp_next(__u32 bits, __u32 reply, __u32 state)
{
#pragma unroll
	for (int type = NB_SCTP_TYPES - 1; type > 0; type--) {
		barrier_var(state); /* what is masked is what is used: see nb_timeout_of() */
		if (bits & NB_SCTP_MOVES & 1 << type)
			state = nb_sctp_state_table[reply & 1][type][state & 15];
	}
	return state & 15;
}

/*
 * Notes the tag that a side has named, which the other side's packets bear from then on: conn->seq. In an
 * association that exists, INIT may be forged: its tag is right beside the first one, in conn->acked.
 */
static __always_inline void nb_sctp_note(const struct nb_pkt *pkt, struct nb_conn *own, __u64 life)
{
	__u32 state = nb_life_state(life);
	bool exists = state >= NB_SCTP_ESTABLISHED && state != NB_SCTP_CLOSED;

	if (exists && nb_tagged(nb_load(&own->seq), life))
		nb_store_word(&own->acked, nb_tag(life, 0, pkt->seq_end));
	else
		nb_store_word(&own->seq, nb_tag(life, 0, pkt->seq_end));
}

/* The client's entry after INIT: what differs from TCP and UDP. life: set already. */
static __always_inline void nb_sctp_plan(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	conn->seq = pkt->seq_end;
	conn->life = nb_life_with_expires(conn->life, nb_sctp_deadline(NB_SCTP_NONE, pkt->now));
}

/*
 * Whether a packet has a tag that its receiver has named (RFC 9260, 8.5), or its sender, if it is
 * reflected. named: the entry of that side.
 */
static __always_inline bool nb_sctp_tag_fits(const struct nb_pkt *pkt, const struct nb_conn *named,
					     __u64 life)
{
	__u64 first = nb_tagged(nb_load(&named->seq), life);

	return !first || (__u32)first == pkt->seq ||
	       (__u32)nb_tagged(nb_load(&named->acked), life) == pkt->seq;
}

/*
 * The record's life after this packet, in *next. NB_NEW: the connection begins anew. reply: 1 if the
 * backend sends it.
 */
static __always_inline int nb_sctp_life_step(const struct nb_pkt *pkt, struct nb_pair *pair, __u64 life,
					     __u32 reply, __u64 *next)
{
	__u32 state = nb_life_state(life), flags = nb_life_flags(life), bits = pkt->ack;
	struct nb_conn *own = &pair->dir[reply].conn, *other = &pair->dir[!reply].conn;
	bool init = bits & 1 << NB_SCTP_INIT;

	*next = life;
	if (init && !reply && state == NB_SCTP_CLOSED)
		return NB_NEW;
	if (!init && !nb_sctp_tag_fits(pkt, bits & NB_SCTP_REFLECTED ? own : other, life))
		return NB_CONTINUE;
	if (bits & NB_SCTP_BEGINS)
		nb_sctp_note(pkt, own, life);
	/* Any packet may have a chunk that changes the state: no association is steady. */
	flags |= reply ? NB_LIFE_SEEN_REPLY : 0;
	*next = nb_life_with(life, state, flags, nb_life_expires(life));
	/* INIT alone must not keep an entry alive. */
	if (init && (state == NB_SCTP_NONE || state == NB_SCTP_CLOSED))
		return NB_CONTINUE;
	state = nb_sctp_next(bits, reply, state);
	if (flags & NB_LIFE_SEEN_REPLY && state == NB_SCTP_ESTABLISHED)
		flags |= NB_LIFE_ASSURED;
	*next = nb_life_with(life, state, flags, nb_sctp_deadline(state, pkt->now));
	return NB_CONTINUE;
}

#endif
