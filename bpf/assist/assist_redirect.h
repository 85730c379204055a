/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_ASSIST_REDIRECT_H
#define NATBRIDGE_BPF_ASSIST_ASSIST_REDIRECT_H

/*
 * Mode assist: past the bridge for what the host translates between two pods, up into the host's IP stack as
 * well as down from it. With br_netfilter such a packet would be switched, so the bridge device would not
 * count or show it either. Not with "fastPath": false, nor for a pod whose traffic is shaped.
 */

#include "bpf/lib/redirect.h"

#include "vip_cache.h"

/* Whether a packet that a pod sends may not go past the bridge. */
static __always_inline bool nb_takes_long_way(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, *slot;
	struct nb_port *port;

	if (!(nb_settings.flags & NB_SETTINGS_FAST_PATH))
		return true;
	if (!(nb_settings.flags & NB_SETTINGS_SHAPED) && !nb_runtime.shaped)
		return false;
	slot = bpf_map_lookup_elem(&links, &ifindex);
	port = slot ? nb_port_of_slot(*slot) : NULL;
	return !port || port->flags & NB_PORT_NO_FAST_PATH;
}

/* A frame that is addressed to the bridge, up into the host's IP stack. */
static __always_inline int nb_redirect_host(struct __sk_buff *skb)
{
	return nb_takes_long_way(skb) ? NB_PASS : bpf_redirect(nb_settings.bridge_ifindex, BPF_F_INGRESS);
}

/* The port of the pod that has an address; NULL: it is none of this network's. */
static __always_inline struct nb_port *nb_port_of_addr(const struct nb_addr *addr)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);
	struct nb_port *port = endpoint ? nb_port_of_slot(endpoint->slot) : NULL;

	return port && port->ifindex ? port : NULL;
}

/*
 * What the host has routed from one pod to another leaves the bridge device as a frame for that pod: it goes
 * to the pod's port, where qdiscs see it as before.
 */
static __always_inline int nb_redirect_port(struct __sk_buff *skb, const struct nb_port *port)
{
	__be16 *eth = nb_bytes(skb, 0, ETH_HLEN);

	if (!eth || !(nb_settings.flags & NB_SETTINGS_FAST_PATH) || port->gen & NB_GEN_CUT)
		return NB_PASS;
	for (int i = 0; i < ETH_ALEN / 2; i++)
		if (eth[i] != ((__be16 *)port->mac)[i])
			return NB_PASS;
	return bpf_redirect(port->ifindex, 0);
}

#endif
