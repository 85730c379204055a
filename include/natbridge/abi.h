/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_ABI_H
#define NATBRIDGE_ABI_H

/*
 * What the eBPF programs and the programs of userspace share: the keys and values of the pinned maps, limits,
 * flags and counters. It is an on-disk format: a change of a layout needs a new NB_ABI_VERSION, which is part
 * of the pin path (<bpffs>/natbridge/<network>/v<NB_ABI_VERSION>/<map or program>). Another layout is carried
 * over to this one by the names of maps and fields (lib/datapath/migrate.h): what keeps its meaning keeps its
 * name, no name gets a new meaning, enumerators keep their numbers. The name of the constants' section stays,
 * and what nb_prog_network() reads there.
 *
 * All addresses and ports are in network byte order (__be16, __be32), all other numbers in host byte order.
 * Padding is explicit and zero, since map keys are compared byte by byte.
 */

#include <linux/types.h>

enum {
	NB_ABI_VERSION = 8,
	NB_MAX_PORTS = 1024, /* BR_MAX_PORTS of the kernel (net/bridge/br_private.h); slot 0 is the host */
	NB_OWN_PORTS = 1024, /* places by ifindex; a power of 2 */
	NB_MAX_SERVICES = 131072, /* service ports (name and port of a Service) in one network */
	NB_SLOT_HOST = 0,         /* slot of ports[] that means "the host's IP stack" */
	NB_NAME_MAX = 128,        /* "namespace/name" with its NUL: two DNS labels of 63 */
	NB_PORT_NAME_MAX = 64,    /* the name of a service port (DNS label) with its NUL */
	NB_DEFAULT_CONNECTIONS = 131072,
	NB_DEFAULT_FRONTENDS = 262144,
	NB_DEFAULT_BACKENDS = 262144,
	NB_DEFAULT_FLOWS = 65536, /* direct connections between pods that mode assist remembers */
	NB_FLOW_WAYS = 8,         /* places of a set of them; a power of 2 */
	NB_CONN_WAYS = 7,         /* places of a set of the connections' index */
	NB_ENTRY_ID_BITS = 25,    /* of a way that say which entry it leads to */
	NB_TUPLE_WORDS = 10,      /* of 32 bits */
	NB_FRAGMENTS = 4096,      /* fragmented datagrams under way */
	NB_AFFINITIES = 32768,    /* clients times service ports with affinity */
	NB_MAX_SERVICE_CIDRS = 8, /* ranges of one network */
};

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). One type for both families. */
struct nb_addr {
	__be32 w[4];
};

/* The five numbers of a connection in one direction, as on the wire. ports are 0 where the protocol has none.
 */
struct nb_tuple {
	struct nb_addr src;
	struct nb_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 pad[3];
};

/* States of a TCP connection, with the names and numbers of the kernel (enum tcp_conntrack, uapi). */
enum nb_tcp_state {
	NB_TCP_NONE,
	NB_TCP_SYN_SENT,
	NB_TCP_SYN_RECV,
	NB_TCP_ESTABLISHED,
	NB_TCP_FIN_WAIT,
	NB_TCP_CLOSE_WAIT,
	NB_TCP_LAST_ACK,
	NB_TCP_TIME_WAIT,
	NB_TCP_CLOSE,
	NB_TCP_SYN_SENT2,
	NB_TCP_STATES,
};

/* Indices of nb_settings.timeouts. The first ones are those of enum nb_tcp_state. */
enum nb_timeout {
	NB_TIMEOUT_TCP_RETRANS = NB_TCP_STATES,
	NB_TIMEOUT_TCP_UNACKNOWLEDGED,
	NB_TIMEOUT_UDP,
	NB_TIMEOUT_UDP_STREAM,
	NB_TIMEOUT_ICMP,
	NB_TIMEOUT_GENERIC,
	NB_TIMEOUTS,
};

enum nb_conn_flags {
	NB_CONN_REPLY = 1 << 0,      /* entry of the direction that the backend sends; else the client's */
	NB_CONN_SEEN_REPLY = 1 << 1, /* a packet of the reply direction was seen */
	NB_CONN_ASSURED = 1 << 2,    /* as the kernel's IPS_ASSURED: never evicted for a new connection */
	NB_CONN_VIA_HOST =
		1 << 3, /* through the host's IP stack: nb_to_pod of the client translates answers */
	NB_CONN_SERVICE = 1 << 4, /* made by a frontend; else a tracked direct connection to a backend */
	NB_CONN_NAT = 1 << 5,     /* packets are rewritten; else only tracked and passed */
	NB_CONN_STEADY = 1 << 7,  /* only the lifetime can change by a packet without SYN, FIN, RST */
	NB_CONN_UP = 1 << 8, /* with NB_CONN_VIA_HOST: given to the host whoever the frame is addressed to */
};

/* Whose an element of connections[] is; changed by compare and swap alone. */
enum nb_use {
	NB_USE_FREE,
	NB_USE_BUSY, /* somebody fills or clears it: others leave it alone */
	NB_USE_TAKEN,
	NB_USE_ENDING, /* the same by userspace, under its lock: found by the next one, the first was killed
			*/
};

/*
 * One direction of a tracked connection. src .. dport is its tuple as the receiver gets it; swapped, it is
 * the key of the other direction.
 *
 * The client's (without NB_CONN_REPLY) is the record of the connection: state, flags and lifetime are changed
 * there first. Those of the other are a copy that only says "nothing to do" (NB_CONN_STEADY) or "look there".
 */
struct nb_conn {
	struct nb_addr src;
	struct nb_addr dst;
	__be16 sport;
	__be16 dport;
	__u32 in_ifindex; /* pod port that sends in this direction, 0: none; no match on another port */
	__u32 out_gen;    /* generation of ports[out_slot] when the entry was made */
	__u16 out_slot;   /* ports[] index of the receiver, or NB_SLOT_HOST */
	__u16 flags;      /* enum nb_conn_flags */
	__u32 expires;    /* tick at which the entry is dead */
	__u32 created;    /* tick of the first packet */
	__u32 use;        /* enum nb_use, of the connection: in the client's */
	__u32 epoch;      /* nb_settings.epoch when the backend was last known to be one of its Service */
	__u32 csum_addr;  /* difference that the rewrite makes to a one's complement sum: addresses */
	__u32 csum_port;  /* the same: ports */
	__u32 state;      /* enum nb_tcp_state; 0 for UDP. A word of its own: changed by compare and swap */
	__u32 retrans;    /* TCP: how often this direction has repeated its newest segment */
	__u32 seq_end;    /* TCP: sequence number after the newest segment of this direction (host order) */
	__u32 ack;        /* TCP: its acknowledgement number (host order) */
};

/* Two cache lines. key: the tuple as the sender sends it; with protocol 0 it is nobody's. */
struct nb_entry {
	struct nb_tuple key;
	struct nb_conn conn;
};

/* An element of connections[]: a connection, its client's direction first. */
struct nb_pair {
	struct nb_entry dir[2];
};

/*
 * Where tuples are found: a set of the index, one cache line. A tuple stands in the set of its hash or, if
 * that was full when it came, in another one that follows from its hash. See conn_index.h.
 */
struct nb_conn_set {
	__u64 ways[NB_CONN_WAYS]; /* 0: free; else of the hash, and in NB_ENTRY_ID_BITS 1 + which entry it is
				   */
	__u64 spilled;            /* tuples that stand in other sets because this one was full */
};

/*
 * What a destination address, port and protocol is known as: a frontend, a backend of one, or both. With port
 * and protocol 0: the address itself, as one that frontends have.
 */
struct nb_frontend_key {
	struct nb_addr addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

enum nb_frontend_flags {
	NB_FRONTEND_SERVICE = 1 << 0, /* a frontend: set .. digest are valid */
	NB_FRONTEND_BACKEND = 1 << 1, /* a backend of some frontend: direct connections to it are tracked */
	NB_FRONTEND_VIP = 1 << 2,     /* key with port and protocol 0: refs frontends have this address */
	NB_FRONTEND_HOST = 1 << 3,    /* the host had this address as well: its own, while it has it */
};

struct nb_frontend {
	__u32 flags;    /* enum nb_frontend_flags */
	__u32 set;      /* first half of the key of its backends in backends[] */
	__u32 count;    /* backends for new connections: indices 0 .. count - 1; of a VIP: its frontends that
			   have none */
	__u32 known;    /* count, and behind them the backends that only keep the connections they have; of a
			   VIP: whether the host had the address as well */
	__u32 service;  /* number of the service port, the same for all its addresses: key of affinities[] */
	__u32 affinity; /* seconds of ClientIP affinity, 0: none */
	__u32 epoch;    /* the value that nb_settings.epoch took by the last change of this frontend */
	__u32 refs;     /* of a VIP: its frontends; userspace only: in how many sets this backend stands */
	__u64 digest;   /* userspace only: of the set's content, so that a diff need not read it */
};

/* A set of backends is written whole under a new number, then the frontend is switched to it by one update.
 */
struct nb_backend_key {
	__u32 set;
	__u32 index;
};

struct nb_backend {
	struct nb_addr addr;
	__be16 port;
	__u16 flags; /* 0 */
};

/* The backend that a client of a service port with ClientIP affinity has. */
struct nb_affinity_key {
	struct nb_addr client;
	__u32 service;
};

struct nb_affinity {
	struct nb_addr addr;
	__be16 port;
	__u16 pad;
	__u32 expires; /* tick */
};

/* A fragmented datagram of which the first fragment, the one with the ports, went by. */
struct nb_fragment_key {
	struct nb_addr src;
	struct nb_addr dst;
	__u32 id;      /* as on the wire; of IPv4 16 bits */
	__u32 ifindex; /* the port that it was seen at */
	__u32 proto;   /* 0 for IPv6, whose ids do not depend on it */
};

struct nb_fragment {
	__be16 sport;
	__be16 dport;
	__u32 expires; /* tick */
	__u8 proto;
	__u8 pad[3];
};

enum nb_flow_kind {
	NB_FLOW_DIRECT,   /* switched from pod to pod */
	NB_FLOW_VIA_HOST, /* an echo request that came by the host: its reply goes there as well. TCP and UDP:
			     the kernel's conntrack translates it, or did so in the tick "seen" */
	NB_FLOW_RENAMED,  /* came by the host like a direct one, and got another source port on its way */
};

/*
 * Mode assist: what natbridge itself knows of a connection. key: its tuple as on the wire between the pods,
 * with the end first that nb_flow_key() puts first, so that both directions have one; of an echo, both ports
 * are its id.
 */
struct nb_flow {
	struct nb_tuple key;
	__be16 port[2]; /* of the key's src and dst, 0: none. DIRECT: the source port that a translated
			   connection with this very tuple has instead. RENAMED: the port that was replaced */
	__u8 kind;      /* enum nb_flow_kind */
	__u8 closing;   /* TCP: which ends have sent FIN, 1 << end; RST counts as both */
	__u8 pad[2];
};

/* Flows whose keys have the same hash, as far as that chooses a set. What is looked for is found in the first
 * cache line. */
struct nb_flow_set {
	struct nb_flow_head {
		__u32 tag;  /* of the key's hash; 0: free, 1: being written */
		__u32 seen; /* tick of the newest packet */
	} heads[NB_FLOW_WAYS];
	struct nb_flow flows[NB_FLOW_WAYS];
};

/* Userspace only: which frontends a Service owns. index counts from 0 without gaps. */
struct nb_service_key {
	char name[NB_NAME_MAX]; /* "namespace/name", NUL-padded */
	__u32 index;
};

struct nb_service_entry {
	struct nb_frontend_key frontend;
	char port_name[NB_PORT_NAME_MAX];
	__u32 origin; /* enum nb_service_origin: who gave it, so that one source does not remove another's */
};

enum nb_service_origin {
	NB_ORIGIN_APPLY,  /* natbridgectl service apply, or the agent */
	NB_ORIGIN_CONFIG, /* serviceProxy.services of the network config */
};

enum nb_port_flags {
	NB_PORT_NO_FAST_PATH =
		1 << 0,            /* packets to and from it go through the host's stack (traffic shaping) */
	NB_PORT_ISOLATED = 1 << 1, /* bridge port flag "isolated": no traffic to other isolated ports */
	NB_PORT_SPOOFCHK = 1 << 2, /* only the pod's own addresses may be its packets' source */
	NB_PORT_MACSPOOFCHK = 1 << 3, /* the same of its MAC */
	NB_PORT_VLAN_SHIFT = 4,       /* the other 12 bits: VLAN of its untagged frames, 0: none is set */
};

/*
 * A pod's port, by slot. A change of gen makes every entry that leads to the slot dead at its next packet, so
 * that nothing has to be searched when a pod goes. ifindex 0: free. gen is kept over all uses of a slot.
 * With NB_GEN_CUT it is that of no entry: nothing is sent to a port that its bridge does not forward to.
 */
enum { NB_GEN_CUT = 1U << 31 };

struct nb_port {
	__u32 ifindex; /* of the host-side veth */
	__u32 gen;
	__u8 mac[6]; /* of the pod's end; the programs write a new one */
	__u16 flags; /* enum nb_port_flags */
	__u64 owner; /* userspace only: hash of container id and interface name */
};

enum nb_endpoint_flags {
	NB_ENDPOINT_ANSWERS = 1 << 0,  /* has translated connections as a backend */
	NB_ENDPOINT_VIA_HOST = 1 << 1, /* has translated connections through the host as a client */
};

/* An address of a pod. Key: struct nb_addr. */
struct nb_endpoint {
	__u32 slot;             /* in ports[] */
	__u32 flags;            /* enum nb_endpoint_flags; written by the programs */
	struct nb_addr gateway; /* source that the pod sees for connections to itself; all zero: none */
};

/* addr & mask == value. IPv4 as ::ffff:a.b.c.d, with a mask of 96 bits more. */
struct nb_prefix {
	struct nb_addr value;
	struct nb_addr mask;
};

enum nb_settings_flags {
	NB_SETTINGS_FAST_PATH = 1 << 0, /* else everything goes through the host's stack */
	NB_SETTINGS_SPOOFCHK = 1 << 1,  /* some ports may have NB_PORT_SPOOFCHK or NB_PORT_MACSPOOFCHK */
	NB_SETTINGS_SHAPED = 1 << 2,    /* some ports may have NB_PORT_NO_FAST_PATH; mode assist asks */
	/* Userspace only: the mode that all ports have been brought to; neither: none as yet. */
	NB_SETTINGS_IS_EBPF = 1 << 3,
	NB_SETTINGS_IS_ASSIST = 1 << 4,
	NB_SETTINGS_CUT = 1 << 6,    /* some ports may have NB_GEN_CUT */
	NB_SETTINGS_BEHIND = 1 << 5, /* userspace only: some ports may have programs of another natbridge */
	NB_SETTINGS_NOT_EXPEDITED = 1 << 7, /* userspace only: "rcuExpedited" of the config is false */
};

/* What programs and userspace change at run time without a reload (pinned as "settings"). */
struct nb_settings {
	/* Of the hash of tuples: random, so that nobody can send many to one place. Fixed while there are
	 * any. */
	__u64 index_seed[NB_TUPLE_WORDS];
	__u32 timeouts[NB_TIMEOUTS]; /* ticks, by enum nb_tcp_state and enum nb_timeout */
	__u8 bridge_mac[6];
	__u16 flags; /* enum nb_settings_flags */
	__u32 bridge_ifindex;
	__u32 next_set;     /* userspace only, under the lock: number of the next backend set */
	__u32 next_service; /* userspace only: where to look for the next free service index */
	__u32 epoch;        /* moves on with every change of services, after it: connections look anew */
	__u32 max;          /* connections that the table may hold; 1 .. the size it was loaded with */
	__u32 n_service_cidrs;
	/* Each holds every VIP and service range of its family (0: IPv6, 1: IPv4): what lies outside is
	 * neither. */
	struct nb_prefix vips[2];
	struct nb_prefix service_cidrs[NB_MAX_SERVICE_CIDRS];
	/* A bit for each port that a frontend or a backend has or ever had, by its number as on the wire: a
	 * packet with none of them belongs to no connection of ours. */
	__u32 known_ports[65536 / 32];
};

/* Written before the programs are loaded, and fixed then. */
struct nb_constants {
	__u32 tick_shift; /* jiffies >> shift is a tick */
	__u32 second;     /* ticks in a second, rounded up */
	__u32 network;    /* hash of its name, so that two networks choose differently; stays at this place */
	__u32 flow_sets;  /* size of the map of flows */
	__u32 conn_sets;  /* size of the connections' index */
	__u8 peer_sets_host; /* bpf_redirect_peer() sets PACKET_HOST (Linux 6.15, c4327229948) */
	__u8 pad[3];
};

/*
 * What is counted, and why packets are dropped: a row each, with its number in the map of counters and its
 * name for operators, which doc/COUNTERS.md explains. A number stays for good: a new row takes the next free
 * one of its kind, below NB_DROP_BASE for events and from there on for drop reasons. Names are the kernel's
 * where they mean the same ("insert_failed", "early_drop").
 */
#define NB_COUNTER_TABLE(ROW)                                                                                \
	/* connection entered into the table */                                                              \
	ROW(NB_COUNT_INSERT, 1, "insert")                                                                    \
	/* connection not entered: another CPU was about to enter the same */                                \
	ROW(NB_COUNT_INSERT_FAILED, 2, "insert_failed")                                                      \
	/* lost a race and took over the winner's entry */                                                   \
	ROW(NB_COUNT_CLASH_RESOLVE, 3, "clash_resolve")                                                      \
	/* unanswered or closing connection gave way to a new one */                                         \
	ROW(NB_COUNT_EARLY_DROP, 4, "early_drop")                                                            \
	/* expired connection taken out of the table */                                                      \
	ROW(NB_COUNT_RECLAIMED, 5, "reclaimed")                                                              \
	/* client port changed because of a clash */                                                         \
	ROW(NB_COUNT_PORT_CHANGED, 6, "port_changed")                                                        \
	/* half of a pair was not found any more, and entered again */                                       \
	ROW(NB_COUNT_REPAIRED, 7, "repaired")                                                                \
	/* reply tuple of a new connection was that of another one */                                        \
	ROW(NB_COUNT_FOUND, 8, "found")                                                                      \
	/* echo request to a Service's address, answered in its name */                                      \
	ROW(NB_COUNT_ECHO, 9, "echo")                                                                        \
	/* ICMP error about a translated connection, translated */                                           \
	ROW(NB_COUNT_RELATED, 10, "related")                                                                 \
	/* mode assist: packet given to the host, whose conntrack translates it */                           \
	ROW(NB_COUNT_ASSISTED, 11, "assisted")                                                               \
	/* no place for the connection */                                                                    \
	ROW(NB_DROP_TABLE_FULL, 64, "drop")                                                                  \
	/* rejected: Service without backend */                                                              \
	ROW(NB_DROP_NO_BACKEND, 65, "drop_no_backend")                                                       \
	/* rejected: address of a Service, but none of its ports */                                          \
	ROW(NB_DROP_NO_SERVICE, 66, "drop_no_service")                                                       \
	/* address of a service range that no Service has */                                                 \
	ROW(NB_DROP_NO_VIP, 67, "drop_no_vip")                                                               \
	/* rejected: the connection's backend is gone */                                                     \
	ROW(NB_DROP_BACKEND_GONE, 68, "drop_backend_gone")                                                   \
	/* no free source port for a clash */                                                                \
	ROW(NB_DROP_NO_PORT, 69, "drop_no_port")                                                             \
	/* answer of a connection from another port than its backend's */                                    \
	ROW(NB_DROP_NOT_ITS_PORT, 70, "drop_not_its_port")                                                   \
	/* TCP flags that cannot start a connection, to a frontend */                                        \
	ROW(NB_DROP_INVALID, 71, "drop_invalid")                                                             \
	/* later fragment of a datagram to or from a frontend that came before its first */                  \
	ROW(NB_DROP_FRAGMENT, 72, "drop_fragment")                                                           \
	/* to a VIP, with headers that cannot be read */                                                     \
	ROW(NB_DROP_UNPARSED, 73, "drop_unparsed")                                                           \
	/* the receiver's port is cut off from its bridge */                                                 \
	ROW(NB_DROP_CUT, 74, "drop_cut_off")                                                                 \
	/* both ports have the bridge port flag isolated */                                                  \
	ROW(NB_DROP_ISOLATED, 75, "drop_isolated")                                                           \
	/* the receiver's port is gone */                                                                    \
	ROW(NB_DROP_GONE, 76, "drop_gone")                                                                   \
	/* headers could not be made writable */                                                             \
	ROW(NB_DROP_WRITE, 77, "drop_write")                                                                 \
	/* ICMP redirect about a translated connection */                                                    \
	ROW(NB_DROP_REDIRECT, 78, "drop_redirect")                                                           \
	/* ipspoofchk, macspoofchk: the source is none of the pod's addresses */                             \
	ROW(NB_DROP_SPOOFED, 79, "drop_spoofed")

#define NB_COUNTER_CONSTANT(id, number, name) id = (number),
enum nb_counter {
	NB_COUNT_NONE, /* never counted: "continue" */
	NB_DROP_BASE = 64,
	NB_COUNTERS = 128, /* size of the map: room for rows to come */
	NB_COUNTER_TABLE(NB_COUNTER_CONSTANT)
};
#undef NB_COUNTER_CONSTANT

/* Global scratch of the programs (pinned as "runtime"). */
struct nb_runtime {
	__u64 ring_cursor; /* connections that ever asked for a place in connections[] */
	__u8 renamed; /* mode assist: some connection was; until then only one that begins can have to be */
	__u8 moved;   /* a pod has another MAC than at its ADD, or had one: mac_learn.h */
	__u8 shaped;  /* a port got NB_PORT_NO_FAST_PATH from qdisc.bpf.c */
	__u8 pad[5];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct nb_addr) == 16, "nb_addr");
_Static_assert(sizeof(struct nb_tuple) == 40, "nb_tuple");
_Static_assert(sizeof(struct nb_conn) == 88, "nb_conn");
_Static_assert(sizeof(struct nb_entry) == 128, "nb_entry");
_Static_assert(sizeof(struct nb_conn_set) == 64, "nb_conn_set");
_Static_assert(sizeof(struct nb_frontend_key) == 20, "nb_frontend_key");
_Static_assert(sizeof(struct nb_frontend) == 40, "nb_frontend");
_Static_assert(sizeof(struct nb_backend) == 20, "nb_backend");
_Static_assert(sizeof(struct nb_affinity_key) == 20, "nb_affinity_key");
_Static_assert(sizeof(struct nb_affinity) == 24, "nb_affinity");
_Static_assert(sizeof(struct nb_fragment_key) == 44, "nb_fragment_key");
_Static_assert(sizeof(struct nb_flow_set) == 448, "nb_flow_set");
_Static_assert(sizeof(struct nb_service_key) == 132, "nb_service_key");
_Static_assert(sizeof(struct nb_service_entry) == 88, "nb_service_entry");
_Static_assert(sizeof(struct nb_port) == 24, "nb_port");
_Static_assert(sizeof(struct nb_endpoint) == 24, "nb_endpoint");
#endif

#endif
