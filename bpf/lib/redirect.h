/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_REDIRECT_H
#define NATBRIDGE_BPF_LIB_REDIRECT_H

/* Where a packet goes once it is translated: into the receiver's namespace, or up into the host's IP stack.
 */

#include "pkt.h"

/*
 * Up the host's stack: the frame is addressed to the bridge, which takes it for its own whatever address it
 * had.
 */
static __always_inline int nb_to_host(struct __sk_buff *skb)
{
	__u8 mac[ETH_ALEN];

	for (int i = 0; i < ETH_ALEN; i++)
		mac[i] = nb_settings.bridge_mac[i];
	return nb_store(skb, offsetof(struct ethhdr, h_dest), mac, sizeof(mac)) ? NB_PASS
										: nb_drop(NB_DROP_WRITE);
}

/*
 * Into the pod's end of a port, past the bridge. Neither mark nor priority may follow the packet there. The
 * port may be the one that the packet came from.
 */
static __always_inline int nb_to_peer(struct __sk_buff *skb, __u32 ifindex)
{
	skb->mark = 0;
	skb->priority = 0;
	if (!nb_constants.peer_sets_host)
		bpf_skb_change_type(skb, 0 /* PACKET_HOST, linux/if_packet.h */);
	return bpf_redirect_peer(ifindex, 0);
}

/* Whether packets of this entry are given to the host as they are: the client's port translates them. */
static __always_inline bool nb_conn_via_host_reply(const struct nb_conn *conn)
{
	return (conn->flags & (NB_CONN_VIA_HOST | NB_CONN_REPLY)) == (NB_CONN_VIA_HOST | NB_CONN_REPLY);
}

/*
 * The same for what a pod sends: the host has seen the request of such a connection. A direct one that only
 * got another source port has gone past the host, and its answer is translated where it is sent.
 */
static __always_inline bool nb_conn_finished_by_host(const struct nb_conn *conn)
{
	return nb_conn_via_host_reply(conn) && conn->flags & NB_CONN_UP;
}

/* The port whose pod's MAC address a translated packet gets: the sender's stays, as on a switched frame, also
 * if it is the pod's own. NULL: it goes to the host. */
static __always_inline struct nb_port *nb_deliver_to(const struct nb_conn *conn, struct nb_port *out)
{
	return conn->flags & NB_CONN_VIA_HOST ? NULL : out;
}

/* A translated packet goes where its entry says. */
static __always_inline int nb_deliver(struct __sk_buff *skb, const struct nb_conn *conn,
				      const struct nb_port *out)
{
	if (!(conn->flags & NB_CONN_VIA_HOST))
		return nb_to_peer(skb, out->ifindex);
	/* A direct connection to elsewhere goes where the pod itself sends it: only its source port is
	 * another. */
	return conn->flags & NB_CONN_UP ? nb_to_host(skb) : NB_PASS;
}

#endif
