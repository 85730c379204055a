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

/* The key that both directions of a connection share. Returns which end of it sends with this tuple: 0 its
 * src, 1 its dst. */
static __always_inline __u32 nb_flow_key(const struct nb_tuple *tuple, struct nb_tuple *key)
{
	if (!nb_flow_swapped(tuple)) {
		*key = *tuple;
		return 0;
	}
	nb_tuple_swap(&tuple->src, &tuple->dst, tuple->sport, tuple->dport, tuple->proto, key);
	return 1;
}

/* How long a connection without packets may still go on. */
static __always_inline __u32 nb_flow_timeout(const struct nb_flow *flow, __u8 proto)
{
	if (proto == IPPROTO_TCP)
		return nb_settings.timeouts[flow->closing ? NB_TCP_TIME_WAIT : NB_TCP_ESTABLISHED];
	return nb_settings.timeouts[proto == IPPROTO_UDP ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_ICMP];
}

/* The flow of a key, unless it is over. One that a renamed connection depends on goes on as long as the map
 * keeps it. */
static __always_inline struct nb_flow *nb_flow_find(const struct nb_tuple *key, __u32 now)
{
	struct nb_flow *flow = bpf_map_lookup_elem(&flows, key);

	if (!flow ||
	    (!flow->port[0] && !flow->port[1] && now - flow->seen > nb_flow_timeout(flow, key->proto)))
		return NULL;
	return flow;
}

/* Writes down that a packet of the flow was seen. */
static __always_inline void nb_flow_seen(const struct nb_pkt *pkt, struct nb_flow *flow)
{
	if (flow->seen != pkt->now)
		flow->seen = pkt->now;
	if (pkt->tuple.proto == IPPROTO_TCP && pkt->tcp_flags & (NB_SYN | NB_FIN | NB_RST))
		flow->closing = !(pkt->tcp_flags & NB_SYN);
}

static __always_inline void nb_flow_begin(const struct nb_pkt *pkt, const struct nb_tuple *key,
					  enum nb_flow_kind kind)
{
	struct nb_flow flow = { .seen = pkt->now, .kind = kind };

	bpf_map_update_elem(&flows, key, &flow, BPF_ANY);
}

#endif
