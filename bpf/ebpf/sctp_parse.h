/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_SCTP_PARSE_H
#define NATBRIDGE_BPF_EBPF_SCTP_PARSE_H

/*
 * Reads a packet of SCTP: its header and which chunks it has (RFC 9260, 3). It is never a plain packet of
 * fast_parse.h: TCP and UDP pay nothing for it.
 */

#include "bpf/lib/pkt.h"
#include "bpf/lib/sctp.h"

#include "service.h"

/* Of nb_pkt.ack: a bit for each type of chunk below 16, and the flag T of one of them. */
enum nb_sctp_bits {
	NB_SCTP_BEGINS = 1 << NB_SCTP_INIT | 1 << NB_SCTP_INIT_ACK, /* they name a tag */
	/* Chunks that are alone in their packet, and those that are its first one (RFC 9260, 6.10). */
	NB_SCTP_ALONE = NB_SCTP_BEGINS | 1 << NB_SCTP_SHUTDOWN_COMPLETE,
	NB_SCTP_FIRST = NB_SCTP_ALONE | 1 << NB_SCTP_COOKIE_ECHO | 1 << NB_SCTP_COOKIE_ACK,
	NB_SCTP_MAY_REFLECT = 1 << NB_SCTP_ABORT | 1 << NB_SCTP_SHUTDOWN_COMPLETE,
	/* The packet has its sender's own tag, since that did not know the receiver's. */
	NB_SCTP_REFLECTED = 1 << NB_SCTP_TYPES,
};

enum {
	/* Chunks that are looked at. Those that change a state come before any data. */
	NB_SCTP_CHUNKS = 8,
	NB_SCTP_INIT_LEN = 20, /* of a chunk INIT or INIT ACK, at least */
};

/* Where the walk over the chunks is. */
struct nb_sctp_walk {
	__u32 off;
	__u32 bits;     /* of the chunks before */
	__u32 init_tag; /* as on the wire */
};

/* NB_CONTINUE: there may be more chunks. NB_PASS: the rest does not matter. */
static __always_inline int nb_sctp_read_chunk(struct __sk_buff *skb, const struct nb_pkt *pkt,
					      struct nb_sctp_walk *walk, bool first)
{
	struct nb_sctp_chunk chunk;
	__u32 len, bit;

	if (walk->off + sizeof(chunk) > pkt->end)
		return NB_PASS;
	if (bpf_skb_load_bytes(skb, walk->off, &chunk, sizeof(chunk)))
		return NB_MALFORMED;
	len = bpf_ntohs(chunk.len);
	bit = chunk.type < NB_SCTP_TYPES ? 1 << chunk.type : 0;
	if (len < sizeof(chunk) || (!first && (bit & NB_SCTP_FIRST || walk->bits & NB_SCTP_ALONE)))
		return NB_MALFORMED;
	if (bit & NB_SCTP_BEGINS &&
	    (len < NB_SCTP_INIT_LEN ||
	     bpf_skb_load_bytes(skb, walk->off + sizeof(chunk), &walk->init_tag, sizeof(walk->init_tag))))
		return NB_MALFORMED;
	if (bit & NB_SCTP_MAY_REFLECT && chunk.flags & NB_SCTP_CHUNK_T)
		bit |= NB_SCTP_REFLECTED;
	walk->bits |= bit;
	walk->off += (len + 3) & ~3U;
	return chunk.type == NB_SCTP_DATA || chunk.type == NB_SCTP_I_DATA ? NB_PASS : NB_CONTINUE;
}

/*
 * Reads the packet at pkt->l4_off. Of struct nb_pkt it fills the ports and
 *
 *   seq        the verification tag, as on the wire
 *   seq_end    the tag that INIT or INIT ACK names, as on the wire; else 0
 *   ack        enum nb_sctp_bits
 *   tcp_flags  NB_SYN if it begins an association (INIT), else 0
 *
 * NB_PASS: neither address nor ports concern natbridge. NB_MALFORMED: the header or the chunks are
 * not as RFC 9260 wants them; the kernel's conntrack does not take such a packet, either.
 */
__noinline int nb_sctp_parse(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_sctp_header *at;
	struct nb_sctp_walk walk = {};
	int rc = NB_CONTINUE;

	if (!pkt || pkt->l4_off + sizeof(*at) > pkt->end)
		return NB_MALFORMED;
	at = nb_bytes(skb, pkt->l4_off, sizeof(*at));
	if (!at)
		return NB_MALFORMED;
	pkt->tuple.sport = at->source;
	pkt->tuple.dport = at->dest;
	pkt->seq = at->tag;
	if (!nb_may_be_vip(&pkt->tuple.dst) && !nb_l4port_is_known(pkt->tuple.sport) &&
	    !nb_l4port_is_known(pkt->tuple.dport))
		return NB_PASS;
	walk.off = pkt->l4_off + sizeof(*at);
	for (int i = 0; i < NB_SCTP_CHUNKS && rc == NB_CONTINUE; i++)
		rc = nb_sctp_read_chunk(skb, pkt, &walk, i == 0);
	if (rc == NB_MALFORMED || walk.off == pkt->l4_off + sizeof(*at))
		return NB_MALFORMED;
	if (walk.bits & 1 << NB_SCTP_INIT && pkt->seq)
		return NB_MALFORMED;
	pkt->seq_end = walk.init_tag;
	pkt->ack = walk.bits;
	pkt->tcp_flags = walk.bits & 1 << NB_SCTP_INIT ? NB_SYN : 0;
	return NB_CONTINUE;
}

#endif
