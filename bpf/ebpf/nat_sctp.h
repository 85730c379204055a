/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_NAT_SCTP_H
#define NATBRIDGE_BPF_EBPF_NAT_SCTP_H

/*
 * Rewrites a packet of SCTP, apart from nat.h, so that TCP and UDP pay one comparison for it.
 */

#include "bpf/lib/sctp.h"

#include "nat.h"

/*
 * Whether the ports of a fragmented datagram would change. Its checksum could not follow: the length of
 * the datagram is not known from its first fragment.
 */
static __always_inline bool nb_sctp_is_stuck(const struct nb_nat *nat)
{
	return nat->pkt->fragment && nb_l4ports(&nat->pkt->tuple.sport) != nb_l4ports(&nat->conn->sport);
}

/* Header of the packet at pkt->l4_off. */
static __always_inline bool nb_sctp_make_l4(struct __sk_buff *skb, const struct nb_nat *nat,
					    struct nb_sctp_header *l4)
{
	struct nb_sctp_header *at = nb_bytes(skb, nat->pkt->l4_off, sizeof(*at));

	if (!at)
		return false;
	*l4 = *at;
	nb_sctp_set_l4ports(l4, nb_l4ports(&nat->conn->sport), nat->pkt->end - nat->pkt->l4_off,
			    nat->csum_state);
	return true;
}

/* As nb_translate(). */
__noinline int nb_sctp_translate(struct __sk_buff *skb, const struct nb_pkt *pkt, const struct nb_conn *conn,
				 const struct nb_port *to)
{
	struct nb_nat nat = { .conn = conn, .pkt = pkt, .to = to };
	struct nb_sctp_header l4 = {};
	struct nb_headers h;
	int len;

	if (!pkt || !conn)
		return nb_drop(NB_DROP_WRITE);
	if (nb_sctp_is_stuck(&nat))
		return nb_drop(NB_DROP_FRAGMENT);
	nat.csum_state = nb_csum_state(skb);
	if (!pkt->later_fragment && !nb_sctp_make_l4(skb, &nat, &l4))
		return nb_drop(NB_DROP_WRITE);
	len = pkt->is_v4 ? nb_nat_make_ip(skb, &nat, true, &h) : nb_nat_make_ip(skb, &nat, false, &h);
	if (len >= NB_DROPPED)
		return len;
	if (!nb_nat_is_valid(&nat))
		return NB_AGAIN;
	if (!nb_store(skb, 0, h.dmac, len) ||
	    (!pkt->later_fragment && !nb_store(skb, pkt->l4_off, &l4, sizeof(l4))))
		return nb_drop(NB_DROP_WRITE);
	return NB_CONTINUE;
}

/* Rewrites a packet of any tracked protocol: see nb_translate(). */
static __always_inline int nb_conn_translate(struct __sk_buff *skb, const struct nb_pkt *pkt,
					     const struct nb_conn *conn, const struct nb_port *to)
{
	return pkt->tuple.proto == IPPROTO_SCTP ? nb_sctp_translate(skb, pkt, conn, to)
						: nb_translate(skb, pkt, conn, to);
}

#endif
