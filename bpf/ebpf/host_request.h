/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_HOST_REQUEST_H
#define NATBRIDGE_BPF_EBPF_HOST_REQUEST_H

/*
 * What the node sends to a pod with a NodePort's number as its source port. It may choose that number
 * for a socket of its own, or kube-proxy for a connection that it masquerades. What the pod answers
 * looks like a request to the NodePort. TCP is told from that by its flags (nb_frontend_admits()); of
 * UDP, the requests are noted here.
 */

#include "service.h"

/* Half of it follows from the tuple: LRU maps give an element to another key at once (natbridge/seal.h). */
static __always_inline __u64 nb_host_request_value(const struct nb_tuple *answer, __u32 expires)
{
	return (__u64)nb_tuple_hash(answer) << 32 | expires;
}

/* Notes a packet that enters a pod and belongs to no connection of natbridge's. Returns NB_PASS. */
__noinline int nb_host_request_note(const struct nb_pkt *pkt)
{
	struct nb_tuple answer;
	struct nb_frontend *frontend;
	__u64 value;

	if (!pkt || pkt->tuple.proto != IPPROTO_UDP || !nb_l4port_is_known(pkt->tuple.sport))
		return NB_PASS;
	nb_tuple_swap(&pkt->tuple.src, &pkt->tuple.dst, pkt->tuple.sport, pkt->tuple.dport, pkt->tuple.proto,
		      &answer);
	frontend = nb_frontend_find(&answer);
	if (!frontend || nb_frontend_kind(frontend) == NB_CLUSTER_IP)
		return NB_PASS;
	value = nb_host_request_value(&answer, pkt->now + nb_settings.timeouts[NB_TIMEOUT_UDP_STREAM]);
	bpf_map_update_elem(&host_requests, &answer, &value, BPF_ANY);
	return NB_PASS;
}

/* Whether a packet of a pod answers such a request. */
__noinline int nb_host_request_is_answered(const struct nb_pkt *pkt)
{
	struct nb_tuple answer;
	__u64 *found, value;

	if (!pkt)
		return false;
	answer = pkt->tuple;
	answer.side = NB_SIDE_INSIDE;
	found = bpf_map_lookup_elem(&host_requests, &answer);
	if (!found)
		return false;
	value = READ_ONCE(*found);
	return value == nb_host_request_value(&answer, (__u32)value) && (__s32)((__u32)value - pkt->now) > 0;
}

#endif
