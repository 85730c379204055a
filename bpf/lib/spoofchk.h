/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_SPOOFCHK_H
#define NATBRIDGE_BPF_LIB_SPOOFCHK_H

/*
 * ipspoofchk: every packet of a pod has one of that pod's addresses as its source, whatever VLAN
 * tags stand before it. The same holds for the sender of ARP (RFC 826) and the target of a
 * neighbour advertisement (RFC 4861, 4.4). The unspecified address is allowed (DHCP, duplicate
 * address detection), and so are all link-local addresses of IPv6, which no ADD assigns.
 * macspoofchk: every frame has the pod's MAC as its source.
 */

#include "icmp_parse.h"
#include "pkt.h"

enum {
	NB_ARP_SENDER = 14, /* offset of the sender's protocol address in ARP for IPv4 */
	NB_VLAN_TAG_LEN = 4,
	NB_VLAN_TAGS = 2, /* tags that are skipped */
};

static __always_inline bool nb_addr_is_own(const struct nb_addr *addr, __u32 port_slot)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);

	return endpoint && endpoint->slot == port_slot;
}

static __always_inline bool nb_is_forged_v4(struct __sk_buff *skb, __u32 off, __u32 port_slot)
{
	struct nb_addr addr = {};
	__be32 *at = nb_bytes(skb, off, sizeof(*at));

	if (!at || !*at)
		return false;
	nb_addr_set_v4(&addr, *at);
	return !nb_addr_is_own(&addr, port_slot);
}

static __always_inline bool nb_is_forged_v6(struct __sk_buff *skb, __u32 off, __u32 port_slot)
{
	struct nb_addr *at = nb_bytes(skb, off, sizeof(*at)), addr;

	if (!at)
		return false;
	addr = *at;
	if (nb_addr_is_zero(&addr) || (addr.w[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
		return false;
	return !nb_addr_is_own(&addr, port_slot);
}

/* off: of the IPv6 header. */
static __always_inline bool nb_is_advertisement(struct __sk_buff *skb, __u32 off)
{
	__u8 *next = nb_bytes(skb, off + offsetof(struct ipv6hdr, nexthdr), 1), *type;

	if (!next || *next != IPPROTO_ICMPV6)
		return false;
	type = nb_bytes(skb, off + sizeof(struct ipv6hdr), 1);
	return type && *type == NB_ICMPV6_ADVERTISEMENT;
}

/* Moves *off past the VLAN tags in the frame. Returns the ethertype of what follows. */
static __always_inline __be16 nb_skip_vlan_tags(struct __sk_buff *skb, __u32 *off)
{
	__be16 type = skb->protocol;

	for (int i = 0; i < NB_VLAN_TAGS; i++) {
		__be16 *tag;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			return type;
		tag = nb_bytes(skb, *off, NB_VLAN_TAG_LEN);
		if (!tag)
			return 0;
		type = tag[1];
		*off += NB_VLAN_TAG_LEN;
	}
	return type;
}

static __always_inline bool nb_is_forged_mac(struct __sk_buff *skb, const struct nb_port *port)
{
	__be16 *at = nb_bytes(skb, ETH_ALEN, ETH_ALEN);

	if (!at)
		return true;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (at[i] != ((__be16 *)port->mac)[i])
			return true;
	return false;
}

/* Whether a pod's packet has a source address that its port may not send with. */
static __always_inline bool nb_is_forged(struct __sk_buff *skb, const struct nb_port *port, __u32 port_slot)
{
	__u32 off = NB_L3_OFF;

	if (port->flags & NB_PORT_MACSPOOFCHK && nb_is_forged_mac(skb, port))
		return true;
	if (!(port->flags & NB_PORT_SPOOFCHK))
		return false;
	switch (nb_skip_vlan_tags(skb, &off)) {
	case bpf_htons(ETH_P_IP):
		return nb_is_forged_v4(skb, off + offsetof(struct iphdr, saddr), port_slot);
	case bpf_htons(ETH_P_ARP):
		return nb_is_forged_v4(skb, off + NB_ARP_SENDER, port_slot);
	case bpf_htons(ETH_P_IPV6):
		return nb_is_forged_v6(skb, off + offsetof(struct ipv6hdr, saddr), port_slot) ||
		       (nb_is_advertisement(skb, off) &&
			nb_is_forged_v6(skb, off + sizeof(struct ipv6hdr) + NB_ND_TARGET, port_slot));
	default:
		return false;
	}
}

/*
 * The first stage of what a pod sends, in networks with NB_SETTINGS_SPOOFCHK or NB_SETTINGS_CUT:
 * drops a forged source. What comes from a port that is cut off passes to the bridge, which drops
 * it.
 */
__noinline int nb_sender_check(struct __sk_buff *skb)
{
	__u32 port_slot;
	struct nb_port *port = nb_port_of_ifindex(skb->ifindex, &port_slot);

	if (!port)
		return NB_CONTINUE;
	if (nb_is_forged(skb, port, port_slot))
		return nb_drop(NB_DROP_SPOOFED);
	return READ_ONCE(port->gen) & NB_GEN_CUT ? NB_PASS : NB_CONTINUE;
}

#endif
