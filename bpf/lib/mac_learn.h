/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_MAC_LEARN_H
#define NATBRIDGE_BPF_LIB_MAC_LEARN_H

/*
 * Learns the MAC address of a pod that was changed after ADD (by the tuning plugin or by hand), as
 * its neighbours do: from ARP and neighbour discovery with an address of the pod. A kernel that
 * changes an interface's MAC forgets all neighbours there, so these are the first frames that it
 * sends. Packets of connections are not looked at. With macspoofchk the MAC of ADD stays.
 */

#include "spoofchk.h"

/* Whether a frame of ARP or IPv6 is ARP or neighbour discovery with an address of the port's pod. */
static __always_inline bool nb_is_neigh_announce(struct __sk_buff *skb, __u32 port_slot)
{
	struct nb_addr addr = {}, *v6;
	__u8 *next, *type;
	__be32 *v4;

	if (skb->protocol == bpf_htons(ETH_P_ARP)) {
		v4 = nb_bytes(skb, NB_L3_OFF + NB_ARP_SENDER, sizeof(*v4));
		if (!v4)
			return false;
		nb_addr_set_v4(&addr, *v4);
		return nb_addr_is_own(&addr, port_slot);
	}
	next = nb_bytes(skb, NB_L3_OFF + offsetof(struct ipv6hdr, nexthdr), 1);
	if (!next || *next != IPPROTO_ICMPV6)
		return false;
	type = nb_bytes(skb, NB_L3_OFF + sizeof(struct ipv6hdr), 1);
	if (!type || (*type != NB_ICMPV6_SOLICITATION && *type != NB_ICMPV6_ADVERTISEMENT))
		return false;
	v6 = nb_bytes(skb, NB_L3_OFF + offsetof(struct ipv6hdr, saddr), sizeof(*v6));
	if (!v6)
		return false;
	addr = *v6;
	return nb_addr_is_own(&addr, port_slot);
}

/* Takes the source MAC of a frame of ARP or IPv6 that announces it. */
__noinline int nb_mac_update(struct __sk_buff *skb)
{
	__u32 port_slot;
	struct nb_port *port = nb_port_of_ifindex(skb->ifindex, &port_slot);
	__be16 *mac, *at;

	if (!port || port->flags & NB_PORT_MACSPOOFCHK || !nb_is_neigh_announce(skb, port_slot))
		return 0;
	at = nb_bytes(skb, ETH_ALEN, ETH_ALEN);
	if (!at || *(__u8 *)at & 1)
		return 0;
	/*
	 * Another CPU may see half of the new address. That is harmless: what it redirects past the
	 * bridge reaches the pod's device whatever MAC it bears, and the next packet is right.
	 */
	mac = (__be16 *)port->mac;
	for (int i = 0; i < ETH_ALEN / 2; i++) {
		if (READ_ONCE(mac[i]) != at[i]) {
			WRITE_ONCE(mac[i], at[i]);
			WRITE_ONCE(nb_runtime.moved, 1);
		}
	}
	return 0;
}

/* For frames that a pod sends and that belong to no connection. */
static __always_inline void nb_mac_learn(struct __sk_buff *skb)
{
	if (!skb->vlan_present &&
	    (skb->protocol == bpf_htons(ETH_P_ARP) || skb->protocol == bpf_htons(ETH_P_IPV6)))
		nb_mac_update(skb);
}

#endif
