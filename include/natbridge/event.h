/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_EVENT_H
#define NATBRIDGE_EVENT_H

/*
 * What programs tell those who listen: lib/monitor. A listener puts a ring buffer (BPF_MAP_TYPE_RINGBUF) into
 * the map "listeners" of each network, into an element for each kind of events that it wants.
 */

#include <stddef.h>

#include <natbridge/abi.h>

enum nb_event_kind {
	NB_EVENT_DROP,  /* a packet was dropped */
	NB_EVENT_BEGIN, /* a connection is in the table */
	NB_EVENT_END,   /* a connection has ended */
	NB_EVENT_KINDS,
};

enum {
	NB_LISTENERS = 4,    /* places: element kind * NB_LISTENERS + place is a listener's */
	NB_EVENT_HEAD = 128, /* bytes of a packet; a power of 2 */
	NB_LISTENER_BYTES = 1 << 20,
};

/*
 * Why a connection has ended: ROW(constant, name). A connection ends once: one that is closed is not told
 * again when its place in the table is taken.
 */
#define NB_END_TABLE(ROW)                                                                                    \
	/* TCP: both sides have sent FIN, or one of them RST; SCTP: the same by its chunks */                \
	ROW(NB_END_CLOSED, "end_closed")                                                                     \
	/* no packet came for as long as its timeout is */                                                   \
	ROW(NB_END_EXPIRED, "end_expired")                                                                   \
	/* it gave way to another one */                                                                     \
	ROW(NB_END_EVICTED, "end_evicted")                                                                   \
	/* one of its pods is gone or has moved, or its backend is not in its Service any more */            \
	ROW(NB_END_GONE, "end_gone")                                                                         \
	/* natbridgectl has removed it: conntrack flush. Told by no program */                               \
	ROW(NB_END_FLUSHED, "end_flushed")

#define NB_END_CONSTANT(id, name) id,
enum nb_end { NB_END_TABLE(NB_END_CONSTANT) NB_ENDS };
#undef NB_END_CONSTANT

/* A reader takes what has the size of its kind: nb_event_size(). */
struct nb_event {
	__u64 ns;       /* CLOCK_MONOTONIC */
	__u32 network;  /* nb_constants.network */
	__u32 ifindex;  /* of the device where the program met the packet; of the client's port, 0: none */
	__u16 kind;     /* enum nb_event_kind */
	__u16 reason;   /* drop: enum nb_counter; end: enum nb_end */
	__u16 head_len; /* drop: bytes of head[] that are the packet's */
	__u16 pad;
	__u32 len;     /* drop: of the whole frame */
	__u32 pair_id; /* of the connection; drop: 0 */
	__u64 life;    /* of its record (natbridge/conn_life.h); drop: 0 */
	/* As in the packet's headers; all zero: they were not read. Of a connection: as its client sends. */
	struct nb_tuple tuple;
	/*
	 * The same as the receiver sees it. All zero: the packet belongs to no connection, or to one that
	 * the table has still.
	 */
	struct nb_tuple translated;
	__u8 head[NB_EVENT_HEAD]; /* drop */
};

/* Events of connections have no packet. */
static inline __attribute__((always_inline)) __u32 nb_event_size(__u32 kind)
{
	return kind == NB_EVENT_DROP ? sizeof(struct nb_event) : offsetof(struct nb_event, head);
}

/* The port of the pod that is the client; 0: none. In the node's table, in_ifindex may be something else. */
static inline __attribute__((always_inline)) __u32 nb_entry_client_port(const struct nb_entry *client)
{
	return client->key.side == NB_SIDE_INSIDE && !(client->conn.flags & NB_CONN_OF_NODE)
		       ? client->conn.in_ifindex
		       : 0;
}

/* What an event says of the connection with this client's entry. */
static inline __attribute__((always_inline)) void nb_event_take_entry(struct nb_event *to,
								      const struct nb_entry *client)
{
	to->ifindex = nb_entry_client_port(client);
	to->head_len = 0;
	to->len = 0;
	to->tuple = client->key;
	to->translated = client->key;
	to->translated.src = client->conn.src;
	to->translated.dst = client->conn.dst;
	to->translated.sport = client->conn.sport;
	to->translated.dport = client->conn.dport;
}

#ifndef __cplusplus
_Static_assert(sizeof(struct nb_event) == 248, "nb_event");
_Static_assert(offsetof(struct nb_event, head) == 120, "without the packet");
#endif

#endif
