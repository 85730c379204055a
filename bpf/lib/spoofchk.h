/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_SPOOFCHK_H
#define NATBRIDGE_BPF_LIB_SPOOFCHK_H

/*
 * ipspoofchk: what a pod sends bears an address of that pod as its source, also as the sender of ARP (RFC
 * 826) and as the target of a neighbour advertisement (RFC 4861, 4.4), whatever VLAN tags are before it. No
 * address at all is right (DHCP, duplicate address detection), and so is any link-local one of IPv6, which
 * nobody has assigned. macspoofchk: the frame bears the pod's MAC as its source.
 */

#include "pkt.h"

enum {
	NB_ARP_SENDER = 14, /* offsets: sender's protocol address in ARP for IPv4, */
	NB_ND_TARGET = 8,   /* target in a neighbour advertisement */
	NB_ND_ADVERTISEMENT = 136,
	NB_VLAN_TAG = 4,
};

static __always_inline bool nb_is_own(const struct nb_addr *addr, __u32 slot)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);

	return endpoint && endpoint->slot == slot;
}

/* An IPv4 address at off that is neither 0.0.0.0 nor one of the pod's. */
static __always_inline bool nb_forged_v4(struct __sk_buff *skb, __u32 off, __u32 slot)
{
	struct nb_addr addr = {};
	__be32 *at = nb_bytes(skb, off, sizeof(*at));

	if (!at || !*at)
		return false;
	addr.w[2] = bpf_htonl(0xffff);
	addr.w[3] = *at;
	return !nb_is_own(&addr, slot);
}

static __always_inline bool nb_forged_v6(struct __sk_buff *skb, __u32 off, __u32 slot)
{
	struct nb_addr *at = nb_bytes(skb, off, sizeof(*at)), addr;

	if (!at)
		return false;
	addr = *at;
	if (!(addr.w[0] | addr.w[1] | addr.w[2] | addr.w[3]) ||
	    (addr.w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
		return false;
	return !nb_is_own(&addr, slot);
}

static __always_inline bool nb_is_advertisement(struct __sk_buff *skb, __u32 off)
{
	__u8 *next = nb_bytes(skb, off + offsetof(struct ipv6hdr, nexthdr), 1), *type;

	if (!next || *next != IPPROTO_ICMPV6)
		return false;
	type = nb_bytes(skb, off + sizeof(struct ipv6hdr), 1);
	return type && *type == NB_ND_ADVERTISEMENT;
}

/* Goes over up to two VLAN tags in the frame. Returns the type of what follows at *off. */
static __always_inline __be16 nb_untagged(struct __sk_buff *skb, __u32 *off)
{
	__be16 type = skb->protocol;

	for (int i = 0; i < 2; i++) {
		__be16 *tag;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			return type;
		tag = nb_bytes(skb, *off, NB_VLAN_TAG);
		if (!tag)
			return 0;
		type = tag[1];
		*off += NB_VLAN_TAG;
	}
	return type;
}

static __always_inline bool nb_forged_mac(struct __sk_buff *skb, const struct nb_port *port)
{
	__be16 *at = nb_bytes(skb, ETH_ALEN, ETH_ALEN);

	if (!at)
		return true;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (at[i] != ((__be16 *)port->mac)[i])
			return true;
	return false;
}

/* Whether a pod's packet claims to come from an address that is not its own. */
static __always_inline bool nb_is_forged(struct __sk_buff *skb, const struct nb_port *port, __u32 slot)
{
	__u32 off = NB_L3_OFF;

	if (port->flags & NB_PORT_MACSPOOFCHK && nb_forged_mac(skb, port))
		return true;
	if (!(port->flags & NB_PORT_SPOOFCHK))
		return false;
	switch (nb_untagged(skb, &off)) {
	case bpf_htons(ETH_P_IP):
		return nb_forged_v4(skb, off + offsetof(struct iphdr, saddr), slot);
	case bpf_htons(ETH_P_ARP):
		return nb_forged_v4(skb, off + NB_ARP_SENDER, slot);
	case bpf_htons(ETH_P_IPV6):
		return nb_forged_v6(skb, off + offsetof(struct ipv6hdr, saddr), slot) ||
		       (nb_is_advertisement(skb, off) &&
			nb_forged_v6(skb, off + sizeof(struct ipv6hdr) + NB_ND_TARGET, slot));
	default:
		return false;
	}
}

/*
 * What a pod's packet is looked at for before anything else: its source, and whether the pod's port is cut
 * off. Then the packet is left to the bridge, which drops it. For networks with NB_SETTINGS_SPOOFCHK or
 * NB_SETTINGS_CUT; NB_CONTINUE: neither is amiss.
 */
__noinline int nb_sender_check(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, *slot = bpf_map_lookup_elem(&links, &ifindex);
	struct nb_port *port = slot ? nb_port_of_slot(*slot) : NULL;

	if (!port)
		return NB_CONTINUE;
	if (nb_is_forged(skb, port, *slot))
		return nb_drop(NB_DROP_SPOOFED);
	return port->gen & NB_GEN_CUT ? NB_PASS : NB_CONTINUE;
}

#endif
