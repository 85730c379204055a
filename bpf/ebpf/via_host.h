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
 * Sets the ports of both directions in *s, whose s->client.conn.dst is the backend, and whether packets go
 * through the host. NB_PASS, or a drop reason: the connection cannot be made.
 *
 * The backend's pod may go meanwhile, and its slot get another pod. Then the entry has the
 * generation of the one that has gone, and is dead, whatever else was read.
 */
static __always_inline int nb_conn_choose_path(const struct nb_pkt *pkt, struct nb_scratch *s)
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

/* ---- each packet, by the flags of its entry ---- */

/* Whether the client's port translates packets of this entry: answers that the host has routed. */
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

/* The port whose pod's MAC a translated packet gets; NULL: the packet goes to the host. */
static __always_inline struct nb_port *nb_deliver_port(__u16 flags, struct nb_port *out)
{
	return flags & NB_CONN_VIA_HOST ? NULL : out;
}

/*
 * Sends a translated packet where its entry says: flags of the entry, ifindex of its receiver. Its
 * source MAC stays that of the sender, as in a switched frame.
 */
static __always_inline int nb_deliver(struct __sk_buff *skb, __u16 flags, __u32 ifindex)
{
	if (!(flags & NB_CONN_VIA_HOST))
		return nb_redirect_peer(skb, ifindex);
	/* A direct connection that got another source port goes where the pod itself sends it. */
	return flags & NB_CONN_TO_HOST ? nb_pass_to_host(skb) : NB_PASS;
}

#endif
