/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_HOST_H
#define NATBRIDGE_BPF_HOST_H

/*
 * Addresses of the host itself, which may lie in a service range or be a Service's: a DNS cache of the node
 * has the VIP of DNS for as long as it runs, and then what listens there is the host's.
 */

#include "pkt.h"

enum { NB_AF_INET = 2, NB_AF_INET6 = 10 }; /* the C library's header wants more than eBPF has */

/*
 * Whether the host's routes keep a packet here: its destination is an address of the host, or has no route.
 * The sender does not count: for a link-local or multicast one the kernel looks at no route (Linux,
 * bpf_ipv6_fib_lookup()).
 */
__noinline int nb_stays_here(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct bpf_fib_lookup fib = { .ifindex = nb_settings.bridge_ifindex };

	if (!pkt)
		return false;
	if (pkt->is_v4) {
		fib.family = NB_AF_INET;
		fib.ipv4_dst = pkt->tuple.dst.w[3];
	} else {
		fib.family = NB_AF_INET6;
		for (int i = 0; i < 4; i++)
			fib.ipv6_dst[i] = pkt->tuple.dst.w[i];
	}
	return bpf_fib_lookup(skb, &fib, sizeof(fib), 0) == BPF_FIB_LKUP_RET_NOT_FWDED;
}

#endif
