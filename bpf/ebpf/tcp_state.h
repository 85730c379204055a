/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_TCP_STATE_H
#define NATBRIDGE_BPF_EBPF_TCP_STATE_H

/*
 * The state table of TCP: the states of a tracked connection, as the kernel's conntrack moves
 * through them (net/netfilter/nf_conntrack_proto_tcp.c: tcp_conntracks,
 * nf_conntrack_tcp_packet()). Windows are not tracked: every segment is translated.
 */

#include "bpf/lib/pkt.h"

#include "conn_table.h"

/* Kinds of a segment. The kernel looks at its flags in this order too. */
enum nb_tcp_kind {
	NB_KIND_SYN,
	NB_KIND_SYNACK,
	NB_KIND_FIN,
	NB_KIND_ACK,
	NB_KIND_RST,
	NB_KIND_NONE,
	NB_KINDS,
};

/* Values of the table that are no state. Both keep the state. */
enum {
	NB_TCP_INVALID = 0x80, /* not a valid segment in this state */
	NB_TCP_IGNORE = 0x81,  /* may be valid or not: the receiver knows */
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

/* Short names, for the table below. */
enum {
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

/* [from the client: 0, from the backend: 1][kind of segment][old state] -> new state */
static const __u8 nb_tcp_state_table[2][NB_KINDS][NB_TCP_STATES] = {
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
	return nb_tcp_state_table[reply ? 1 : 0][kind][state];
}

/* Whether the connection cannot come back to life: it may give way to a new one. */
static __always_inline bool nb_tcp_closing(__u32 state)
{
	return state >= NB_TCP_FIN_WAIT && state <= NB_TCP_CLOSE;
}

/* Whether a segment may change the state of an established connection: any but ACK alone may. */
static __always_inline bool nb_tcp_special(const struct nb_pkt *pkt)
{
	return (pkt->tcp_flags & (NB_SYN | NB_FIN | NB_RST | NB_ACK)) != NB_ACK;
}

/* Whether the flags may stand together (the kernel's tcp_valid_flags[]; PSH, ECE, CWR do not count). */
static __always_inline bool nb_tcp_flags_valid(__u8 flags)
{
	const __u64 valid = 1ULL << NB_SYN | 1ULL << (NB_SYN | NB_URG) | 1ULL << (NB_SYN | NB_ACK) |
			    1ULL << NB_RST | 1ULL << (NB_RST | NB_ACK) | 1ULL << (NB_FIN | NB_ACK) |
			    1ULL << (NB_FIN | NB_ACK | NB_URG) | 1ULL << NB_ACK | 1ULL << (NB_ACK | NB_URG);

	return valid >> (flags & (NB_SYN | NB_FIN | NB_RST | NB_ACK | NB_URG)) & 1;
}

/* Bytes. A sequence number further ahead than any window in use does not belong to the connection. */
enum { NB_TCP_AHEAD = 1 << 26 };

/* than: 0 if none is known. */
static __always_inline bool nb_tcp_newer(__u32 number, __u32 than)
{
	return !than || number - than - 1 < NB_TCP_AHEAD - 1;
}

/*
 * The first segment that is noted of a connection, or the first one behind a late one of another
 * connection (conn_life.h).
 */
__noinline int nb_tcp_note_anew(const struct nb_pkt *pkt, struct nb_conn *conn, bool ack)
{
	if (!pkt || !conn)
		return 0;
	nb_store_word(&conn->seq, nb_tag(pkt->life, 0, pkt->seq_end));
	nb_store_word(&conn->acked, nb_tag(pkt->life, 0, ack ? pkt->ack : 0));
	return 0;
}

/*
 * Notes the newest segment of a direction, in whatever order segments come. A later reset is judged
 * by ack, and a lifetime by all three. Two CPUs may lose an update: that is harmless, since the
 * direction's next segment brings newer numbers.
 */
static __always_inline void nb_tcp_note_segment(const struct nb_pkt *pkt, struct nb_conn *conn, bool ack)
{
	__u64 seq = nb_load(&conn->seq), acked = nb_load(&conn->acked), life = pkt->life;

	if (((seq ^ life) | (acked ^ life)) >> NB_GEN_SHIFT) {
		nb_tcp_note_anew(pkt, conn, ack);
		return;
	}
	if (nb_tcp_newer(pkt->seq_end, seq))
		nb_store_word(&conn->seq, nb_tag(life, 0, pkt->seq_end));
	else if (pkt->seq_end == (__u32)seq && pkt->seq_end != pkt->seq)
		nb_store_word(&conn->seq, nb_tagged_more(seq) < NB_RETRANS_MAX ? seq + (1ULL << 32) : seq);
	else if (nb_tagged_more(seq))
		nb_store_word(&conn->seq, nb_tag(life, 0, seq));
	if (ack && nb_tcp_newer(pkt->ack, acked))
		nb_store_word(&conn->acked, nb_tag(life, 0, pkt->ack));
}

/*
 * The same for any segment: what may be forged, or does not fit the state after it, is not noted.
 */
static __always_inline void nb_tcp_note(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	__u32 state;

	if (pkt->tcp_flags & NB_RST)
		return;
	state = nb_life_state(nb_load(&conn->life));
	if (pkt->tcp_flags & NB_SYN && state >= NB_TCP_ESTABLISHED && state != NB_TCP_SYN_SENT2)
		return;
	nb_tcp_note_segment(pkt, conn, pkt->tcp_flags & NB_ACK);
}

/*
 * Whether a reset may close an established connection: only if its sequence number is the one that
 * the other side expects next (RFC 5961, 3.2). Any other reset is translated and changes nothing.
 * other: the entry of the other direction, whose ack is 0 until that side has sent one.
 */
static __always_inline bool nb_tcp_reset_exact(const struct nb_pkt *pkt, const struct nb_conn *other,
					       __u64 life)
{
	__u32 ack = nb_tagged(nb_load(&other->acked), life);

	return !ack || pkt->seq == ack;
}

#endif
