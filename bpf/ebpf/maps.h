/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_MAPS_H
#define NATBRIDGE_BPF_EBPF_MAPS_H

/* The maps of the ebpf datapath: Services and connections. Sizes marked "set at load" come from struct
 * nb_limits. */

#include "bpf/lib/maps.h"

/*
 * The connections. All memory is there from the start: taking it from the kernel's allocator for each
 * connection costs 5 % of the connect rate. Userspace maps both into its memory (lib/maps/conn_table.c), and
 * on pages of their own entries and sets do not straddle cache lines.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_DEFAULT_CONNECTIONS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_pair);
} connections SEC(".maps");

/* Finds them by their tuples. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_DEFAULT_CONNECTIONS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_conn_set);
} conn_index SEC(".maps");

/* The ports' ifindexes once more, found faster: of two with one place only one is here, the other is in
 * links. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NB_OWN_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} own_ports SEC(".maps");

/* What a destination is known as: a frontend, a backend, or both. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_DEFAULT_FRONTENDS); /* set at load */
	__type(key, struct nb_frontend_key);
	__type(value, struct nb_frontend);
} frontends SEC(".maps");

/* The members of all backend sets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_DEFAULT_BACKENDS); /* set at load */
	__type(key, struct nb_backend_key);
	__type(value, struct nb_backend);
} backends SEC(".maps");

/* Numbers of service ports that are taken, for userspace only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NB_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u32);
} service_ids SEC(".maps");

/* ClientIP affinity. What was not used for the longest time gives way when the map is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_AFFINITIES);
	__type(key, struct nb_affinity_key);
	__type(value, struct nb_affinity);
} affinities SEC(".maps");

/* Names of the frontends, for userspace only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_DEFAULT_FRONTENDS); /* set at load */
	__type(key, struct nb_service_key);
	__type(value, struct nb_service_entry);
} services SEC(".maps");

/* Where a connection is put together: too large for the stack, which is 512 bytes for all callers. */
struct nb_scratch {
	struct nb_tuple key; /* of fwd */
	struct nb_conn fwd;
	struct nb_conn rev;
	struct nb_tuple rev_key;
	__u32 slot; /* of the connection that another CPU has made, its client's entry */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_scratch);
} scratch SEC(".maps");

#endif
