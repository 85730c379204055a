/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_PLACE_H
#define NATBRIDGE_BPF_EBPF_PLACE_H

/*
 * What the stages ask of the place where their programs are attached: which path a connection takes,
 * and how a packet gets there. Each object has one such place and defines all of these: via_host.h at
 * the ports of pods, bpf/node/device.h at the devices of the node.
 */

#include "bpf/lib/pkt.h"

#include "maps.h"

/* ---- when a connection begins ---- */

/*
 * Sets in *s, whose s->client.conn.dst is the backend, who receives the packets of both directions, and
 * what they have as their source. NB_CONTINUE; NB_PASS or a drop reason: the connection cannot be made.
 */
static __always_inline int nb_conn_choose_path(struct __sk_buff *skb, const struct nb_pkt *pkt,
					       struct nb_scratch *s);

/*
 * Plans the connection of a packet for which no frontend is looked up, as nb_conn_plan() does. NB_NEW:
 * it is not such a packet.
 */
static __always_inline int nb_plan_by_place(struct __sk_buff *skb, const struct nb_pkt *pkt,
					    struct nb_scratch *s);

/* Where the answers of a planned connection are met: enum nb_side. */
static __always_inline __u8 nb_reply_side(const struct nb_pkt *pkt, const struct nb_conn *client);

/* A random source port for a connection that cannot have its client's. */
static __always_inline __be16 nb_l4port_random(__be16 old);

/* ---- each packet, by its entry ---- */

/* Whether the packet comes from the port that the entry's packets come from. */
static __always_inline bool nb_conn_is_from(const struct nb_conn *conn, const struct nb_pkt *pkt);

/* Whether the client's port translates packets with these flags: answers that the host has routed. */
static __always_inline bool nb_conn_via_host_reply(__u16 flags);

/* Whether an answer passes to the host as it is, and is translated later. */
static __always_inline bool nb_conn_reply_to_host(__u16 flags);

/* The ifindex that nb_deliver() needs. out: the port of the entry's receiver. */
static __always_inline __u32 nb_conn_receiver(const struct nb_conn *conn, const struct nb_port *out);

/* The port whose pod's MAC a translated packet gets; NULL: it keeps its own. */
static __always_inline struct nb_port *nb_deliver_port(__u16 flags, struct nb_port *out);

/* Sends a translated packet where its entry says: its flags, and nb_conn_receiver(). */
static __always_inline int nb_deliver(struct __sk_buff *skb, const struct nb_pkt *pkt, __u16 flags,
				      __u32 receiver);

/* Whether a pod of this node has the address. */
static __always_inline bool nb_pod_lives(const struct nb_addr *addr);

/* ---- answers that a program makes of the packet itself ---- */

/* Turns the Ethernet header round. */
static __always_inline bool nb_turn_eth(struct __sk_buff *skb, bool is_v4);

/* Sends the packet back to where it came from. */
static __always_inline int nb_send_back(struct __sk_buff *skb, const struct nb_pkt *pkt);

#endif
