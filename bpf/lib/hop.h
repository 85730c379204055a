/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_HOP_H
#define NATBRIDGE_BPF_LIB_HOP_H

/* A packet that passes the host, but not its IP stack: what the stack would look at and change. */

#include "pkt.h"

/* What a program that is called finds in skb->cb. */
enum { NB_CB_BRIDGE }; /* nb_pod_out: the ifindex of the pod's bridge */

/* ip: the header. Whether it has more than one hop left. */
static __always_inline bool nb_hop_is_left(const void *ip, bool v4)
{
	return v4 ? ((const struct iphdr *)ip)->ttl > 1 : ((const struct ipv6hdr *)ip)->hop_limit > 1;
}

/* ip: a copy of the header. One hop less, as ip_decrease_ttl() of include/net/ip.h. */
static __always_inline void nb_hop_count(void *ip, bool v4)
{
	struct iphdr *ip4 = ip;
	__u32 check;

	if (!v4) {
		((struct ipv6hdr *)ip)->hop_limit--;
		return;
	}
	check = ip4->check + (__u32)bpf_htons(0x0100);
	ip4->check = check + (check >= 0xffff);
	ip4->ttl--;
}

/* Whether a device takes the packet, or each segment of it, as long as it is. */
static __always_inline bool nb_hop_is_short(struct __sk_buff *skb, __u32 ifindex)
{
	__u32 mtu = 0;

	return !bpf_check_mtu(skb, ifindex, &mtu, 0, skb->gso_size ? BPF_MTU_CHK_SEGS : 0);
}

#endif
