/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_NODE_DEVICE_H
#define NATBRIDGE_BPF_NODE_DEVICE_H

/*
 * bpf/ebpf/place.h at the devices of the node. All goes through the host's IP stack, which sees each
 * connection between two addresses that it can route, in both directions:
 *
 *   the node, by nb0              node -> VIP. Requests leave nb0's egress translated, by the device
 *                                 to which the host's routes lead; answers are translated where they
 *                                 come in, and enter by nb0.
 *   the node, to an external      The same, but that the device that leads to the external address
 *   address                       takes nb0's part.
 *   the node, to itself           node -> VIP, and a reserved address -> backend. Requests and answers
 *                                 enter by nb0.
 *   a client outside              client -> backend. Translated where the request comes in, and where
 *                                 the answer leaves.
 *   a client outside, to a        As before; and where the request leaves, it gets the node's address
 *   backend on another node       as its source: a second connection of the table.
 *
 * Only a backend on this node sees the address of a client outside. To a pod of this node, a client
 * outside may get past the host's IP stack: past_host.h.
 */

#include "bpf/ebpf/conn_plan.h"
#include "bpf/ebpf/conntrack.h"
#include "bpf/ebpf/place.h"

#include "maps.h"
#include "route.h"

/* ---- when a connection begins ---- */

static __always_inline __be16 nb_l4port_random(__be16 old __attribute__((unused)))
{
	return bpf_htons(NB_NODE_L4PORT + (bpf_get_prandom_u32() % (65536 - NB_NODE_L4PORT)));
}

/* The source of a connection of the node. It has always a port of ours: see NB_NODE_L4PORT. */
static __always_inline int nb_plan_source(struct __sk_buff *skb, const struct nb_pkt *pkt,
					  struct nb_scratch *s)
{
	struct nb_addr backend = s->client.conn.dst, source;
	int rc = nb_route_source(skb, &backend, &source);

	if (rc == NB_TO_HOST)
		s->client.conn.flags |= NB_CONN_TO_SELF;
	else if (rc != NB_CONTINUE)
		return rc;
	s->client.conn.src = source;
	s->client.conn.sport = nb_l4port_random(0);
	s->client.conn.flags |= NB_CONN_OF_NODE;
	s->backend.conn.in_ifindex = pkt->ifindex;
	return NB_CONTINUE;
}

/* Whether the packets of a client outside pass by the host: past_host.h. */
static __always_inline int nb_plan_past_host(struct __sk_buff *skb, struct nb_scratch *s)
{
	struct nb_addr pod = s->client.conn.dst;

	if (s->client.conn.flags & NB_CONN_HERE)
		s->client.conn.in_ifindex = nb_route_network(skb, &pod);
	s->backend.conn.in_ifindex = s->client.conn.in_ifindex;
	return NB_CONTINUE;
}

/* As nb_conn_choose_path(). */
__noinline int nb_plan_path(struct __sk_buff *skb, const struct nb_pkt *pkt, struct nb_scratch *s)
{
	if (!pkt || !s)
		return NB_PASS;
	s->client.conn.flags &= ~NB_CONN_TO_HOST;
	s->client.conn.flags |= NB_CONN_VIA_HOST;
	return pkt->tuple.side == NB_SIDE_OUTSIDE ? nb_plan_past_host(skb, s) : nb_plan_source(skb, pkt, s);
}

/* All packets are sent by the host and received by it, but for those of past_host.h. */
static __always_inline int nb_conn_choose_path(struct __sk_buff *skb, const struct nb_pkt *pkt,
					       struct nb_scratch *s)
{
	return nb_plan_path(skb, pkt, s);
}

/*
 * Whether a packet that leaves is a request of a client outside to a Service, translated where it came in:
 * then the table has its answer.
 */
static __always_inline bool nb_is_of_outside(const struct nb_pkt *pkt)
{
	struct nb_tuple answer = pkt->tuple;
	struct nb_entry *entry;
	__s64 entry_id;
	__u64 life;
	__u16 flags;

	nb_tuple_swap_ends(&answer);
	/* Not nb_entry_find(): the stack would be too deep. */
	entry_id = nb_index_find(NULL, &answer, nb_conn_hash(NULL, &answer), 0);
	entry = entry_id < 0 ? NULL : nb_entry_at(NULL, entry_id);
	if (!entry)
		return false;
	life = nb_load(&entry->conn.life);
	nb_read_barrier();
	flags = entry->conn.flags;
	if (nb_life_use(life) != NB_USE_TAKEN || nb_life_expired(life, pkt->now) ||
	    !nb_key_same(&entry->key, &answer))
		return false;
	nb_read_barrier();
	return nb_life_same_gen(nb_load(&entry->conn.life), life) &&
	       (flags & (NB_CONN_REPLY | NB_CONN_SERVICE | NB_CONN_OF_NODE | NB_CONN_HERE)) ==
		       (NB_CONN_REPLY | NB_CONN_SERVICE);
}

/* What leaves by a device, and no connection of the table has. */
__noinline int nb_plan_leaving(struct __sk_buff *skb, const struct nb_pkt *pkt, struct nb_scratch *s)
{
	struct nb_addr backend, source;
	struct nb_frontend *frontend;
	int rc;

	if (!pkt || !s)
		return NB_PASS;
	if (!nb_is_of_outside(pkt)) {
		if (pkt->later_fragment)
			return NB_PASS;
		frontend = nb_frontend_find(&pkt->tuple);
		if (frontend && frontend->flags & NB_FRONTEND_SERVICE)
			return NB_NEW;
		return nb_host_request_note(pkt);
	}
	backend = pkt->tuple.dst;
	rc = nb_route_source(skb, &backend, &source);
	if (rc != NB_CONTINUE)
		return rc == NB_TO_HOST ? nb_drop(NB_DROP_NO_DEVICE) : rc;
	nb_plan_client(pkt, s);
	s->client.conn.src = source;
	s->client.conn.sport = nb_l4port_random(0);
	s->client.conn.flags = NB_CONN_NAT | NB_CONN_VIA_HOST;
	s->client.conn.checked = nb_tag(0, pkt->now & NB_SMALL_MASK, nb_settings.epoch);
	return NB_CONTINUE;
}

static __always_inline int nb_plan_by_place(struct __sk_buff *skb, const struct nb_pkt *pkt,
					    struct nb_scratch *s)
{
	return pkt->tuple.side == NB_SIDE_LEAVING ? nb_plan_leaving(skb, pkt, s) : NB_NEW;
}

static __always_inline __u8 nb_reply_side(const struct nb_pkt *pkt, const struct nb_conn *client)
{
	if (client->flags & NB_CONN_TO_SELF)
		return NB_SIDE_INSIDE;
	return pkt->tuple.side == NB_SIDE_OUTSIDE ? NB_SIDE_LEAVING : NB_SIDE_OUTSIDE;
}

/* ---- each packet, by its entry ---- */

/* Any device: the host's routes may change. */
static __always_inline bool nb_conn_is_from(const struct nb_conn *conn __attribute__((unused)),
					    const struct nb_pkt *pkt __attribute__((unused)))
{
	return true;
}

static __always_inline bool nb_conn_via_host_reply(__u16 flags __attribute__((unused)))
{
	return false;
}

static __always_inline bool nb_conn_reply_to_host(__u16 flags __attribute__((unused)))
{
	return false;
}

static __always_inline __u32 nb_conn_receiver(const struct nb_conn *conn,
					      const struct nb_port *out __attribute__((unused)))
{
	return conn->in_ifindex;
}

static __always_inline struct nb_port *nb_deliver_port(__u16 flags __attribute__((unused)),
						       struct nb_port *out __attribute__((unused)))
{
	return NULL;
}

/* receiver: in_ifindex of struct nb_conn. */
static __always_inline int nb_deliver(struct __sk_buff *skb, const struct nb_pkt *pkt, __u16 flags,
				      __u32 receiver)
{
	/* Of a connection to another node, it is the device by which that leaves. */
	if (!(flags & NB_CONN_OF_NODE))
		return receiver && flags & NB_CONN_HERE ? NB_PAST_HOST + receiver : NB_PASS;
	if (flags & NB_CONN_REPLY)
		return nb_enter_host(skb, receiver ? nb_route_back(skb, pkt->is_v4, receiver) : 0);
	return flags & NB_CONN_TO_SELF ? nb_enter_host(skb, 0) : nb_route_out(skb, pkt->is_v4);
}

static __always_inline bool nb_pod_lives(const struct nb_addr *addr)
{
	for (__u32 i = 0; i < NB_MAX_NETWORKS; i++) {
		__u32 key = i; /* not i itself: the verifier does not follow a counter that is in memory */
		void *network = bpf_map_lookup_elem(&pods, &key);

		if (network && bpf_map_lookup_elem(network, addr))
			return true;
	}
	return false;
}

/* ---- answers that a program makes of the packet itself ---- */

static __always_inline bool nb_turn_eth(struct __sk_buff *skb, bool is_v4)
{
	struct ethhdr *at = nb_bytes(skb, 0, sizeof(*at)), eth = {};

	if (!at)
		return false;
	__builtin_memcpy(eth.h_dest, at->h_source, ETH_ALEN);
	__builtin_memcpy(eth.h_source, at->h_dest, ETH_ALEN);
	eth.h_proto = is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return nb_store(skb, 0, &eth, sizeof(eth));
}

/* Out by the device by which it came in, or in by the one by which it left. */
static __always_inline int nb_send_back(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	return bpf_redirect(skb->ifindex, pkt->tuple.side == NB_SIDE_OUTSIDE ? 0 : BPF_F_INGRESS);
}

#endif
