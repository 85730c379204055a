/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_FIB_H
#define NATBRIDGE_BPF_EBPF_FIB_H

/*
 * What the host's routes say: whether a packet stays on this host, and whether a source address may
 * come from the bridge.
 *
 * The address of a Service may be one of the host's as well. A DNS cache on the node, for instance,
 * has the VIP of DNS while it runs: then the host gets what is sent there, and not the Service.
 */

#include "bpf/lib/pkt.h"

#include "service.h"

enum { NB_AF_INET = 2, NB_AF_INET6 = 10 }; /* the C library's header needs more than eBPF has */

/* What is looked up: an address, as of a packet that comes in from the bridge. *fib: all zero before. */
static __always_inline void nb_fib_set_dst(struct bpf_fib_lookup *fib, const struct nb_addr *addr, bool is_v4)
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
}

/* Looks it up. *fib: all zero before. */
static __always_inline int nb_fib_lookup_host(struct __sk_buff *skb, const struct nb_addr *addr, bool is_v4,
					      struct bpf_fib_lookup *fib)
{
	nb_fib_set_dst(fib, addr, is_v4);
	return bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
}

/*
 * Whether the host would not forward a packet: its destination is an address of the host, or has no
 * route. The source is left out, since the kernel looks up no route for a link-local or multicast
 * one (bpf_ipv6_fib_lookup()).
 */
__noinline int nb_fib_not_forwarded(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct bpf_fib_lookup fib = {};

	return pkt &&
	       nb_fib_lookup_host(skb, &pkt->tuple.dst, pkt->is_v4, &fib) == BPF_FIB_LKUP_RET_NOT_FWDED;
}

/* Whether the host, and not a Service, gets what is sent to this packet's destination. */
static __always_inline bool nb_dst_is_of_host(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	return nb_host_may_have(&pkt->tuple.dst) && nb_fib_not_forwarded(skb, pkt);
}

/*
 * Whether a packet may have this source, at a port that is not that of its entry: it is an address
 * that an ADD gave, or one that the host itself reaches through the bridge, directly or by a router
 * there (strict reverse path filtering: RFC 3704, 2.2). So no pod can send in the name of what is
 * beyond the host.
 */
__noinline int nb_fib_source_valid(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct bpf_fib_lookup fib = {};
	struct nb_addr addr;
	int rc;

	if (!pkt)
		return false;
	addr = pkt->tuple.src;
	if (bpf_map_lookup_elem(&endpoints, &addr))
		return true;
	rc = nb_fib_lookup_host(skb, &addr, pkt->is_v4, &fib);
	return (rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH) &&
	       fib.ifindex == nb_settings.bridge_ifindex;
}

#endif
