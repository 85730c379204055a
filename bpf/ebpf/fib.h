/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_FIB_H
#define NATBRIDGE_BPF_EBPF_FIB_H

/*
 * Addresses of the host itself, which may lie in a service range or be a Service's: a DNS cache of the node
 * has the VIP of DNS for as long as it runs, and then what listens there is the host's.
 */

#include "bpf/lib/pkt.h"

enum { NB_AF_INET = 2, NB_AF_INET6 = 10 }; /* the C library's header wants more than eBPF has */

/* What the host's routes say of an address, for what comes in by the bridge; *fib is filled. */
static __always_inline int nb_host_route(struct __sk_buff *skb, const struct nb_addr *addr, bool is_v4,
					 struct bpf_fib_lookup *fib)
{
	fib->ifindex = nb_settings.bridge_ifindex;
	if (is_v4) {
		fib->family = NB_AF_INET;
		fib->ipv4_dst = addr->w[3];
	} else {
		fib->family = NB_AF_INET6;
		for (int i = 0; i < 4; i++)
			fib->ipv6_dst[i] = addr->w[i];
	}
	return bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
}

/*
 * Whether the host's routes keep a packet here: its destination is an address of the host, or has no route.
 * The sender does not count: for a link-local or multicast one the kernel looks at no route (Linux,
 * bpf_ipv6_fib_lookup()).
 */
__noinline int nb_stays_here(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct bpf_fib_lookup fib = {};

	return pkt && nb_host_route(skb, &pkt->tuple.dst, pkt->is_v4, &fib) == BPF_FIB_LKUP_RET_NOT_FWDED;
}

/*
 * Whether a packet that no entry expects from this port may have its sender: an address of some pod's ADD, or
 * one to which the host itself would send by the bridge, straight or by a router there (strict reverse path
 * filtering, RFC 3704, 2.2). So no pod can speak for what is beyond the host.
 */
__noinline int nb_sender_is_known(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct bpf_fib_lookup fib = {};
	struct nb_addr addr;
	int rc;

	if (!pkt)
		return false;
	addr = pkt->tuple.src;
	if (bpf_map_lookup_elem(&endpoints, &addr))
		return true;
	rc = nb_host_route(skb, &addr, pkt->is_v4, &fib);
	return (rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH) &&
	       fib.ifindex == nb_settings.bridge_ifindex;
}

#endif
