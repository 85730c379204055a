/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_MAC_LEARN_H
#define NATBRIDGE_BPF_LIB_MAC_LEARN_H

/*
 * The MAC address that a pod has now, which may have been changed since ADD (the tuning plugin, or by hand).
 * It is learned as its neighbours learn it, from ARP and neighbour discovery that bear an address of the pod:
 * a kernel that changes an interface's MAC forgets all neighbours there, so whatever it sends next begins
 * with that. Packets of connections are not looked at. Of a port with macspoofchk the MAC stays what it was.
 */

#include "spoofchk.h"

enum { NB_ND_SOLICITATION = 135 };

/* Whether a frame from a port is ARP or neighbour discovery that bears an address of its pod. */
static __always_inline bool nb_is_neigh_announce(struct __sk_buff *skb, __u32 slot)
{
	struct nb_addr addr = {}, *v6;
	__u8 *next, *type;
	__be32 *v4;

	if (skb->protocol == bpf_htons(ETH_P_ARP)) {
		v4 = nb_bytes(skb, NB_L3_OFF + NB_ARP_SENDER, sizeof(*v4));
		if (!v4)
			return false;
		addr.w[2] = bpf_htonl(0xffff);
		addr.w[3] = *v4;
		return nb_is_own(&addr, slot);
	}
	next = nb_bytes(skb, NB_L3_OFF + offsetof(struct ipv6hdr, nexthdr), 1);
	if (!next || *next != IPPROTO_ICMPV6)
		return false;
	type = nb_bytes(skb, NB_L3_OFF + sizeof(struct ipv6hdr), 1);
	if (!type || (*type != NB_ND_SOLICITATION && *type != NB_ND_ADVERTISEMENT))
		return false;
	v6 = nb_bytes(skb, NB_L3_OFF + offsetof(struct ipv6hdr, saddr), sizeof(*v6));
	if (!v6)
		return false;
	addr = *v6;
	return nb_is_own(&addr, slot);
}

/* Takes the MAC of its sender from a frame that tells it. For ARP and IPv6 alone. */
__noinline int nb_mac_take(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, *slot = bpf_map_lookup_elem(&links, &ifindex);
	struct nb_port *port = slot ? nb_port_of_slot(*slot) : NULL;
	__be16 *at;

	if (!port || port->flags & NB_PORT_MACSPOOFCHK || !nb_is_neigh_announce(skb, *slot))
		return 0;
	at = nb_bytes(skb, ETH_ALEN, ETH_ALEN);
	if (!at || *(__u8 *)at & 1)
		return 0;
	/* Half an address harms nobody: a frame that goes past the bridge is the pod's whatever it bears. */
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (((__be16 *)port->mac)[i] != at[i]) {
			((__be16 *)port->mac)[i] = at[i];
			nb_runtime.moved = 1;
		}
	return 0;
}

/* Looks at a frame that a pod sends, of no connection. */
static __always_inline void nb_mac_learn(struct __sk_buff *skb)
{
	if (!skb->vlan_present &&
	    (skb->protocol == bpf_htons(ETH_P_ARP) || skb->protocol == bpf_htons(ETH_P_IPV6)))
		nb_mac_take(skb);
}

#endif
