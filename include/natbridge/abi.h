/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_ABI_H
#define NATBRIDGE_ABI_H

/*
 * What the eBPF programs and the programs of userspace share: keys and values of the pinned maps,
 * limits, flags and counters.
 *
 * This is an on-disk format. A change of a layout needs a new NB_ABI_VERSION, which is part of the
 * pin path (<bpffs>/natbridge/<network>/v<NB_ABI_VERSION>/<map or program>). Another layout is
 * migrated to this one by the names of maps and fields (lib/datapath/migrate.h): what keeps its
 * meaning keeps its name, no name gets a new meaning, and enumerators keep their numbers. The name
 * of the constants' section stays, and so does what nb_prog_network() reads there.
 *
 * All addresses and ports are in network byte order (__be16, __be32), all other numbers in host
 * byte order. Padding is explicit and zero, since map keys are compared byte by byte.
 */

#include <linux/types.h>

enum {
	NB_ABI_VERSION = 10,

	NB_MAX_PORTS = 1024, /* BR_MAX_PORTS (net/bridge/br_private.h) */
	NB_SLOT_HOST = 0,    /* the port slot that stands for the host's IP stack */
	NB_OWN_PORTS = 1024, /* elements of own_ports[], by ifindex; a power of 2 */

	NB_NAME_MAX = 128,             /* "namespace/name" with its NUL: two DNS labels of 63 */
	NB_PORT_NAME_MAX = 64,         /* the name of a service port (DNS label) with its NUL */
	NB_MAX_SERVICE_PORTS = 131072, /* service ports (name and port of a Service) of a network */
	NB_MAX_SERVICE_CIDRS = 8,      /* service ranges of a network */
	NB_AFFINITIES = 32768,         /* clients times service ports with affinity */
	NB_DEFAULT_FRONTENDS = 262144,
	NB_DEFAULT_BACKENDS = 262144,
	NB_SOURCE_RANGES = 65536, /* source ranges of all service ports */
	NB_SERVICE_DROPS = 4096,  /* frontends times drop reasons */
	/*
	 * From here on, source ports are those of connections that the node's programs translate. They lie
	 * beyond net.ipv4.ip_local_port_range, so that no connection of the node itself, nor one of a pod
	 * that reaches itself by its gateway's address, looks like one of them to a backend.
	 */
	NB_NODE_L4PORT = 61000,
	NB_MAX_DEVICES = 1024,   /* of the node */
	NB_MAX_NETWORKS = 256,   /* whose pods the node's own table knows */
	NB_MAX_PAST_HOST = 256,  /* networks whose pods are reached past the host's IP stack */
	NB_HOST_REQUESTS = 4096, /* UDP flows from the node to pods with a NodePort's number */

	NB_DEFAULT_CONNECTIONS = 131072,
	NB_CONN_WAYS = 7,      /* ways of a set of the index of connections */
	NB_ENTRY_ID_BITS = 25, /* bits of a way that name an entry */
	NB_TUPLE_WORDS = 10,   /* struct nb_tuple in words of 32 bits */
	NB_FRAGMENTS = 4096,   /* fragmented datagrams whose first fragment has passed */

	NB_DEFAULT_FLOWS = 65536, /* mode assist: connections between pods that are remembered */
	NB_FLOW_WAYS = 8,         /* ways of a set of them; a power of 2 */
};

/* ---- tuples ---- */

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct nb_addr {
	__be32 w[4];
};

/* Where a packet is met. Pods' ports know the first one alone. */
enum nb_side {
	NB_SIDE_INSIDE,  /* a pod sends it, or the node itself */
	NB_SIDE_OUTSIDE, /* it comes in by a device of the node */
	NB_SIDE_LEAVING, /* it leaves by a device of the node */
};

/* What identifies a connection in one direction. Ports are 0 where the protocol has none. */
struct nb_tuple {
	struct nb_addr src;
	struct nb_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	__u8 side;  /* enum nb_side */
	__u8 pad[2];
};

/* ---- connections ---- */

/* The names and numbers of the kernel (enum tcp_conntrack, uapi). */
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

/*
 * The states of SCTP (the kernel's enum sctp_conntrack), with the numbers of those of TCP that mean the
 * same: what decides by whether a connection is established, closing or closed is the same for both.
 */
enum nb_sctp_state {
	NB_SCTP_NONE = NB_TCP_NONE, /* INIT was seen: the kernel's CLOSED */
	NB_SCTP_COOKIE_WAIT = NB_TCP_SYN_SENT,
	NB_SCTP_COOKIE_ECHOED = NB_TCP_SYN_RECV,
	NB_SCTP_ESTABLISHED = NB_TCP_ESTABLISHED,
	NB_SCTP_SHUTDOWN_SENT = NB_TCP_FIN_WAIT,
	NB_SCTP_SHUTDOWN_RECD = NB_TCP_CLOSE_WAIT,
	NB_SCTP_SHUTDOWN_ACK_SENT = NB_TCP_LAST_ACK,
	NB_SCTP_CLOSED = NB_TCP_CLOSE,
};

/* Indices of nb_settings.timeouts. Before them stand the timeouts of enum nb_tcp_state. */
enum nb_timeout {
	NB_TIMEOUT_TCP_RETRANS = NB_TCP_STATES,
	NB_TIMEOUT_TCP_UNACKNOWLEDGED,
	NB_TIMEOUT_UDP,
	NB_TIMEOUT_UDP_STREAM,
	NB_TIMEOUT_ICMP,
	NB_TIMEOUT_GENERIC,
	NB_TIMEOUTS,
};

/* Fixed while the entry serves a connection. */
enum nb_conn_flags {
	/* The entry of what the backend sends; else that of what the client sends. */
	NB_CONN_REPLY = 1 << 0,
	/* Packets go through the host's IP stack; nb_to_pod at the client's port translates answers. */
	NB_CONN_VIA_HOST = 1 << 3,
	/* To a frontend; else a direct connection to a backend, which is tracked. */
	NB_CONN_SERVICE = 1 << 4,
	/* Packets are translated; else they are tracked and pass untouched. */
	NB_CONN_NAT = 1 << 5,
	/* With NB_CONN_VIA_HOST: packets go to the host whatever MAC they are addressed to. */
	NB_CONN_TO_HOST = 1 << 8,
	/* Of the node's table: the node sends the requests. */
	NB_CONN_OF_NODE = 1 << 9,
	/* With NB_CONN_OF_NODE: to the node itself. Requests enter by nb0, and answers leave by it. */
	NB_CONN_TO_SELF = 1 << 10,
	/* Of a client outside: the backend is on this node, and sees the client's address. */
	NB_CONN_HERE = 1 << 11,
};

/* The use of a pair of connections[], in the life of its client's entry: see doc/conn-table.md. */
enum nb_use {
	NB_USE_FREE,
	/* A program fills or clears the pair. Others leave it alone. */
	NB_USE_BUSY,
	/* The pair holds a connection. */
	NB_USE_TAKEN,
	/* Userspace fills or clears it, under its lock. If it is killed, the next process clears it. */
	NB_USE_ENDING,
	/* A program enters the pair into the index. Not yet a connection, or not yet one again. */
	NB_USE_NEW,
	/* The same by userspace, which gives way to any program. */
	NB_USE_ADDING,
	/* Was NB_USE_NEW. Another program has one of its tuples: the owner clears the pair. */
	NB_USE_LOST,
};

/*
 * One direction of a tracked connection. src .. dport is its tuple as the receiver sees it;
 * swapped, it is the key of the other direction.
 *
 * Before "life", all is fixed while the entry serves a connection. From there on, packets change
 * it: conn_life.h says what the words hold. The client's entry (without NB_CONN_REPLY) is the
 * record of the connection: its life is changed first. The other entry has a copy, which only tells
 * that a packet has nothing to change (NB_LIFE_STEADY), or to look in the record.
 */
struct nb_conn {
	struct nb_addr src;
	struct nb_addr dst;
	__be16 sport;
	__be16 dport;
	/*
	 * The pod's port that sends in this direction; 0: none. Of the node's table: the device by which
	 * answers to the node enter, 0: nb0; of a client outside, struct nb_device.network of the bridge
	 * whose pods its packets reach past the host's IP stack, 0: through it.
	 */
	__u32 in_ifindex;
	__u32 out_gen;   /* nb_port.gen of the receiver when the entry was made */
	__u16 out_slot;  /* port slot of the receiver, or NB_SLOT_HOST */
	__u16 flags;     /* enum nb_conn_flags */
	__u32 csum_addr; /* what the rewrite of addresses adds to a one's complement sum, 16 bits */
	__u32 csum_port; /* what the rewrite of ports adds; 0: nothing */
	__u64 life;      /* tick at which the entry expires, flags, state, enum nb_use */
	/* TCP: sequence number behind the newest segment, and its repetitions. SCTP: see sctp_state.h */
	__u64 seq;
	__u64 acked;   /* TCP: newest acknowledgement number. SCTP: the same */
	__u64 checked; /* nb_settings.epoch when the backend was last known to be in its Service, and
			* the tick of the first packet: in the client's entry */
};

/* Two cache lines. Valid while the entry's life says so. */
struct nb_entry {
	struct nb_tuple key; /* the tuple as the sender sends it */
	struct nb_conn conn;
};

/* A connection: an element of connections[]. */
struct nb_pair {
	struct nb_entry dir[2]; /* the client's direction, the backend's */
};

/*
 * What an entry of connections[] has carried: packets of its direction that were sent on. All counts
 * only grow, whatever connections the entry serves; what the present one has carried is the difference
 * to what was there when it began. Its element: natbridge/conn_account.h.
 */
struct nb_account {
	__u64 packets; /* an offloaded one, which is sent as many, is one */
	__u64 bytes;   /* from the IP header on */
	__u64 packets_before;
	__u64 bytes_before;
};

/*
 * A set of the index of connections: one cache line. A tuple is in the home set of its hash or, if
 * that was full, in another set that follows from the hash. See conn_index.h.
 */
struct nb_conn_set {
	/* 0: free; else bits of the hash, and in NB_ENTRY_ID_BITS the entry_id plus 1. */
	__u64 ways[NB_CONN_WAYS];
	__u64 spilled; /* tuples that are in other sets because this one was full */
};

/* ---- Services ---- */

/* A destination. Port and protocol 0 stand for the address itself, if a frontend has it. */
struct nb_frontend_key {
	struct nb_addr addr;
	__be16 port;
	__u8 proto;
	__u8 side; /* NB_SIDE_INSIDE, or NB_SIDE_OUTSIDE: what clients outside of the cluster meet */
};

enum nb_frontend_flags {
	NB_FRONTEND_SERVICE = 1 << 0, /* a frontend: set .. digest are valid */
	NB_FRONTEND_BACKEND = 1 << 1, /* a backend: direct connections to it are tracked */
	NB_FRONTEND_VIP = 1 << 2,     /* an address: frontends have it */
	NB_FRONTEND_HOST = 1 << 3,    /* the host had this address, too: while it has it, it is the host's */
	NB_FRONTEND_KIND_SHIFT = 4,   /* two bits: enum nb_frontend_kind */
	NB_FRONTEND_RANGES = 1 << 6,  /* only clients in its source_ranges[] begin connections */
	NB_FRONTEND_LOCAL = 1 << 7,   /* without a backend here, its Service has some on other nodes */
};

/* Where the address of a frontend comes from. */
enum nb_frontend_kind {
	NB_CLUSTER_IP, /* its other ports are rejected; it is marked with NB_FRONTEND_VIP */
	/* Addresses that may have other ports, which pass. */
	NB_EXTERNAL_IP,
	NB_LOAD_BALANCER,
	NB_NODE_PORT, /* an address of the node */
};

/*
 * What a destination is known as: a frontend, a backend, or both; or an address, the VIP. Programs
 * copy the first 32 bytes, if they need more than one word.
 */
struct nb_frontend {
	__u32 flags; /* enum nb_frontend_flags */
	__u32 set;   /* the first half of its backends' keys */
	/* Backends for new connections: indices 0 .. count - 1. VIP: its frontends without a backend. */
	__u32 count;
	/* count, and behind them backends that keep their connections. VIP: the host had the address. */
	__u32 known;
	__u32 service;  /* number of the service port, the same for all its addresses */
	__u32 affinity; /* seconds of ClientIP affinity; 0: none */
	__u32 epoch;    /* nb_settings.epoch after the last change of this frontend */
	__u32 seal;     /* natbridge/seal.h */
	/* Userspace only: hashes, so that a comparison need not read what they are of. */
	__u64 digest; /* of the set */
	__u64 ranges; /* of the source ranges, with NB_FRONTEND_RANGES */
	/* VIP: its frontends. Backend, userspace only: the sets that have it. */
	__u32 refs;
	__u32 pad;
};

/* A set of backends is written whole under a new number; then one update switches its frontend. */
struct nb_backend_key {
	__u32 set;
	__u32 index;
};

struct nb_backend {
	struct nb_addr addr;
	__be16 port;
	__u16 flags; /* of connections to it: 0, or NB_CONN_HERE */
	__u32 seal;  /* natbridge/seal.h */
};

/*
 * Source addresses whose connections a service port takes, with NB_FRONTEND_RANGES: the key of a
 * trie of prefixes (BPF_MAP_TYPE_LPM_TRIE). The value is the IP version, 4 or 6: ::/0 has all IPv4
 * addresses in their mapped form, too.
 */
struct nb_source_range {
	__u32 prefixlen; /* bits from service on: 32, and those of the address; IPv4 has 96 more */
	__u32 service;
	struct nb_addr addr;
};

/* A client of a service port with ClientIP affinity. */
struct nb_affinity_key {
	struct nb_addr client;
	__u32 service;
};

/* Its backend. */
struct nb_affinity {
	struct nb_addr addr;
	__be16 port;
	__u16 pad;
	__u32 expires; /* tick */
	__u32 seal;    /* natbridge/seal.h */
};

/* Userspace only: which frontends a Service owns. index counts from 0 without gaps. */
struct nb_service_key {
	char name[NB_NAME_MAX]; /* "namespace/name", NUL-padded */
	__u32 index;
};

struct nb_service_entry {
	struct nb_frontend_key frontend;
	char port_name[NB_PORT_NAME_MAX];
	__u32 origin; /* enum nb_service_origin: no source removes what another one has given */
	/* Of the service port, which a NodePort differs from. 0, from older layouts: frontend.port. */
	__be16 port;
	__u16 pad;
};

/* Why packets to a frontend were dropped. Port and protocol 0: to another port of its address. */
struct nb_service_drop_key {
	struct nb_frontend_key frontend;
	__u32 reason; /* enum nb_counter, from NB_DROP_BASE on */
};

enum nb_service_origin {
	NB_ORIGIN_APPLY,  /* natbridgectl service apply */
	NB_ORIGIN_CONFIG, /* serviceProxy.services of the network config */
};

/* ---- fragments ---- */

/* A datagram whose first fragment, which has the ports, has passed. */
struct nb_fragment_key {
	struct nb_addr src;
	struct nb_addr dst;
	__u32 id;      /* as on the wire; 16 bits of IPv4 */
	__u32 ifindex; /* the port at which the fragment passed */
	__u32 proto;   /* 0 for IPv6, whose ids do not depend on it */
};

struct nb_fragment {
	__be16 sport;
	__be16 dport;
	__u32 expires; /* tick */
	__u8 proto;
	__u8 pad[3];
	__u32 seal; /* natbridge/seal.h */
};

/* ---- mode assist ---- */

enum nb_flow_kind {
	/* Switched from pod to pod. */
	NB_FLOW_DIRECT,
	/*
	 * ICMP: an echo request came from the host, so the reply goes there. TCP and UDP: the
	 * kernel's conntrack translated the connection in the tick "seen".
	 */
	NB_FLOW_VIA_HOST,
	/* Came from the host with the tuple of a direct flow, and got another source port. */
	NB_FLOW_REMAPPED,
};

/* A connection that natbridge remembers. */
struct nb_flow {
	/*
	 * Its tuple between the pods, with the end first that nb_flow_key() puts first, so that
	 * both directions have one key. Of an echo, both ports are its id.
	 */
	struct nb_tuple key;
	/*
	 * From here on the flow is one word of 64 bits, its state, which changes as a whole
	 * (bpf/assist/flow.h).
	 *
	 * Of the key's src and dst; 0: none. NB_FLOW_DIRECT: the source port that a translated
	 * connection with this tuple has instead. NB_FLOW_REMAPPED: the port that was replaced.
	 */
	__be16 port[2];
	__u8 kind;    /* enum nb_flow_kind */
	__u8 closing; /* TCP: 1 << end for each end that has sent FIN; both after RST */
	__u16 gen;    /* counts the flows that had this place; odd: a CPU writes one */
};

/* Bit of the first head's tag: a CPU inserts into the set, or removes from it. */
enum { NB_FLOW_LOCKED = 1 };

/* Flows whose keys hash to one set. A lookup reads the first cache line, and one flow. */
struct nb_flow_set {
	struct nb_flow_head {
		__u32 tag;  /* of the key's hash; 0: free */
		__u32 seen; /* tick of the newest packet */
	} heads[NB_FLOW_WAYS];
	struct nb_flow flows[NB_FLOW_WAYS];
};

/* ---- ports and pods ---- */

enum nb_port_flags {
	NB_PORT_NO_FAST_PATH = 1 << 0, /* shaped: packets go through the host's IP stack */
	NB_PORT_ISOLATED = 1 << 1,     /* bridge port flag "isolated" */
	NB_PORT_SPOOFCHK = 1 << 2,     /* packets have a source address of the pod */
	NB_PORT_MACSPOOFCHK = 1 << 3,  /* frames have the pod's MAC as their source */
	NB_PORT_VLAN_SHIFT = 4,        /* the other 12 bits: VLAN of untagged frames, 0: not set */
};

/* Bit of nb_port.gen: the port is cut off, as its bridge does not forward to it. No entry has it. */
enum { NB_GEN_CUT = 1U << 31 };

/*
 * A pod's port, by port slot. A change of gen makes all entries dead that send to the slot, so that
 * nothing has to be searched when a pod goes. gen is kept over all uses of a slot.
 *
 * Userspace writes ifindex and gen as one word of 64 bits, but for NB_GEN_CUT, which it changes
 * alone. ADD writes everything else first, and this word last; DEL changes gen first, and clears the
 * rest later. So who reads gen, then what else it needs, and then gen again, and finds it as it was,
 * has read the words of one pod.
 */
struct nb_port {
	__u32 ifindex; /* of the host-side veth; 0: the slot is free */
	__u32 gen;
	__u8 mac[6]; /* of the pod's end; programs write one that has changed */
	__u16 flags; /* enum nb_port_flags */
	__u64 owner; /* userspace only: hash of container id and interface name */
};

/* Written by programs. */
enum nb_endpoint_flags {
	NB_ENDPOINT_ANSWERS = 1 << 0,  /* has translated connections as a backend */
	NB_ENDPOINT_VIA_HOST = 1 << 1, /* has translated connections through the host as a client */
};

/* An address of a pod; the key is struct nb_addr. */
struct nb_endpoint {
	__u32 slot;             /* port slot */
	__u32 flags;            /* enum nb_endpoint_flags */
	struct nb_addr gateway; /* source that the pod sees if it reaches itself; all zero: none */
	__u32 gen;              /* nb_port.gen of the slot while it is the pod's; 0: not known */
	__u32 seal;             /* natbridge/seal.h */
};

/* A device of the node that has programs, by ifindex. */
struct nb_device {
	/*
	 * Of IPv6 (0) and IPv4 (1): the source of connections that leave by the device with another one. Of
	 * nb0: the source of connections of the node to itself. All zero: none, and there are no such
	 * connections.
	 */
	struct nb_addr addrs[2];
	__u8 mac[6];
	__u16 network; /* of a network's bridge: its element of past_host[] plus 1; 0: none */
	__u32 flags;   /* userspace only: enum nb_device_flags */
	__u32 seal;    /* natbridge/seal.h */
};

enum nb_device_flags {
	NB_DEVICE_IN = 1 << 0,  /* has nb_device_in */
	NB_DEVICE_OUT = 1 << 1, /* has nb_device_out */
	NB_DEVICE_NB0 = 1 << 2, /* is nb0, and has nb_nb0_out */
	NB_DEVICE_LO = 1 << 3,  /* is lo, which did not take packets from the node's own addresses before */
};

/* ---- global data ---- */

/*
 * Addresses with addr & mask == value & mask. An IPv4 mask has 96 bits more, for ::ffff:a.b.c.d. In
 * nb_settings.vips, bits of value outside of the mask are those of earlier prefixes: nb_settings_write().
 */
struct nb_prefix {
	struct nb_addr value;
	struct nb_addr mask;
};

enum nb_settings_flags {
	NB_SETTINGS_FAST_PATH = 1 << 0, /* else everything goes through the host's IP stack */
	NB_SETTINGS_SPOOFCHK = 1 << 1,  /* ports may have NB_PORT_SPOOFCHK or NB_PORT_MACSPOOFCHK */
	NB_SETTINGS_SHAPED = 1 << 2,    /* mode assist: ports may have NB_PORT_NO_FAST_PATH */
	NB_SETTINGS_CUT = 1 << 6,       /* ports may have NB_GEN_CUT */

	/* Userspace only: the mode that all ports have; neither is set before the first ADD. */
	NB_SETTINGS_IS_EBPF = 1 << 3,
	NB_SETTINGS_IS_ASSIST = 1 << 4,
	/* Userspace only: ports may have programs of another natbridge. */
	NB_SETTINGS_BEHIND = 1 << 5,
	/* Userspace only: "rcuExpedited" of the config is false. */
	NB_SETTINGS_NOT_EXPEDITED = 1 << 7,
	/* Userspace only: service_cidrs[] are the cluster's, and not of the config, which wins. */
	NB_SETTINGS_CLUSTER_CIDRS = 1 << 8,
};

/*
 * Written by userspace while the programs run (pinned as "settings"): word by word, in an order that
 * nb_settings_write() states.
 */
struct nb_settings {
	/* Random factors of the hash of tuples. Fixed while there are connections. */
	__u64 index_seed[NB_TUPLE_WORDS];
	__u32 timeouts[NB_TIMEOUTS]; /* ticks, by enum nb_tcp_state and enum nb_timeout */
	/* Of the link where pods reach the host: the bridge, or with a VLAN and a gateway BRIDGE.VLAN. */
	__u8 bridge_mac[6];
	__u16 flags; /* enum nb_settings_flags */
	__u32 bridge_ifindex;
	__u32 next_set;     /* userspace only, under the lock: number of the next backend set */
	__u32 next_service; /* userspace only: where to look for the next free service index */
	__u32 epoch;        /* counts changes of services; incremented behind each one */
	__u32 max;          /* connections that the table may hold, up to its size at load */
	__u32 n_service_cidrs;
	/* A prefix around all VIPs and service ranges of IPv6 (0) and IPv4 (1). */
	struct nb_prefix vips[2];
	struct nb_prefix service_cidrs[NB_MAX_SERVICE_CIDRS];
	/*
	 * A bit for each port, by its number as on the wire, that a frontend or a backend has or
	 * ever had. A packet with none of them belongs to no connection of natbridge's.
	 */
	__u32 known_ports[65536 / 32];
};

/* Written by userspace before the programs are loaded. */
struct nb_constants {
	__u32 tick_shift;    /* jiffies >> shift is a tick */
	__u32 second;        /* ticks in a second, rounded up */
	__u32 network;       /* hash of its name, so that networks choose backends differently; stays here */
	__u32 flow_sets;     /* elements of flows[] */
	__u32 conn_sets;     /* elements of conn_index[] */
	__u32 account_half;  /* half the elements of accounts[] */
	__u8 peer_sets_host; /* bpf_redirect_peer() sets PACKET_HOST (Linux 6.15, c4327229948) */
	__u8 fib_sets_src;   /* bpf_fib_lookup() has BPF_FIB_LOOKUP_SRC (Linux 6.7, dab4e1f06cab) */
	__u16 minute;        /* ticks in a minute, rounded up: for timeouts that are no settings */
};

/* Written by programs (pinned as "runtime"). */
struct nb_runtime {
	__u64 ring_cursor; /* counts the pairs that new connections have tried; see conn_evict.h */
	__u8 renamed;      /* mode assist: some connection got another source port */
	__u8 moved;        /* a pod has another MAC than at its ADD, or had one: mac_learn.h */
	__u8 shaped;       /* a port got NB_PORT_NO_FAST_PATH from qdisc.bpf.c */
	__u8 pad[5];
};

/* ---- counters ---- */

/*
 * What is counted, and why packets are dropped. A row has the constant, its number in the map of
 * counters, and its name for operators, which doc/COUNTERS.md explains. A number stays for good: a
 * new row takes the next free one of its kind, below NB_DROP_BASE for events and from there on for
 * drop reasons. Names are the kernel's where they mean the same ("insert_failed", "early_drop").
 */
#define NB_COUNTER_TABLE(ROW)                                                                                \
	/* a connection was entered into the table */                                                        \
	ROW(NB_COUNT_INSERT, 1, "insert")                                                                    \
	/* a connection was not entered: another CPU was about to enter the same one */                      \
	ROW(NB_COUNT_INSERT_FAILED, 2, "insert_failed")                                                      \
	/* another CPU entered the connection first: its entry was used */                                   \
	ROW(NB_COUNT_CLASH_RESOLVE, 3, "clash_resolve")                                                      \
	/* an unanswered or closing connection gave way to a new one */                                      \
	ROW(NB_COUNT_EARLY_DROP, 4, "early_drop")                                                            \
	/* an expired connection was removed from the table */                                               \
	ROW(NB_COUNT_RECLAIMED, 5, "reclaimed")                                                              \
	/* a clash: the connection got another source port */                                                \
	ROW(NB_COUNT_PORT_CHANGED, 6, "port_changed")                                                        \
	/* the index had lost an entry of a connection, which was inserted again */                          \
	ROW(NB_COUNT_REPAIRED, 7, "repaired")                                                                \
	/* a clash: another connection had the reply tuple of a new one */                                   \
	ROW(NB_COUNT_FOUND, 8, "found")                                                                      \
	/* an echo request to a Service's address was answered in its name */                                \
	ROW(NB_COUNT_ECHO, 9, "echo")                                                                        \
	/* an ICMP error about a translated connection was translated */                                     \
	ROW(NB_COUNT_RELATED, 10, "related")                                                                 \
	/* mode assist: a packet was given to the host, whose conntrack translates it */                     \
	ROW(NB_COUNT_ASSISTED, 11, "assisted")                                                               \
	/* an event that a listener had no room for: see event.h */                                          \
	ROW(NB_COUNT_UNHEARD, 12, "unheard")                                                                 \
	/* the table has no room for the connection */                                                       \
	ROW(NB_DROP_TABLE_FULL, 64, "drop")                                                                  \
	/* rejected: the Service has no backend */                                                           \
	ROW(NB_DROP_NO_BACKEND, 65, "drop_no_backend")                                                       \
	/* rejected: an address of a Service, but none of its ports */                                       \
	ROW(NB_DROP_NO_SERVICE, 66, "drop_no_service")                                                       \
	/* an address of a service range that no Service has */                                              \
	ROW(NB_DROP_NO_VIP, 67, "drop_no_vip")                                                               \
	/* rejected: the connection's backend is gone */                                                     \
	ROW(NB_DROP_BACKEND_GONE, 68, "drop_backend_gone")                                                   \
	/* a clash, and no source port is free */                                                            \
	ROW(NB_DROP_NO_PORT, 69, "drop_no_port")                                                             \
	/* a packet of a connection from another port than its pod's */                                      \
	ROW(NB_DROP_NOT_ITS_PORT, 70, "drop_not_its_port")                                                   \
	/* TCP flags, or chunks of SCTP, that cannot begin a connection, to a frontend */                    \
	ROW(NB_DROP_INVALID, 71, "drop_invalid")                                                             \
	/* a fragment to or from a frontend that cannot be translated */                                     \
	ROW(NB_DROP_FRAGMENT, 72, "drop_fragment")                                                           \
	/* to a VIP, with headers that cannot be read */                                                     \
	ROW(NB_DROP_UNPARSED, 73, "drop_unparsed")                                                           \
	/* the receiver's port is cut off from its bridge */                                                 \
	ROW(NB_DROP_CUT, 74, "drop_cut_off")                                                                 \
	/* both ports have the bridge port flag isolated, or they are in different VLANs */                  \
	ROW(NB_DROP_ISOLATED, 75, "drop_isolated")                                                           \
	/* the receiver's port is gone */                                                                    \
	ROW(NB_DROP_GONE, 76, "drop_gone")                                                                   \
	/* the packet's headers could not be written */                                                      \
	ROW(NB_DROP_WRITE, 77, "drop_write")                                                                 \
	/* an ICMP redirect about a translated connection */                                                 \
	ROW(NB_DROP_REDIRECT, 78, "drop_redirect")                                                           \
	/* ipspoofchk, macspoofchk: the source is no address of the pod */                                   \
	ROW(NB_DROP_SPOOFED, 79, "drop_spoofed")                                                             \
	/* the Service has backends, but none on this node, and its traffic policy is Local */               \
	ROW(NB_DROP_NO_LOCAL_BACKEND, 80, "drop_no_local_backend")                                           \
	/* the client is in none of the load balancer's source ranges */                                     \
	ROW(NB_DROP_SOURCE_RANGE, 81, "drop_source_range")                                                   \
	/* the node has no route to the backend, or one by a device without natbridge's programs */          \
	ROW(NB_DROP_NO_DEVICE, 82, "drop_no_device")

#define NB_COUNTER_CONSTANT(id, number, name) id = (number),
enum nb_counter {
	NB_COUNT_NONE, /* never counted */
	NB_DROP_BASE = 64,
	NB_COUNTERS = 128, /* elements of the map, with some to spare */
	NB_COUNTER_TABLE(NB_COUNTER_CONSTANT)
};
#undef NB_COUNTER_CONSTANT

#ifndef __cplusplus
_Static_assert(sizeof(struct nb_addr) == 16, "nb_addr");
_Static_assert(sizeof(struct nb_tuple) == 40, "nb_tuple");
_Static_assert(sizeof(struct nb_conn) == 88, "nb_conn");
_Static_assert(sizeof(struct nb_entry) == 128, "nb_entry");
_Static_assert(sizeof(struct nb_account) == 32, "nb_account: two a cache line");
_Static_assert(sizeof(struct nb_conn_set) == 64, "nb_conn_set");
_Static_assert(sizeof(struct nb_frontend_key) == 20, "nb_frontend_key");
_Static_assert(sizeof(struct nb_frontend) == 56, "nb_frontend");
_Static_assert(__builtin_offsetof(struct nb_frontend, set) == 4, "one word with flags");
_Static_assert(__builtin_offsetof(struct nb_frontend, known) == 12, "one word with count");
_Static_assert(__builtin_offsetof(struct nb_frontend, affinity) == 20, "one word with service");
_Static_assert(__builtin_offsetof(struct nb_frontend, seal) == 28, "in the part that programs copy");
_Static_assert(sizeof(struct nb_backend) == 24, "nb_backend");
_Static_assert(sizeof(struct nb_source_range) == 24, "nb_source_range");
_Static_assert(sizeof(struct nb_affinity_key) == 20, "nb_affinity_key");
_Static_assert(sizeof(struct nb_affinity) == 28, "nb_affinity");
_Static_assert(sizeof(struct nb_fragment_key) == 44, "nb_fragment_key");
_Static_assert(sizeof(struct nb_flow) == 48, "nb_flow");
_Static_assert(sizeof(struct nb_flow_set) == 448, "nb_flow_set");
_Static_assert(sizeof(struct nb_service_key) == 132, "nb_service_key");
_Static_assert(sizeof(struct nb_service_entry) == 92, "nb_service_entry");
_Static_assert(sizeof(struct nb_service_drop_key) == 24, "nb_service_drop_key");
_Static_assert(sizeof(struct nb_port) == 24, "nb_port");
_Static_assert(__builtin_offsetof(struct nb_port, gen) == 4, "one word with ifindex");
_Static_assert(__builtin_offsetof(struct nb_port, flags) == 14, "one word with mac");
_Static_assert(sizeof(struct nb_endpoint) == 32, "nb_endpoint");
_Static_assert(sizeof(struct nb_device) == 48, "nb_device");
#endif

#endif
