/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_ENTER_POD_H
#define NATBRIDGE_BPF_EBPF_ENTER_POD_H

/*
 * Past the host's IP stack: a packet of a client outside, which the node's program at a device has
 * translated (bpf/node/past_host.h), enters its pod; and what that pod sends goes to the node's program,
 * if no connection of this network has it. Each side has its own table, and calls the other's program
 * (past_host, a map). What a program does not take goes the way that it would go without it.
 */

#include "bpf/lib/hop.h"
#include "bpf/lib/parse.h"
#include "bpf/lib/redirect.h"
#include "bpf/lib/spoofchk.h"

#include "maps.h"
#include "service.h"

/* Whether packets of this port may pass by the bridge device. */
static __always_inline bool nb_port_has_fast_path(const struct nb_port *port)
{
	return nb_settings.flags & NB_SETTINGS_FAST_PATH &&
	       !(READ_ONCE(port->flags) & NB_PORT_NO_FAST_PATH) && !(READ_ONCE(port->gen) & NB_GEN_CUT);
}

/* The port of the pod that has this address; NULL: none, or its packets pass the bridge device. */
static __always_inline struct nb_port *nb_port_to_enter(const struct nb_addr *addr)
{
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, addr);
	struct nb_port *port = endpoint ? nb_port_at(READ_ONCE(endpoint->slot)) : NULL;

	return port && READ_ONCE(port->ifindex) && nb_port_has_fast_path(port) ? port : NULL;
}

/* The Ethernet header, and the IP header as far as nb_hop_count() changes it. */
struct nb_enter_headers {
	struct ethhdr eth;
	__u8 ip[offsetof(struct iphdr, check) + sizeof(__be16)];
	__u8 pad[2];
};

static __always_inline int nb_enter_pod_of(struct __sk_buff *skb, bool v4)
{
	struct nb_enter_headers headers = {};
	struct nb_addr dst = {};
	struct nb_port *port;
	__u32 ifindex;
	void *ip = nb_bytes(skb, NB_L3_OFF, nb_ip_header_len(v4));

	if (!ip || !nb_hop_is_left(ip, v4))
		return NB_PASS;
	__builtin_memcpy(headers.ip, ip, sizeof(headers.ip));
	if (v4)
		nb_addr_set_v4(&dst, ((struct iphdr *)ip)->daddr);
	else
		__builtin_memcpy(&dst, &((struct ipv6hdr *)ip)->daddr, sizeof(dst));
	port = nb_port_to_enter(&dst);
	if (!port)
		return NB_PASS;
	ifindex = READ_ONCE(port->ifindex);
	if (!nb_hop_is_short(skb, ifindex))
		return NB_PASS;
	nb_hop_count(headers.ip, v4);
	__builtin_memcpy(headers.eth.h_dest, port->mac, ETH_ALEN);
	__builtin_memcpy(headers.eth.h_source, (const void *)nb_settings.bridge_mac, ETH_ALEN);
	headers.eth.h_proto = v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	if (!nb_store(skb, 0, &headers, offsetof(struct nb_enter_headers, pad)))
		return nb_drop(NB_DROP_WRITE);
	return nb_redirect_peer(skb, ifindex);
}

/*
 * Whether the node's table may have the connection of a packet that a pod sends, and this one has not. What
 * has an address that no ADD gave to this pod takes the host's way, where reverse path filtering sees it; a
 * request to such an address does so, too.
 */
static __always_inline bool nb_may_be_of_node(const struct nb_pkt *pkt)
{
	__u32 slot;
	struct nb_port *port;

	if (pkt->life || !(pkt->quoted_off || pkt->later_fragment || nb_l4port_is_known(pkt->tuple.sport)))
		return false;
	port = nb_port_of_ifindex(pkt->ifindex, &slot);
	return port && nb_port_has_fast_path(port) && nb_addr_is_own(&pkt->tuple.src, slot);
}

#endif
