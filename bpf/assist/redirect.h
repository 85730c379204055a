/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_REDIRECT_H
#define NATBRIDGE_BPF_ASSIST_REDIRECT_H

/*
 * Mode assist: redirects what the host translates between two pods past the bridge, from a port
 * into the host's IP stack and from there to a port. With br_netfilter the bridge would switch such
 * a packet, so the bridge device does not count or show it there either. Not with "fastPath":
 * false, nor for a pod whose traffic is shaped.
 */

#include "bpf/lib/redirect.h"

/* Whether what a pod sends must not go past the bridge. */
static __always_inline bool nb_assist_is_slow_path(struct __sk_buff *skb)
{
	struct nb_port *port;
	__u32 port_slot;

	if (!(nb_settings.flags & NB_SETTINGS_FAST_PATH))
		return true;
	if (!(nb_settings.flags & NB_SETTINGS_SHAPED) && !READ_ONCE(nb_runtime.shaped))
		return false;
	port = nb_port_of_ifindex(skb->ifindex, &port_slot);
	return !port || READ_ONCE(port->flags) & NB_PORT_NO_FAST_PATH;
}

/* A frame from a port that is addressed to the bridge, into the host's IP stack. */
static __always_inline int nb_assist_redirect_host(struct __sk_buff *skb)
{
	return nb_assist_is_slow_path(skb) ? NB_PASS
					   : bpf_redirect(nb_settings.bridge_ifindex, BPF_F_INGRESS);
}

/*
 * A packet that the host has routed from one pod to another, to that pod's port, where its qdiscs
 * see the packet. It leaves the bridge device as a frame for the pod.
 */
static __always_inline int nb_assist_redirect_port(struct __sk_buff *skb, const struct nb_port *port)
{
	/* Read before the MAC: if the slot gets another pod, the packet goes nowhere, not to that one. */
	const union nb_port_id id = nb_port_id(port);
	__be16 *eth = nb_bytes(skb, 0, ETH_HLEN);

	if (!eth || !(nb_settings.flags & NB_SETTINGS_FAST_PATH) || id.gen & NB_GEN_CUT)
		return NB_PASS;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (eth[i] != READ_ONCE(((const __be16 *)port->mac)[i]))
			return NB_PASS;
	return bpf_redirect(id.ifindex, 0);
}

#endif
