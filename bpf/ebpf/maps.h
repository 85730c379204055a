/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_MAPS_H
#define NATBRIDGE_BPF_EBPF_MAPS_H

/*
 * The maps of mode ebpf: Services and connections. Sizes marked "set at load" come from struct
 * nb_limits.
 */

#include "bpf/lib/maps.h"

/*
 * The connections. All memory is allocated at load: the kernel's allocator for each connection
 * costs 5 % of the connect rate. Userspace maps both arrays into its memory
 * (lib/maps/conn_table.c); they lie on pages of their own, where no entry or set straddles a cache
 * line.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_DEFAULT_CONNECTIONS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_pair);
} connections SEC(".maps");

/* The index of connections by tuple: natbridge/conn_index.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_DEFAULT_CONNECTIONS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_conn_set);
} conn_index SEC(".maps");

/* What the entries of connections have carried: natbridge/conn_account.h. Userspace maps it, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2 * NB_DEFAULT_CONNECTIONS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_account);
} accounts SEC(".maps");

/*
 * The ports' ifindexes by ifindex % NB_OWN_PORTS: faster than links, which also has those that
 * found their element taken.
 */
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

/* The source ranges of service ports. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_SOURCE_RANGES);
	__type(key, struct nb_source_range);
	__type(value, __u32);
} source_ranges SEC(".maps");

/* Which numbers of service ports are taken. Userspace only. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NB_MAX_SERVICE_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} service_ids SEC(".maps");

/* Packets to Services that were dropped. A full map evicts what was not used for the longest time. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_SERVICE_DROPS);
	__type(key, struct nb_service_drop_key);
	__type(value, __u64);
} service_drops SEC(".maps");

/* ClientIP affinity. A full map evicts the least recently used one. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_AFFINITIES);
	__type(key, struct nb_affinity_key);
	__type(value, struct nb_affinity);
} affinities SEC(".maps");

/* What the node sent to pods as if from a NodePort: host_request.h. The key is the answer's tuple. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_HOST_REQUESTS);
	__type(key, struct nb_tuple);
	__type(value, __u64);
} host_requests SEC(".maps");

/* Which frontends a Service owns. Userspace only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_DEFAULT_FRONTENDS); /* set at load */
	__type(key, struct nb_service_key);
	__type(value, struct nb_service_entry);
} services SEC(".maps");

/*
 * Programs of the other side, for packets that pass by the host's IP stack. Of a network, element 0: the
 * node's nb_pod_out. Of the node's table: nb_enter_pod of each network, see struct nb_device.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, NB_MAX_PAST_HOST);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} past_host SEC(".maps");

/* For each CPU, since the stack, 512 bytes for all callers, is too small. */

/* A new connection before it is in the table: its two entries. */
struct nb_scratch {
	struct nb_entry client;
	struct nb_entry backend;
	__u32 rival; /* with NB_AGAIN: 1 + entry_id that another CPU enters for the packet; 0: not known */
	__u32 pad;
	struct nb_backend chosen; /* for nb_plan_backend() */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_scratch);
} scratch SEC(".maps");

/* What was looked up last: keys, and copies of the values (service.h, affinity.h). */
struct nb_looked_up {
	struct nb_frontend_key frontend_key;
	__u32 pad;
	struct nb_frontend frontend;
	struct nb_affinity_key affinity_key;
	__u32 pad2;
	struct nb_affinity affinity;
	__u32 pad3;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_looked_up);
} looked_up SEC(".maps");

static __always_inline struct nb_looked_up *nb_looked_up(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&looked_up, &zero);
}

static __always_inline struct nb_scratch *nb_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

#endif
