/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_NODE_ROUTE_H
#define NATBRIDGE_BPF_NODE_ROUTE_H

/* What the host's routes say of a translated packet, and the ways out of the programs at devices. */

#include "bpf/ebpf/fib.h"
#include "bpf/lib/parse.h"

#include "maps.h"

enum {
	NB_FIB_SRC = 1U << 4, /* BPF_FIB_LOOKUP_SRC, which older headers do not have */
	/* skb->tc_index of a packet that a program here has sent: what it leaves by need not look at it. */
	NB_SENT = 0x6e62,
};

/* Whether a lookup has found a next hop. Neighbours are found out later. */
static __always_inline bool nb_fib_has_way(int rc)
{
	return rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       rc == BPF_FIB_LKUP_RET_FRAG_NEEDED;
}

/*
 * The source that a packet of the node to this address has: that of the route or, where the kernel does
 * not tell, that of the device. NB_TO_HOST: it is an address of the node itself, or there is no route;
 * then it is the source of connections to itself, and the host answers. Else NB_CONTINUE, or a drop
 * reason.
 */
static __always_inline int nb_route_source(struct __sk_buff *skb, const struct nb_addr *dst,
					   struct nb_addr *source)
{
	struct nb_device device __attribute__((aligned(8)));
	__u32 nb0 = nb_settings.bridge_ifindex, ifindex = nb0;
	bool is_v4 = nb_addr_is_v4(dst);
	struct bpf_fib_lookup fib = {};
	int rc;

	nb_fib_set_dst(&fib, dst, is_v4);
	rc = bpf_fib_lookup(skb, &fib, sizeof(fib), nb_constants.fib_sets_src ? NB_FIB_SRC : 0);
	if (nb_fib_has_way(rc))
		ifindex = fib.ifindex;
	else if (rc != BPF_FIB_LKUP_RET_NOT_FWDED)
		return nb_drop(NB_DROP_NO_DEVICE);
	if (!nb_device_read(ifindex, &device))
		return nb_drop(NB_DROP_NO_DEVICE);
	*source = nb_device_addr(&device, is_v4);
	if (ifindex != nb0 && nb_constants.fib_sets_src) {
		if (is_v4 && fib.ipv4_src)
			source->w[3] = fib.ipv4_src;
		else if (!is_v4)
			__builtin_memcpy(source, fib.ipv6_src, sizeof(*source));
	}
	if (nb_addr_is_zero(source))
		return nb_drop(NB_DROP_NO_DEVICE);
	return ifindex == nb0 ? NB_TO_HOST : NB_CONTINUE;
}

/*
 * Sends a packet to the next hop that a lookup has found with "rc", as the host would forward it. Until the
 * kernel knows the next hop's link address it keeps the packet, which then follows the packet's own route
 * (neigh_update() of net/core/neighbour.c): that must not be the one to nb0 any more. So the kernel looks up
 * another.
 */
static __always_inline int nb_route_next(struct __sk_buff *skb, const struct bpf_fib_lookup *fib, int rc)
{
	struct bpf_redir_neigh next = {};

	skb->tc_index = NB_SENT;
	if (rc != BPF_FIB_LKUP_RET_SUCCESS)
		return bpf_redirect_neigh(fib->ifindex, NULL, 0, 0);
	next.nh_family = fib->family; /* of the next hop, which may be another one than the packet's */
	__builtin_memcpy(next.ipv6_nh, fib->ipv6_dst, sizeof(next.ipv6_nh));
	return bpf_redirect_neigh(fib->ifindex, &next, sizeof(next), 0);
}

/*
 * What a packet's header says, as of one that nb0 forwards; turned: without a source, to where the packet
 * comes from. Each family checks its own length, or Linux 6.1 does not follow. False: it cannot be read.
 */
static __always_inline bool nb_fib_set_packet(struct __sk_buff *skb, bool is_v4, bool turned,
					      struct bpf_fib_lookup *fib)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip4;

	fib->ifindex = nb_settings.bridge_ifindex;
	fib->family = is_v4 ? NB_AF_INET : NB_AF_INET6;
	if (is_v4) {
		ip4 = nb_bytes(skb, NB_L3_OFF, sizeof(*ip4));
		if (!ip4)
			return false;
		fib->ipv4_src = turned ? 0 : ip4->saddr;
		fib->ipv4_dst = turned ? ip4->saddr : ip4->daddr;
		return true;
	}
	ip6 = nb_bytes(skb, NB_L3_OFF, sizeof(*ip6));
	if (!ip6)
		return false;
	if (!turned)
		__builtin_memcpy(fib->ipv6_src, &ip6->saddr, sizeof(fib->ipv6_src));
	__builtin_memcpy(fib->ipv6_dst, turned ? &ip6->saddr : &ip6->daddr, sizeof(fib->ipv6_dst));
	return true;
}

/* Sends a packet to the next hop of its destination. */
__noinline int nb_route_out(struct __sk_buff *skb, bool is_v4)
{
	struct bpf_fib_lookup fib = {};
	int rc;

	if (!nb_fib_set_packet(skb, is_v4, false, &fib))
		return nb_drop(NB_DROP_WRITE);
	rc = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (!nb_fib_has_way(rc) || fib.ifindex == nb_settings.bridge_ifindex)
		return nb_drop(NB_DROP_NO_DEVICE);
	return nb_route_next(skb, &fib, rc);
}

/*
 * struct nb_device.network of the bridge that leads to a pod; 0: new connections reach it through the host.
 */
static __always_inline __u32 nb_route_network(struct __sk_buff *skb, const struct nb_addr *pod)
{
	struct nb_device device __attribute__((aligned(8)));
	struct bpf_fib_lookup fib = {};

	if (!(nb_settings.flags & NB_SETTINGS_FAST_PATH))
		return 0;
	nb_fib_set_dst(&fib, pod, nb_addr_is_v4(pod));
	if (!nb_fib_has_way(bpf_fib_lookup(skb, &fib, sizeof(fib), 0)) ||
	    !nb_device_read(fib.ifindex, &device))
		return 0;
	return device.network;
}

/* The device that leads to a packet's source by now; "noted", if the host itself has that address. */
__noinline __u32 nb_route_back(struct __sk_buff *skb, bool is_v4, __u32 noted)
{
	struct bpf_fib_lookup fib = {};

	if (!nb_fib_set_packet(skb, is_v4, true, &fib))
		return noted;
	return nb_fib_has_way(bpf_fib_lookup(skb, &fib, sizeof(fib), 0)) ? fib.ifindex : noted;
}

/* Gives a packet to the host's IP stack, as if it had come in by a device; 0: by nb0. */
__noinline int nb_enter_host(struct __sk_buff *skb, __u32 ifindex)
{
	struct nb_device device __attribute__((aligned(8)));

	if (!ifindex)
		ifindex = nb_settings.bridge_ifindex;
	if (!nb_device_read(ifindex, &device))
		return nb_drop(NB_DROP_NO_DEVICE);
	if (!nb_store(skb, offsetof(struct ethhdr, h_dest), device.mac, sizeof(device.mac)))
		return nb_drop(NB_DROP_WRITE);
	return bpf_redirect(ifindex, BPF_F_INGRESS);
}

#endif
