/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_REDIRECT_H
#define NATBRIDGE_BPF_LIB_REDIRECT_H

/* Ways out of a program: to the host's IP stack, into a pod. */

#include "pkt.h"

/*
 * Passes the frame to the host's IP stack: addressed to the bridge, the bridge hands it up whatever
 * port it would have switched it to.
 */
static __always_inline int nb_pass_to_host(struct __sk_buff *skb)
{
	__u8 mac[ETH_ALEN];

	for (int i = 0; i < ETH_ALEN; i++)
		mac[i] = nb_settings.bridge_mac[i];
	return nb_store(skb, offsetof(struct ethhdr, h_dest), mac, sizeof(mac)) ? NB_PASS
										: nb_drop(NB_DROP_WRITE);
}

/*
 * Redirects the packet into the pod's end of a port, past the bridge. The port may be the one that
 * the packet came from. Neither mark nor priority may leak into the pod.
 */
static __always_inline int nb_redirect_peer(struct __sk_buff *skb, __u32 ifindex)
{
	skb->mark = 0;
	skb->priority = 0;
	if (!nb_constants.peer_sets_host)
		bpf_skb_change_type(skb, 0 /* PACKET_HOST, linux/if_packet.h */);
	return bpf_redirect_peer(ifindex, 0);
}

#endif
