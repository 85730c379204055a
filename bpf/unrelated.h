/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_UNRELATED_H
#define NATBRIDGE_BPF_UNRELATED_H

/*
 * Packets that a pod sends which cannot be ours, told apart by their bare headers before anything is taken
 * apart: neither to a VIP nor to or from a port that any frontend or backend has. Most packets of no Service
 * end here. What is not plain (fragments, options, other protocols) goes the whole way, which finds the same.
 */

#include "service.h"

/* ports: of source and destination, as they stand in the header. */
static __always_inline bool nb_ports_known(const __be16 *ports)
{
	return nb_is_known_port(ports[0]) || nb_is_known_port(ports[1]);
}

static __always_inline bool nb_unrelated_v4(const __u8 *at)
{
	const struct iphdr *ip = (const void *)at;

	return at[0] == 0x45 && nb_is_tracked_proto(ip->protocol) &&
	       !(ip->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET)) &&
	       !nb_ports_known((const void *)(at + sizeof(*ip))) &&
	       (ip->daddr & nb_settings.vips[1].mask.w[3]) != nb_settings.vips[1].value.w[3];
}

static __always_inline bool nb_unrelated_v6(const __u8 *at)
{
	const struct ipv6hdr *ip = (const void *)at;

	return nb_is_tracked_proto(ip->nexthdr) && !nb_ports_known((const void *)(at + sizeof(*ip))) &&
	       !nb_in_prefix(&nb_settings.vips[0], (const void *)&ip->daddr);
}

static __always_inline bool nb_is_unrelated_frame(struct __sk_buff *skb)
{
	bool v4 = skb->protocol == bpf_htons(ETH_P_IP);
	__u8 *at = nb_packet_at(skb, NB_L3_OFF);

	if ((!v4 && skb->protocol != bpf_htons(ETH_P_IPV6)) ||
	    at + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + 2 * sizeof(__be16) >
		    (__u8 *)(long)skb->data_end)
		return false;
	return v4 ? nb_unrelated_v4(at) : nb_unrelated_v6(at);
}

#endif
