/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_SCTP_H
#define NATBRIDGE_BPF_ASSIST_SCTP_H

/*
 * Mode assist: reads a packet of SCTP, and writes ports into one. nf_ct.h cannot look an association
 * up; so, as with echoes, what the host sends into a pod shows which answers are the host's.
 */

#include "bpf/lib/parse.h"
#include "bpf/lib/sctp.h"

/*
 * Reads the ports. pkt->tcp_flags becomes NB_SYN if the packet begins an association (INIT). Of a packet that
 * the device is to cut (GSO), the header alone is in the linear part: pulling more would spoil the first
 * chunk.
 */
static __always_inline int nb_assist_parse_sctp(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_sctp_header *at = nb_bytes(skb, pkt->l4_off, sizeof(*at));
	struct nb_sctp_chunk chunk;

	if (!at || pkt->l4_off + sizeof(*at) + sizeof(chunk) > pkt->end)
		return NB_MALFORMED;
	nb_pkt_set_l4ports(pkt, at);
	if (bpf_skb_load_bytes(skb, pkt->l4_off + sizeof(*at), &chunk, sizeof(chunk)))
		return NB_MALFORMED;
	pkt->tcp_flags = chunk.type == NB_SCTP_INIT ? NB_SYN : 0;
	return NB_CONTINUE;
}

/* Reads the ports of a tracked protocol. */
static __always_inline int nb_assist_parse_l4(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	if (pkt->tuple.proto == IPPROTO_SCTP)
		return nb_assist_parse_sctp(skb, pkt);
	return nb_is_tcp_or_udp(pkt->tuple.proto) ? nb_parse_l4(skb, pkt) : NB_PASS;
}

/*
 * As nb_l4port_remap_write(). The checksum of a datagram in fragments could not follow: its length is
 * not known from the first one.
 */
__noinline int nb_assist_write_sctp(struct __sk_buff *skb, const struct nb_pkt *pkt, bool of_sender,
				    __be16 port)
{
	struct nb_sctp_header l4, *at;
	__be16 ports[2];

	if (!pkt)
		return nb_drop(NB_DROP_WRITE);
	if (pkt->fragment)
		return nb_drop(NB_DROP_FRAGMENT);
	at = nb_bytes(skb, pkt->l4_off, sizeof(*at));
	if (!at)
		return nb_drop(NB_DROP_WRITE);
	l4 = *at;
	ports[0] = of_sender ? port : l4.source;
	ports[1] = of_sender ? l4.dest : port;
	nb_sctp_set_l4ports(&l4, nb_l4ports(ports), pkt->end - pkt->l4_off, nb_csum_state(skb));
	return bpf_skb_store_bytes(skb, pkt->l4_off, &l4, sizeof(l4), 0) ? nb_drop(NB_DROP_WRITE)
									 : NB_CONTINUE;
}

#endif
