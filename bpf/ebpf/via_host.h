/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_VIA_HOST_H
#define NATBRIDGE_BPF_EBPF_VIA_HOST_H

/*
 * Which packets go through the host's IP stack, and which straight from pod to pod.
 *
 * A connection's first packet decides for both directions (nb_conn_choose_path()). Packets go
 * straight into the receiver's network namespace if both pods are on this bridge and neither port
 * is shaped. Otherwise they go through the host, which routes them:
 *
 *   request   the client's port translates it and passes it to the host
 *   answer    passes the backend's port as it is; the client's port translates it, behind the host
 *
 * So the host sees both directions of one connection, between client and backend.
 */

#include <natbridge/seal.h>

#include "bpf/lib/redirect.h"

#include "maps.h"
#include "place.h"

/* ---- the decision, when a connection begins ---- */

/* Whether packets between these two ports must not go past the host: shaped, or "fastPath": false. */
static __always_inline bool nb_ports_need_host(const struct nb_port *client, const struct nb_port *backend)
{
	return !(nb_settings.flags & NB_SETTINGS_FAST_PATH) ||
	       (client->flags | backend->flags) & NB_PORT_NO_FAST_PATH;
}

/* Whether the bridge would not switch frames between these two ports either. */
static __always_inline bool nb_ports_are_isolated(const struct nb_port *client, const struct nb_port *backend)
{
	return client->flags & backend->flags & NB_PORT_ISOLATED ||
	       (client->flags ^ backend->flags) >> NB_PORT_VLAN_SHIFT;
}

/*
 * Notes, once, what nb_fragment_later() has to know about the connections of a pod. Should the
 * element be another pod's by now, that one gets the flag: fragments of it may be dropped that come
 * before the first one of their datagram.
 */
static __always_inline void nb_endpoint_mark(const struct nb_addr *addr, __u32 flag)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);

	if (endpoint && !(endpoint->flags & flag))
		__sync_fetch_and_or(&endpoint->flags, flag);
}

_Static_assert(sizeof(struct nb_endpoint) % 8 == 0, "copied in words");

/* Copies what userspace has written about an address: see service.h. False: no pod has it. */
static __always_inline bool nb_endpoint_read(const struct nb_addr *addr, struct nb_endpoint *copy)
{
	for (int i = 0; i < NB_SEAL_TRIES; i++) {
		struct nb_endpoint *found = bpf_map_lookup_elem(&endpoints, addr);

		if (!found)
			return false;
		nb_copy_words(copy, found, sizeof(*copy) / 8);
		if (copy->seal == nb_endpoint_seal(addr, copy))
			return true;
	}
	return false;
}

/* The port of a pod, whose slot another pod may have by now. *id: its ifindex 0: the pod is gone. */
static __always_inline struct nb_port *nb_endpoint_port(const struct nb_endpoint *endpoint,
							union nb_port_id *id)
{
	struct nb_port *port = nb_port_at(endpoint->slot);

	if (!port)
		return NULL;
	*id = nb_port_id(port);
	if (endpoint->gen && endpoint->gen != (id->gen & ~NB_GEN_CUT))
		id->ifindex = 0;
	return port;
}

/*
 * What a pod that reaches itself sees as the source: its gateway. Without a gateway at the bridge,
 * the Service's address: the pod has a route to it, or it could not have sent this packet.
 */
static __always_inline struct nb_addr nb_hairpin_source(const struct nb_pkt *pkt,
							const struct nb_endpoint *endpoint)
{
	return nb_addr_is_zero(&endpoint->gateway) ? pkt->tuple.dst : endpoint->gateway;
}

/*
 * The ports of both directions, and whether packets go through the host. The backend's pod may go meanwhile,
 * and its slot get another pod. Then the entry has the generation of the one that has gone, and is dead,
 * whatever else was read.
 */
static __always_inline int nb_conn_choose_path(struct __sk_buff *skb __attribute__((unused)),
					       const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__u32 client_slot;
	struct nb_port *client = nb_port_of_ifindex(pkt->ifindex, &client_slot), *backend = NULL;
	struct nb_endpoint endpoint __attribute__((aligned(8)));
	union nb_port_id id = {};

	if (!client)
		return NB_PASS; /* DEL has taken the port meanwhile */
	s->backend.conn.out_slot = client_slot;
	s->backend.conn.out_gen = READ_ONCE(client->gen) & ~NB_GEN_CUT;
	if (nb_endpoint_read(&s->client.conn.dst, &endpoint))
		backend = nb_endpoint_port(&endpoint, &id);
	if (!backend || !id.ifindex) { /* the backend is no pod of this bridge */
		s->client.conn.flags |= NB_CONN_VIA_HOST;
		nb_endpoint_mark(&pkt->tuple.src, NB_ENDPOINT_VIA_HOST);
		return NB_CONTINUE;
	}
	if (id.gen & NB_GEN_CUT)
		return s->client.conn.flags & NB_CONN_NAT ? nb_drop(NB_DROP_CUT) : NB_PASS;
	if (!(endpoint.flags & NB_ENDPOINT_ANSWERS))
		nb_endpoint_mark(&s->client.conn.dst, NB_ENDPOINT_ANSWERS);
	s->backend.conn.in_ifindex = id.ifindex;
	s->client.conn.out_slot = endpoint.slot;
	s->client.conn.out_gen = id.gen;
	if (id.ifindex == pkt->ifindex) {
		s->client.conn.src = nb_hairpin_source(pkt, &endpoint);
		return NB_CONTINUE;
	}
	if (nb_ports_are_isolated(client, backend))
		return nb_drop(NB_DROP_ISOLATED);
	if (nb_ports_need_host(client, backend)) {
		s->client.conn.flags |= NB_CONN_VIA_HOST | NB_CONN_TO_HOST;
		s->client.conn.out_slot = NB_SLOT_HOST;
		s->client.conn.out_gen = 0;
		nb_endpoint_mark(&pkt->tuple.src, NB_ENDPOINT_VIA_HOST);
	}
	return NB_CONTINUE;
}

/* All packets of pods are for frontends, or for backends. */
static __always_inline int nb_plan_by_place(struct __sk_buff *skb __attribute__((unused)),
					    const struct nb_pkt *pkt __attribute__((unused)),
					    struct nb_scratch *s __attribute__((unused)))
{
	return NB_NEW;
}

static __always_inline __u8 nb_reply_side(const struct nb_pkt *pkt __attribute__((unused)),
					  const struct nb_conn *client __attribute__((unused)))
{
	return NB_SIDE_INSIDE;
}

/*
 * Of the old one's class: the kernel keeps below 512, below 1024 and the rest apart. Those from
 * NB_NODE_L4PORT on are the node's.
 */
static __always_inline __be16 nb_l4port_random(__be16 old)
{
	__u32 port = bpf_ntohs(old), low = 1024, span = NB_NODE_L4PORT - 1024;

	if (port < 512) {
		low = 1;
		span = 511;
	} else if (port < 1024) {
		low = 600;
		span = 424;
	}
	return bpf_htons(low + (((__u64)bpf_get_prandom_u32() * span) >> 32));
}

/* ---- each packet, by its entry ---- */

static __always_inline bool nb_conn_is_from(const struct nb_conn *conn, const struct nb_pkt *pkt)
{
	return conn->in_ifindex == pkt->ifindex;
}

static __always_inline bool nb_conn_via_host_reply(__u16 flags)
{
	return (flags & (NB_CONN_VIA_HOST | NB_CONN_REPLY)) == (NB_CONN_VIA_HOST | NB_CONN_REPLY);
}

/*
 * Whether an answer that a pod sends passes to the host as it is, since the host has seen the
 * request. The host has not seen a direct connection that got another source port, of which the
 * answer is translated at the backend's port.
 */
static __always_inline bool nb_conn_reply_to_host(__u16 flags)
{
	return nb_conn_via_host_reply(flags) && flags & NB_CONN_TO_HOST;
}

static __always_inline __u32 nb_conn_receiver(const struct nb_conn *conn __attribute__((unused)),
					      const struct nb_port *out)
{
	return READ_ONCE(out->ifindex);
}

static __always_inline struct nb_port *nb_deliver_port(__u16 flags, struct nb_port *out)
{
	return flags & NB_CONN_VIA_HOST ? NULL : out;
}

/* The source MAC stays that of the sender, as in a switched frame. */
static __always_inline int nb_deliver(struct __sk_buff *skb, const struct nb_pkt *pkt __attribute__((unused)),
				      __u16 flags, __u32 receiver)
{
	if (!(flags & NB_CONN_VIA_HOST))
		return nb_redirect_peer(skb, receiver);
	/* A direct connection that got another source port goes where the pod itself sends it. */
	return flags & NB_CONN_TO_HOST ? nb_pass_to_host(skb) : NB_PASS;
}

static __always_inline bool nb_pod_lives(const struct nb_addr *addr)
{
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, addr);
	struct nb_port *port = endpoint ? nb_port_at(endpoint->slot) : NULL;

	return port && port->ifindex;
}

/* ---- answers that a program makes of the packet itself ---- */

/* From the bridge, to the MAC that sent the frame. */
static __always_inline bool nb_turn_eth(struct __sk_buff *skb, bool is_v4)
{
	struct ethhdr *at = nb_bytes(skb, 0, sizeof(*at)), eth = {};

	if (!at)
		return false;
	__builtin_memcpy(eth.h_dest, at->h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, (const void *)nb_settings.bridge_mac, ETH_ALEN);
	eth.h_proto = is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return nb_store(skb, 0, &eth, sizeof(eth));
}

/* Into the pod that sent it. */
static __always_inline int nb_send_back(struct __sk_buff *skb,
					const struct nb_pkt *pkt __attribute__((unused)))
{
	return nb_redirect_peer(skb, skb->ifindex);
}

#endif
