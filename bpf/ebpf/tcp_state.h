/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_TCP_STATE_H
#define NATBRIDGE_BPF_EBPF_TCP_STATE_H

/*
 * The TCP states of a tracked connection, as the kernel moves through them
 * (net/netfilter/nf_conntrack_proto_tcp.c, tcp_conntracks and nf_conntrack_tcp_packet()). There is no window
 * tracking: every segment is translated.
 */

#include "bpf/lib/pkt.h"

#include "maps.h"

/* Kinds of a segment, in the order in which the kernel looks at its flags. */
enum nb_tcp_kind {
	NB_KIND_SYN,
	NB_KIND_SYNACK,
	NB_KIND_FIN,
	NB_KIND_ACK,
	NB_KIND_RST,
	NB_KIND_NONE,
	NB_KINDS,
};

/* What the table says besides a new state. */
enum {
	NB_TCP_INVALID = 0x80, /* no valid segment in this state: the state is kept */
	NB_TCP_IGNORE = 0x81,  /* may be one or not, the receiver will tell: the state is kept */
};

static __always_inline enum nb_tcp_kind nb_tcp_kind(__u8 flags)
{
	if (flags & NB_RST)
		return NB_KIND_RST;
	if (flags & NB_SYN)
		return flags & NB_ACK ? NB_KIND_SYNACK : NB_KIND_SYN;
	if (flags & NB_FIN)
		return NB_KIND_FIN;
	return flags & NB_ACK ? NB_KIND_ACK : NB_KIND_NONE;
}

enum {
	/* Short names, so that the table below can be read as one. */
	NO = NB_TCP_NONE,
	SS = NB_TCP_SYN_SENT,
	SR = NB_TCP_SYN_RECV,
	ES = NB_TCP_ESTABLISHED,
	FW = NB_TCP_FIN_WAIT,
	CW = NB_TCP_CLOSE_WAIT,
	LA = NB_TCP_LAST_ACK,
	TW = NB_TCP_TIME_WAIT,
	CL = NB_TCP_CLOSE,
	S2 = NB_TCP_SYN_SENT2,
	IV = NB_TCP_INVALID,
	IG = NB_TCP_IGNORE,
};

/* New state by direction (0: from the client, 1: from the backend), kind of segment and old state. */
static const __u8 nb_tcp_table[2][NB_KINDS][NB_TCP_STATES] = {
	{
		/* clang-format off */
		/*                  NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[NB_KIND_SYN]    = {SS, SS, IG, IG, IG, IG, IG, SS, SS, S2},
		[NB_KIND_SYNACK] = {IV, IV, SR, IV, IV, IV, IV, IV, IV, SR},
		[NB_KIND_FIN]    = {IV, IV, FW, FW, LA, LA, LA, TW, CL, IV},
		[NB_KIND_ACK]    = {ES, IV, ES, ES, CW, CW, TW, TW, CL, IV},
		[NB_KIND_RST]    = {IV, CL, CL, CL, CL, CL, CL, CL, CL, CL},
		[NB_KIND_NONE]   = {IV, IV, IV, IV, IV, IV, IV, IV, IV, IV},
	},
	{
		/*                  NO  SS  SR  ES  FW  CW  LA  TW  CL  S2 */
		[NB_KIND_SYN]    = {IV, S2, IV, IV, IV, IV, IV, SS, IV, S2},
		[NB_KIND_SYNACK] = {IV, SR, IG, IG, IG, IG, IG, IG, IG, SR},
		[NB_KIND_FIN]    = {IV, IV, FW, FW, LA, LA, LA, TW, CL, IV},
		[NB_KIND_ACK]    = {IV, IG, SR, ES, CW, CW, TW, TW, CL, IG},
		[NB_KIND_RST]    = {IV, CL, CL, CL, CL, CL, CL, CL, CL, CL},
		[NB_KIND_NONE]   = {IV, IV, IV, IV, IV, IV, IV, IV, IV, IV},
		/* clang-format on */
	},
};

static __always_inline __u8 nb_tcp_next(bool reply, enum nb_tcp_kind kind, __u32 state)
{
	if (kind >= NB_KINDS || state >= NB_TCP_STATES)
		return NB_TCP_INVALID;
	return nb_tcp_table[reply ? 1 : 0][kind][state];
}

/* Nothing but late packets is to come. */
static __always_inline bool nb_tcp_closed(__u32 state)
{
	return state == NB_TCP_TIME_WAIT || state == NB_TCP_CLOSE;
}

/* States from which a connection does not come back: what is in them may give way to a new connection. */
static __always_inline bool nb_tcp_closing(__u32 state)
{
	return state >= NB_TCP_FIN_WAIT && state <= NB_TCP_CLOSE;
}

/* Only a segment with ACK alone of these leaves the state of an established connection as it is. */
static __always_inline bool nb_tcp_special(const struct nb_pkt *pkt)
{
	return (pkt->tcp_flags & (NB_SYN | NB_FIN | NB_RST | NB_ACK)) != NB_ACK;
}

/* Whether flags can stand together (tcp_valid_flags[] of the kernel; PSH, ECE and CWR do not count). */
static __always_inline bool nb_tcp_flags_valid(__u8 flags)
{
	const __u64 valid = 1ULL << NB_SYN | 1ULL << (NB_SYN | NB_URG) | 1ULL << (NB_SYN | NB_ACK) |
			    1ULL << NB_RST | 1ULL << (NB_RST | NB_ACK) | 1ULL << (NB_FIN | NB_ACK) |
			    1ULL << (NB_FIN | NB_ACK | NB_URG) | 1ULL << NB_ACK | 1ULL << (NB_ACK | NB_URG);

	return valid >> (flags & (NB_SYN | NB_FIN | NB_RST | NB_ACK | NB_URG)) & 1;
}

enum {
	NB_TCP_AHEAD = 1 << 26
}; /* bytes; a number further ahead than any window in use is none of this connection's */

static __always_inline bool nb_tcp_newer(__u32 number, __u32 than)
{
	return !than || number - than - 1 < NB_TCP_AHEAD - 1;
}

/* Keeps what a reset and a lifetime are judged by later: the newest segment of this direction, in whatever
 * order. */
static __always_inline void nb_tcp_note_segment(const struct nb_pkt *pkt, struct nb_conn *conn, bool ack)
{
	bool newer = nb_tcp_newer(pkt->seq_end, conn->seq_end);

	if (newer)
		conn->seq_end = pkt->seq_end;
	if (!newer && pkt->seq_end == conn->seq_end && pkt->seq_end != pkt->seq)
		conn->retrans++;
	else if (conn->retrans)
		conn->retrans = 0;
	if (ack && nb_tcp_newer(pkt->ack, conn->ack))
		conn->ack = pkt->ack;
}

/* What may be forged, or has no place in an established connection, must not count. */
static __always_inline void nb_tcp_note(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	if (pkt->tcp_flags & NB_RST)
		return;
	if (pkt->tcp_flags & NB_SYN && conn->state >= NB_TCP_ESTABLISHED && conn->state != NB_TCP_SYN_SENT2)
		return;
	nb_tcp_note_segment(pkt, conn, pkt->tcp_flags & NB_ACK);
}

/*
 * Whether a reset may close an established connection: its sequence number must be the one that the other
 * side expects next (RFC 5961, 3.2), else it is translated and changes nothing. ack is the newest
 * acknowledgement of the other side, 0 as long as it has sent none.
 */
static __always_inline bool nb_tcp_reset_exact(const struct nb_pkt *pkt, const struct nb_conn *other)
{
	return !other->ack || pkt->seq == other->ack;
}

#endif
