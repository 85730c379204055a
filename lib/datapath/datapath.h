/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_DATAPATH_H
#define NATBRIDGE_LIB_DATAPATH_DATAPATH_H

/*
 * The datapath of one network: eBPF programs and their maps, pinned in
 * <bpffs>/natbridge/<network>/v<NB_ABI_VERSION>/. The first ADD loads and pins it, later callers open the
 * pins. It is opened by path alone: nothing here loads or verifies a program except nb_datapath_ensure().
 *
 * Each mode has programs of its own: ebpf two on every port, assist one on every port and one on the bridge;
 * and maps that only it needs. A network that has changed its mode has those of both.
 */

#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

enum nb_mode {
	NB_MODE_OFF,    /* a plain bridge: no datapath */
	NB_MODE_EBPF,   /* natbridge translates */
	NB_MODE_ASSIST, /* the host translates, natbridge sees to it that it gets the packets */
	NB_MODES,
};

enum nb_map {
	NB_MAP_CONNECTIONS,    /* __u32 place -> struct nb_pair; see conn_table.h */
	NB_MAP_CONN_INDEX,     /* __u32 -> struct nb_conn_set */
	NB_MAP_FRONTENDS,      /* struct nb_frontend_key -> struct nb_frontend */
	NB_MAP_BACKENDS,       /* struct nb_backend_key -> struct nb_backend */
	NB_MAP_SERVICE_IDS,    /* __u32 service -> __u32, bit 0: taken; userspace only */
	NB_MAP_AFFINITIES,     /* struct nb_affinity_key -> struct nb_affinity */
	NB_MAP_FRAGMENTS,      /* struct nb_fragment_key -> struct nb_fragment */
	NB_MAP_SERVICES,       /* struct nb_service_key -> struct nb_service_entry; userspace only */
	NB_MAP_ENDPOINTS,      /* struct nb_addr -> struct nb_endpoint */
	NB_MAP_PORTS,          /* __u32 slot -> struct nb_port */
	NB_MAP_LINKS,          /* __u32 ifindex -> __u32 slot */
	NB_MAP_COUNTERS,       /* enum nb_counter -> __u64, per CPU */
	NB_MAP_SETTINGS,       /* __u32 0 -> struct nb_settings */
	NB_MAP_RUNTIME,        /* __u32 0 -> struct nb_runtime */
	NB_MAP_FLOWS,          /* __u32 hash -> struct nb_flow_set */
	NB_MAP_OWN_PORTS,      /* __u32 ifindex % NB_OWN_PORTS -> __u32 ifindex of a port, 0: none */
	NB_MAP_FRONTENDS_SEEN, /* __u32 -> struct nb_frontend_key: what the host has translated lately */
	NB_MAP_CONNTRACK, /* up to layout 5: struct nb_tuple -> struct nb_conn, two for each connection */
	NB_MAPS,
};

enum nb_prog {
	NB_PROG_FROM_POD,
	NB_PROG_TO_POD,
	NB_PROG_CLOCK, /* attached nowhere: see nb_tick_now() */
	NB_PROG_ASSIST_FROM,
	NB_PROG_ASSIST_HOST,
	NB_PROGS,
};

struct nb_datapath {
	char dir[512];         /* of its pins */
	int lock_fd;           /* flock on <bpffs>/natbridge; see nb_datapath_ensure() */
	int map_fd[NB_MAPS];   /* -1: of a mode that the network never had */
	int prog_fd[NB_PROGS]; /* the same */
	int watch_fd;          /* link that notices qdiscs of ports (bpf/qdisc.bpf.c); -1: the kernel does not
				  take it */
};

/* Sizes of the maps, fixed when a datapath is loaded. */
struct nb_limits {
	__u32 connections; /* 1024 .. 2^23; in mode assist the direct ones that are remembered */
	__u32 frontends;   /* frontends and backends' own addresses together */
	__u32 backends;
};

struct nb_datapath_config {
	const char *bpffs;       /* NULL: NATBRIDGE_BPFFS, or /sys/fs/bpf */
	const char *network;     /* checked by the caller (CNI name pattern) */
	enum nb_mode mode;       /* not NB_MODE_OFF */
	struct nb_limits limits; /* 0: the default */
};

/*
 * Opens the datapath of config->network with what config->mode needs, loading and pinning first what is not
 * there; bpffs is mounted at its root if it is not. Takes the lock of the bpffs root and keeps it until
 * nb_datapath_close(): whoever holds it may change services, ports and endpoints. Settings of a new datapath
 * are the defaults.
 */
int nb_datapath_ensure(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

/*
 * Whether nb_datapath_ensure() may go about it: 0 if the network has the programs of the mode or the kernel
 * has what they need; else NB_ERR_NOT_AVAILABLE, and *err says what it lacks and what to do. Writes nothing.
 */
int nb_datapath_possible(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err);

/*
 * Opens an existing datapath. -ENOENT (and *err) if nothing is pinned, -ESTALE if only another map layout is.
 * With lock the lock is taken as above; else reading only: lock_fd stays -1.
 */
int nb_datapath_open(const char *bpffs, const char *network, bool lock, struct nb_datapath *dp,
		     struct nb_error *err);

/* Whether an open datapath has the programs and maps of a mode. */
bool nb_datapath_has(const struct nb_datapath *dp, enum nb_mode mode);

/* Closes what is open; a zeroed or closed *dp is fine. For nb_cleanup(). */
void nb_datapath_close(struct nb_datapath *dp);

/* What a struct nb_datapath must hold before it is opened. */
#define NB_DATAPATH_INIT                                                                                     \
	{                                                                                                    \
		.lock_fd = -1, .map_fd = { [0 ... NB_MAPS - 1] = -1 },                                       \
		.prog_fd = { [0 ... NB_PROGS - 1] = -1 }, .watch_fd = -1                                     \
	}

/* Calls fn for each network that has pins below bpffs, in no order, until fn returns not 0; returns that. */
int nb_datapath_each(const char *bpffs, int (*fn)(const char *network, void *arg), void *arg,
		     struct nb_error *err);

/* Takes the lock that nb_datapath_open() takes, without a datapath. No directory for it: *lock_fd stays. */
int nb_datapath_lock(const char *bpffs, int *lock_fd, struct nb_error *err);

/* Removes the pins that a killed nb_datapath_ensure() left unfinished. None there: 0. */
int nb_datapath_clear(const char *bpffs, const char *network, struct nb_error *err);

/*
 * Removes all pins of the network, of every version. Attached programs go on until their port is gone. No
 * pins: 0.
 */
int nb_datapath_unpin(const char *bpffs, const char *network, struct nb_error *err);

/* Removes <bpffs>/natbridge if it holds no network any more. *removed: it was there and empty. */
int nb_datapath_unpin_root(const char *bpffs, bool *removed, struct nb_error *err);

/* Whether nb_datapath_ensure() can work: the kernel lets us load programs and has what the mode needs, the
 * bpffs root is usable, and so are the pins that the network has. Writes nothing (STATUS). */
int nb_datapath_probe(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err);

/*
 * Brings the host-side veth of a pod to a mode: attaches its programs, by tcx where the kernel has it, else
 * by clsact. Idempotent; programs of ours that are there, of the other mode or an older version, are replaced
 * in one step or go. The attachment lives and dies with the link. ifindex in the caller's network namespace.
 */
int nb_datapath_attach(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
		       struct nb_error *err);

/* Detaches our programs, whatever their mode, from the link; not attached: 0. Others' programs are left
 * alone. */
int nb_datapath_detach(unsigned int ifindex, struct nb_error *err);

/* 0 if the link has the programs of that mode of *dp, and no other of ours; else NB_ERR_CHECK and *err says
 * which is missing. */
int nb_datapath_attached(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
			 struct nb_error *err);

/* 0 if none of our programs is attached to the link; else NB_ERR_CHECK. */
int nb_datapath_detached(unsigned int ifindex, struct nb_error *err);

/*
 * The same for the bridge, where a network in mode assist has a program, beside those of other networks. A
 * mode without one: nothing to do. It stays until it is detached or the bridge goes.
 */
int nb_datapath_attach_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
			      unsigned int ifindex, struct nb_error *err);
int nb_datapath_detach_bridge(const char *network, unsigned int ifindex, struct nb_error *err);
int nb_datapath_attached_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
				unsigned int ifindex, struct nb_error *err);

/* Whether this process may use eBPF at all: else NB_ERR_PRIVILEGE, as in a user namespace, or under seccomp.
 */
int nb_ebpf_usable(struct nb_error *err);

/*
 * Whether the network can have nothing of eBPF: this process may not use it, so no ADD of its kind could, and
 * no pins of the network are to be seen. Then there is nothing to remove either.
 */
bool nb_datapath_impossible(const char *bpffs, const char *network);

/* Name of a mode as in the network config ("assist"). */
const char *nb_mode_name(enum nb_mode mode);

/* Name of a map's pin ("conntrack"), and of a program's ("nb_from_pod"). */
const char *nb_map_name(enum nb_map map);
const char *nb_prog_name(enum nb_prog prog);

#endif
