/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_LAYOUT_H
#define NATBRIDGE_LIB_MAPS_LAYOUT_H

/*
 * What the datapath of a network consists of: its maps and programs, one row each. All code that loads, pins,
 * opens, migrates or attaches them reads these rows. A row with a missing column does not compile. Keys and
 * values: natbridge/abi.h.
 */

#include <stdbool.h>

#include <linux/types.h>

enum nb_mode {
	NB_MODE_OFF,    /* a plain bridge: no datapath */
	NB_MODE_EBPF,   /* natbridge translates */
	NB_MODE_ASSIST, /* the host translates, natbridge gives it the packets */
	NB_MODE_NODE, /* of the node's own table alone: what the node sends, and what comes in by its devices
		       */
	NB_MODES,
};

/* The name of the node's own table among those of networks, which no network can have. */
#define NB_NODE_NETWORK "@node"

/* The modes whose programs use a map. */
enum nb_map_modes {
	NB_IN_NONE, /* only older map layouts have it */
	NB_IN_EBPF = 1 << NB_MODE_EBPF,
	NB_IN_ASSIST = 1 << NB_MODE_ASSIST,
	NB_IN_NODE = 1 << NB_MODE_NODE,
	NB_IN_TABLES = NB_IN_EBPF | NB_IN_NODE, /* those with Services and connections */
	NB_IN_ALL = NB_IN_EBPF | NB_IN_ASSIST | NB_IN_NODE,
	NB_IN_HANDOVER = 1 << NB_MODES, /* only while the network changes over from another map layout */
	/*
	 * A flag: the map was added to a layout that had been in use. A datapath that another build of this
	 * layout has made may lack it, until its programs are renewed; who uses the map goes on without.
	 */
	NB_IN_LATER = 1 << (NB_MODES + 1),
	NB_IN_TABLES_LATER = NB_IN_TABLES | NB_IN_LATER,
	NB_IN_NODE_LATER = NB_IN_NODE | NB_IN_LATER,
	NB_IN_ALL_LATER = NB_IN_ALL | NB_IN_LATER,
};

/* What sets the number of a map's elements, which is fixed when the map is loaded. */
enum nb_map_size {
	NB_SIZE_FIXED, /* the eBPF object */
	NB_SIZE_CONNECTIONS,
	NB_SIZE_ACCOUNTS, /* two for each connection */
	NB_SIZE_FRONTENDS,
	NB_SIZE_BACKENDS,
	NB_SIZE_FLOWS, /* sets of NB_FLOW_WAYS flows */
};

/* What becomes of a map's content when a network changes to another map layout. */
enum nb_map_migration {
	NB_MIGRATE_NOT,         /* starts empty: counters, and what is valid for seconds only */
	NB_MIGRATE_IF_POSSIBLE, /* starts empty if it cannot be converted: the programs learn it again */
	NB_MIGRATE_ALL,         /* if it cannot be converted, the network stays on the old layout */
	NB_MIGRATE_SERVICES,    /* as ALL, without the ledger: the next change counts it again */
	NB_MIGRATE_FLOWS, /* as IF_POSSIBLE, without what is being written (lib/datapath/migrate_flows.h) */
	NB_MIGRATE_CONNS, /* connection by connection (lib/datapath/migrate_conns.h) */
};

/*
 * ROW(NB_MAP_ constant, name of the pin, name in the eBPF object, modes, size, migration). The name of a pin
 * is part of the on-disk format. The comment above a row says key -> value.
 */
#define NB_MAP_TABLE(ROW)                                                                                    \
	/* __u32 pair_id -> struct nb_pair; see conn_table.h */                                              \
	ROW(CONNECTIONS, "connections", "connections", NB_IN_TABLES, NB_SIZE_CONNECTIONS, NB_MIGRATE_CONNS)  \
	/* __u32 set -> struct nb_conn_set: two tuples a set, which has seven ways */                        \
	ROW(CONN_INDEX, "conn_index", "conn_index", NB_IN_TABLES, NB_SIZE_CONNECTIONS, NB_MIGRATE_CONNS)     \
	/* __u32, see natbridge/conn_account.h -> struct nb_account */                                       \
	ROW(ACCOUNTS, "accounts", "accounts", NB_IN_TABLES_LATER, NB_SIZE_ACCOUNTS, NB_MIGRATE_NOT)          \
	/* struct nb_frontend_key -> struct nb_frontend */                                                   \
	ROW(FRONTENDS, "frontends", "frontends", NB_IN_TABLES, NB_SIZE_FRONTENDS, NB_MIGRATE_ALL)            \
	/* struct nb_backend_key -> struct nb_backend */                                                     \
	ROW(BACKENDS, "backends", "backends", NB_IN_TABLES, NB_SIZE_BACKENDS, NB_MIGRATE_ALL)                \
	/* struct nb_source_range -> __u32, 4 or 6 */                                                        \
	ROW(SOURCE_RANGES, "source_ranges", "source_ranges", NB_IN_TABLES, NB_SIZE_FIXED, NB_MIGRATE_ALL)    \
	/* __u32 service -> __u32, bit 0: taken; userspace only */                                           \
	ROW(SERVICE_IDS, "service_ids", "service_ids", NB_IN_TABLES, NB_SIZE_FIXED, NB_MIGRATE_ALL)          \
	/* struct nb_affinity_key -> struct nb_affinity */                                                   \
	ROW(AFFINITIES, "affinities", "affinities", NB_IN_TABLES, NB_SIZE_FIXED, NB_MIGRATE_IF_POSSIBLE)     \
	/* struct nb_fragment_key -> struct nb_fragment */                                                   \
	ROW(FRAGMENTS, "fragments", "fragments", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_NOT)                   \
	/* struct nb_tuple -> __u64; see bpf/ebpf/host_request.h */                                          \
	ROW(HOST_REQUESTS, "host_requests", "host_requests", NB_IN_TABLES, NB_SIZE_FIXED, NB_MIGRATE_NOT)    \
	/* struct nb_service_key -> struct nb_service_entry; userspace only */                               \
	ROW(SERVICES, "services", "services", NB_IN_TABLES, NB_SIZE_FRONTENDS, NB_MIGRATE_SERVICES)          \
	/* struct nb_service_drop_key -> __u64 */                                                            \
	ROW(SERVICE_DROPS, "service_drops", "service_drops", NB_IN_TABLES_LATER, NB_SIZE_FIXED,              \
	    NB_MIGRATE_NOT)                                                                                  \
	/* struct nb_addr -> struct nb_endpoint */                                                           \
	ROW(ENDPOINTS, "endpoints", "endpoints", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_ALL)                   \
	/* __u32 port_slot -> struct nb_port */                                                              \
	ROW(PORTS, "ports", "ports", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_ALL)                               \
	/* __u32 ifindex -> __u32 port_slot */                                                               \
	ROW(LINKS, "links", "links", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_ALL)                               \
	/* __u32 ifindex % NB_OWN_PORTS -> __u32 ifindex of a port, 0: none */                               \
	ROW(OWN_PORTS, "own_ports", "own_ports", NB_IN_TABLES, NB_SIZE_FIXED, NB_MIGRATE_IF_POSSIBLE)        \
	/* __u32 ifindex -> struct nb_device */                                                              \
	ROW(DEVICES, "devices", "devices", NB_IN_NODE, NB_SIZE_FIXED, NB_MIGRATE_ALL)                        \
	/* __u32 -> map "endpoints" of a network */                                                          \
	ROW(PODS, "pods", "pods", NB_IN_NODE_LATER, NB_SIZE_FIXED, NB_MIGRATE_NOT)                           \
	/* __u32 -> program of the other side; see bpf/ebpf/maps.h */                                        \
	ROW(PAST_HOST, "past_host", "past_host", NB_IN_TABLES, NB_SIZE_FIXED, NB_MIGRATE_NOT)                \
	/* enum nb_counter -> __u64, per CPU */                                                              \
	ROW(COUNTERS, "counters", "counters", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_NOT)                      \
	/* __u32 -> ring buffer of one who listens; see natbridge/event.h */                                 \
	ROW(LISTENERS, "listeners", "listeners", NB_IN_ALL_LATER, NB_SIZE_FIXED, NB_MIGRATE_NOT)             \
	/* __u32 0 -> struct nb_settings */                                                                  \
	ROW(SETTINGS, "settings", ".data.settings", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_ALL)                \
	/* __u32 0 -> struct nb_runtime */                                                                   \
	ROW(RUNTIME, "runtime", ".data.runtime", NB_IN_ALL, NB_SIZE_FIXED, NB_MIGRATE_ALL)                   \
	/* __u32 hash -> struct nb_flow_set */                                                               \
	ROW(FLOWS, "flows", "flows", NB_IN_ASSIST, NB_SIZE_FLOWS, NB_MIGRATE_FLOWS)                          \
	/* __u32 hash -> struct nb_frontend_key: what the host translated lately */                          \
	ROW(FRONTENDS_SEEN, "frontends_seen", "frontends_seen", NB_IN_ASSIST, NB_SIZE_FIXED, NB_MIGRATE_NOT) \
	/* up to layout 5: struct nb_tuple -> struct nb_conn, two for each connection */                     \
	ROW(CONNTRACK, "conntrack", "conntrack", NB_IN_NONE, NB_SIZE_FIXED, NB_MIGRATE_CONNS)                \
	/* enum nb_handover_prog -> program */                                                               \
	ROW(HANDOVER_PROGS, "handover_progs", "handover_progs", NB_IN_HANDOVER, NB_SIZE_FIXED,               \
	    NB_MIGRATE_NOT)                                                                                  \
	/* struct nb_handover_client -> __u32 round */                                                       \
	ROW(HANDOVER_CLIENTS, "handover_clients", "handover_clients", NB_IN_HANDOVER, NB_SIZE_FIXED,         \
	    NB_MIGRATE_NOT)                                                                                  \
	/* __u32 0 -> struct nb_handover; pinned last */                                                     \
	ROW(HANDOVER, "handover", ".data.handover", NB_IN_HANDOVER, NB_SIZE_FIXED, NB_MIGRATE_NOT)

/* Where a program is attached. */
enum nb_hook {
	NB_HOOK_NONE,       /* nowhere */
	NB_HOOK_PORT_IN,    /* ingress of each pod's host-side veth: what the pod sends */
	NB_HOOK_PORT_OUT,   /* its egress: what the bridge forwards to the pod */
	NB_HOOK_BRIDGE_OUT, /* egress of the bridge, which networks share: what the host sends to pods */
	NB_HOOK_NB0_OUT,    /* egress of nb0: what the node sends to Services */
	NB_HOOK_DEVICE_IN,  /* ingress of each device of the node */
	NB_HOOK_DEVICE_OUT, /* its egress, if clients outside may reach Services */
	NB_HOOKS,
};

/* ROW(NB_PROG_ constant, name, mode, hook): function, program and pin bear the same name. */
#define NB_PROG_TABLE(ROW)                                                                                   \
	ROW(FROM_POD, "nb_from_pod", NB_MODE_EBPF, NB_HOOK_PORT_IN)                                          \
	ROW(TO_POD, "nb_to_pod", NB_MODE_EBPF, NB_HOOK_PORT_OUT)                                             \
	ROW(ENTER_POD, "nb_enter_pod", NB_MODE_EBPF, NB_HOOK_NONE) /* see bpf/ebpf/enter_pod.h */            \
	ROW(CLOCK, "nb_clock", NB_MODE_EBPF, NB_HOOK_NONE)         /* see nb_tick_now() */                   \
	ROW(ASSIST_FROM, "nb_assist_from", NB_MODE_ASSIST, NB_HOOK_PORT_IN)                                  \
	ROW(ASSIST_HOST, "nb_assist_host", NB_MODE_ASSIST, NB_HOOK_BRIDGE_OUT)                               \
	ROW(NB0_OUT, "nb_nb0_out", NB_MODE_NODE, NB_HOOK_NB0_OUT)                                            \
	ROW(DEVICE_IN, "nb_device_in", NB_MODE_NODE, NB_HOOK_DEVICE_IN)                                      \
	ROW(DEVICE_OUT, "nb_device_out", NB_MODE_NODE, NB_HOOK_DEVICE_OUT)                                   \
	ROW(POD_OUT, "nb_pod_out", NB_MODE_NODE, NB_HOOK_NONE)       /* see bpf/node/past_host.h */          \
	ROW(NODE_CLOCK, "nb_node_clock", NB_MODE_NODE, NB_HOOK_NONE) /* see nb_tick_now() */

#define NB_MAP_CONSTANT(id, name, in_object, modes, size, migration) NB_MAP_##id,
enum nb_map { NB_MAP_TABLE(NB_MAP_CONSTANT) NB_MAPS };
#undef NB_MAP_CONSTANT

#define NB_PROG_CONSTANT(id, name, mode, hook) NB_PROG_##id,
enum nb_prog { NB_PROG_TABLE(NB_PROG_CONSTANT) NB_PROGS };
#undef NB_PROG_CONSTANT

struct nb_map_row {
	const char *name;      /* of the pin */
	const char *in_object; /* its name in the eBPF object */
	enum nb_map_modes modes;
	enum nb_map_size size;
	enum nb_map_migration migration;
};

struct nb_prog_row {
	const char *name;
	enum nb_mode mode;
	enum nb_hook hook;
};

extern const struct nb_map_row nb_map_rows[NB_MAPS];
extern const struct nb_prog_row nb_prog_rows[NB_PROGS];

/* Name of a mode as the network config writes it ("assist"). */
const char *nb_mode_name(enum nb_mode mode);

/* Name of the pin of a map ("connections") or of a program ("nb_from_pod"). */
const char *nb_map_name(enum nb_map map);
const char *nb_prog_name(enum nb_prog prog);

/* Whether the programs of a mode use the map; whether the program belongs to the mode. */
bool nb_mode_has_map(enum nb_mode mode, enum nb_map map);
bool nb_mode_has_prog(enum nb_mode mode, enum nb_prog prog);

/* The program that a mode attaches at a hook; NB_PROGS: none. */
enum nb_prog nb_prog_at(enum nb_mode mode, enum nb_hook hook);

/* FNV-1a of a network's name: the number in its programs' constants that says whose they are. */
__u32 nb_network_hash(const char *network);

enum { NB_PIN_PATH_MAX = 512 }; /* bytes of the path of a directory with pins, and its NUL */

/* An open datapath: descriptors of one network's maps and programs, which lib/datapath opens. */
struct nb_datapath {
	char dir[NB_PIN_PATH_MAX]; /* where its pins are */
	int lock_fd;               /* flock on <bpffs>/natbridge, -1: not taken; see nb_datapath_open() */
	int map_fd[NB_MAPS];       /* -1: the network never had a mode that uses the map */
	int prog_fd[NB_PROGS];     /* the same */
	int watch_fd; /* link of the program that notices qdiscs (bpf/qdisc.bpf.c); -1: not loaded */
};

/* The value of a struct nb_datapath that is not open. */
#define NB_DATAPATH_INIT                                                                                     \
	{                                                                                                    \
		.lock_fd = -1, .map_fd = { [0 ... NB_MAPS - 1] = -1 },                                       \
		.prog_fd = { [0 ... NB_PROGS - 1] = -1 }, .watch_fd = -1                                     \
	}

/* Closes all descriptors; fine on NB_DATAPATH_INIT and on a closed *dp. For nb_cleanup(). */
void nb_datapath_close(struct nb_datapath *dp);

/* Whether an open datapath has the programs of a mode, and its maps but for those of NB_IN_LATER. */
bool nb_datapath_has(const struct nb_datapath *dp, enum nb_mode mode);

/* Whether it has any program of a mode. */
bool nb_datapath_has_progs(const struct nb_datapath *dp, enum nb_mode mode);

#endif
