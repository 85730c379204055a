/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_ICMP_H
#define NATBRIDGE_BPF_ASSIST_ICMP_H

/* Mode assist: reads an ICMP message as far as it belongs to a flow. */

#include "bpf/lib/icmp_parse.h"

enum nb_assist_icmp {
	NB_ASSIST_ICMP_OTHER,
	NB_ASSIST_ICMP_REQUEST, /* an echo; its id becomes both ports of pkt->tuple */
	NB_ASSIST_ICMP_REPLY,
	NB_ASSIST_ICMP_ERROR, /* pkt->tuple becomes that of nb_icmp_parse_quoted() */
	NB_ASSIST_ICMP_REDIRECT,
};

static __always_inline enum nb_assist_icmp nb_assist_icmp_type(const struct nb_pkt *pkt, __u8 type)
{
	if (type == (pkt->is_v4 ? NB_ICMP_ECHO : NB_ICMPV6_ECHO))
		return NB_ASSIST_ICMP_REQUEST;
	if (type == (pkt->is_v4 ? NB_ICMP_ECHO_REPLY : NB_ICMPV6_ECHO_REPLY))
		return NB_ASSIST_ICMP_REPLY;
	if (type == (pkt->is_v4 ? NB_ICMP_REDIRECT : NB_ICMPV6_REDIRECT))
		return NB_ASSIST_ICMP_REDIRECT;
	return nb_icmp_is_error(pkt, type) ? NB_ASSIST_ICMP_ERROR : NB_ASSIST_ICMP_OTHER;
}

__noinline enum nb_assist_icmp nb_assist_icmp_parse(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_icmp_outer outer = {};
	enum nb_assist_icmp kind;
	__u8 *icmp;

	if (!pkt)
		return NB_ASSIST_ICMP_OTHER;
	icmp = nb_bytes(skb, pkt->l4_off, NB_ICMP_HEADER_LEN);
	if (!icmp || pkt->l4_off + NB_ICMP_HEADER_LEN > pkt->end)
		return NB_ASSIST_ICMP_OTHER;
	kind = nb_assist_icmp_type(pkt, icmp[0]);
	if (kind == NB_ASSIST_ICMP_REQUEST || kind == NB_ASSIST_ICMP_REPLY)
		pkt->tuple.sport = pkt->tuple.dport = *(__be16 *)(icmp + NB_ICMP_ECHO_ID);
	/* An error that goes to another than the sender of what it quotes concerns no flow. */
	if (kind == NB_ASSIST_ICMP_ERROR && (pkt->fragment || !nb_icmp_parse_quoted(skb, pkt, &outer) ||
					     !nb_addr_same(&outer.dst, &pkt->tuple.dst)))
		return NB_ASSIST_ICMP_OTHER;
	return kind;
}

#endif
