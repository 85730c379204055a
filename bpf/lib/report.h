/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_REPORT_H
#define NATBRIDGE_BPF_LIB_REPORT_H

/* The one place where drops are counted, and told to those who listen. */

#include <natbridge/conn_life.h>

#include "pkt.h"
#include "tell.h"

/*
 * Whether the event is still that of the packet's connection, which this CPU has ended on the way to the drop
 * (conn_tell.h). The table does not have it any more.
 */
static __always_inline bool nb_event_is_of(const struct nb_event *last, const struct nb_pkt *pkt)
{
	return pkt->life && last->kind == NB_EVENT_END && nb_life_same_gen(last->life, pkt->life) &&
	       nb_tuple_same(&last->tuple, &pkt->tuple);
}

static __always_inline void nb_event_fill(struct __sk_buff *skb, const struct nb_pkt *pkt, __u16 reason,
					  struct nb_event *to)
{
	__u32 len = skb->len;

	if (!pkt || !nb_event_is_of(to, pkt))
		to->translated = (struct nb_tuple){};
	to->tuple = pkt ? pkt->tuple : (struct nb_tuple){};
	nb_event_begin(to, NB_EVENT_DROP, reason);
	to->ifindex = skb->ifindex;
	to->pair_id = 0;
	to->life = 0;
	to->len = len;
	if (len > NB_EVENT_HEAD)
		len = NB_EVENT_HEAD;
	barrier_var(len);
	len = ((len - 1) & (NB_EVENT_HEAD - 1)) +
	      1; /* the same, as the verifier of Linux 6.1 wants to see it */
	to->head_len = bpf_skb_load_bytes(skb, 0, to->head, len) ? 0 : len;
}

__noinline int nb_drop_tell(struct __sk_buff *skb, const struct nb_pkt *pkt, __u16 reason)
{
	struct nb_event *to;

	if (!nb_is_heard(NB_EVENT_DROP))
		return 0;
	to = nb_event();
	if (!to)
		return 0;
	nb_event_fill(skb, pkt, reason, to);
	nb_event_send(to, NB_EVENT_DROP);
	return 0;
}

/* Turns what the stages return into a verdict of tc. pkt: NULL or all zero if the packet was not read. */
static __always_inline int nb_verdict(struct __sk_buff *skb, const struct nb_pkt *pkt, int rc)
{
	if (rc >= NB_DROPPED) {
		nb_count(rc - NB_DROPPED);
		nb_drop_tell(skb, pkt, rc - NB_DROPPED);
		return TC_ACT_SHOT;
	}
	return rc < NB_PASS ? NB_PASS : rc;
}

#endif
