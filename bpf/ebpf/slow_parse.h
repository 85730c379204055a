/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_SLOW_PARSE_H
#define NATBRIDGE_BPF_EBPF_SLOW_PARSE_H

/*
 * Reads any frame step by step: IP options, extension headers, fragments, headers outside of the
 * frame's linear part. What goes to a VIP and cannot be read is dropped.
 */

#include "bpf/lib/fragment.h"
#include "bpf/lib/parse.h"

#include "sctp_parse.h"
#include "service.h"

static __always_inline bool nb_endpoint_has(const struct nb_addr *addr, __u32 flag)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);

	return endpoint && endpoint->flags & flag;
}

/*
 * Gives a later fragment the ports of the first one (NB_CONTINUE). If the first one has not come,
 * the fragment may belong to a translated datagram or not. It is dropped if its sender or receiver
 * has translated connections: half a datagram is of no use.
 */
__noinline int nb_fragment_later(struct nb_pkt *pkt, bool to_pod)
{
	if (!pkt || nb_is_icmp(pkt) || (pkt->is_v4 && !nb_is_tracked_proto(pkt->tuple.proto)))
		return NB_PASS;
	if (nb_fragment_find(pkt))
		return NB_CONTINUE;
	if (to_pod)
		return nb_endpoint_has(&pkt->tuple.dst, NB_ENDPOINT_VIA_HOST) ? nb_drop(NB_DROP_FRAGMENT)
									      : NB_PASS;
	if (nb_is_vip(&pkt->tuple.dst) || nb_endpoint_has(&pkt->tuple.src, NB_ENDPOINT_ANSWERS))
		return nb_drop(NB_DROP_FRAGMENT);
	return NB_PASS;
}

/*
 * Fills *pkt, all zero before. NB_CONTINUE: TCP, UDP or SCTP with its whole tuple, or ICMP with its
 * addresses.
 */
__noinline int nb_slow_parse(struct __sk_buff *skb, struct nb_pkt *pkt, bool to_pod)
{
	int rc;

	if (!pkt)
		return NB_PASS;
	nb_pkt_begin(skb, pkt);
	rc = nb_parse_l3(skb, pkt);
	if (rc == NB_CONTINUE && pkt->later_fragment)
		return nb_fragment_later(pkt, to_pod);
	if (rc == NB_CONTINUE && !nb_is_tracked_proto(pkt->tuple.proto))
		return nb_is_icmp(pkt) ? NB_CONTINUE : NB_PASS;
	if (rc == NB_CONTINUE)
		rc = pkt->tuple.proto == IPPROTO_SCTP ? nb_sctp_parse(skb, pkt) : nb_parse_l4(skb, pkt);
	if (rc == NB_MALFORMED)
		return nb_is_vip(&pkt->tuple.dst) ? nb_drop(NB_DROP_UNPARSED) : NB_PASS;
	if (rc == NB_CONTINUE && pkt->fragment)
		nb_fragment_note(pkt);
	return rc;
}

#endif
