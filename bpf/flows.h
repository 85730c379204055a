/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_FLOWS_H
#define NATBRIDGE_BPF_FLOWS_H

/*
 * Mode assist: the connections that the host's conntrack does not see, since they are switched. What is known
 * here needs no look into the kernel's table, and cannot be taken for a translated connection that looks the
 * same between the two pods.
 */

#include "pkt.h"

/* What was not used for the longest time gives way when the map is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_DEFAULT_FLOWS); /* set at load */
	__type(key, struct nb_tuple);
	__type(value, struct nb_flow);
} flows SEC(".maps");

/* Whether the tuple's dst comes first in the key of its flow. Any order will do. */
static __always_inline bool nb_flow_swapped(const struct nb_tuple *tuple)
{
	for (int i = 3; i >= 0; i--)
		if (tuple->src.w[i] != tuple->dst.w[i])
			return tuple->src.w[i] > tuple->dst.w[i];
	return tuple->sport > tuple->dport;
}

/* Turns a tuple into the key that both directions of its connection share. Returns which end of the key is
 * the one that sends with this tuple: 0 its src, 1 its dst. */
static __always_inline __u32 nb_flow_order(struct nb_tuple *tuple)
{
	struct nb_addr addr = tuple->src;
	__be16 port = tuple->sport;

	if (!nb_flow_swapped(tuple))
		return 0;
	tuple->src = tuple->dst;
	tuple->dst = addr;
	tuple->sport = tuple->dport;
	tuple->dport = port;
	return 1;
}

static __always_inline __u32 nb_flow_key(const struct nb_tuple *tuple, struct nb_tuple *key)
{
	*key = *tuple;
	return nb_flow_order(key);
}

enum { NB_FLOW_CLOSED = 3 }; /* both ends have sent FIN */

/* How long a connection without packets may still go on. A direct one that another depends on, which has its
 * tuple and got another port, goes on with that one, whose answers do not come by here. */
static __always_inline __u32 nb_flow_timeout(const struct nb_flow *flow, __u8 proto)
{
	if (flow->kind == NB_FLOW_DIRECT && (flow->port[0] || flow->port[1]))
		return nb_settings.timeouts[NB_TCP_ESTABLISHED];
	if (proto == IPPROTO_TCP)
		return nb_settings.timeouts[flow->closing ? NB_TCP_TIME_WAIT : NB_TCP_ESTABLISHED];
	return nb_settings.timeouts[proto == IPPROTO_UDP ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_ICMP];
}

/* The flow of a key, unless it is over. */
static __always_inline struct nb_flow *nb_flow_find(const struct nb_tuple *key, __u32 now)
{
	struct nb_flow *flow = bpf_map_lookup_elem(&flows, key);

	/* Another CPU may have seen it in the next tick already. */
	return flow && (__s32)(now - flow->seen) <= (__s32)nb_flow_timeout(flow, key->proto) ? flow : NULL;
}

/* Writes down that a packet of the flow was seen, which one end has sent. */
static __always_inline void nb_flow_seen(const struct nb_pkt *pkt, struct nb_flow *flow, __u32 end)
{
	if (flow->seen != pkt->now)
		flow->seen = pkt->now;
	if (pkt->tuple.proto != IPPROTO_TCP)
		return;
	if (pkt->tcp_flags & NB_RST)
		flow->closing = NB_FLOW_CLOSED;
	else if (pkt->tcp_flags & NB_SYN)
		flow->closing = 0;
	else if (pkt->tcp_flags & NB_FIN)
		flow->closing |= 1 << end;
}

static __always_inline void nb_flow_begin(const struct nb_pkt *pkt, const struct nb_tuple *key,
					  enum nb_flow_kind kind)
{
	struct nb_flow flow = { .seen = pkt->now, .kind = kind };

	bpf_map_update_elem(&flows, key, &flow, BPF_ANY);
}

#endif
