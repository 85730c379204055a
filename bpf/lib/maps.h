/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_MAPS_H
#define NATBRIDGE_BPF_LIB_MAPS_H

/* The maps of a network that both datapaths have, ebpf and assist, and the two kinds of global data. Those of
 * one alone stand in bpf/ebpf/maps.h, and in flow.h and vip_cache.h. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <natbridge/abi.h>

/* Fragmented datagrams under way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_FRAGMENTS);
	__type(key, struct nb_fragment_key);
	__type(value, struct nb_fragment);
} fragments SEC(".maps");

/* Addresses of the pods of this bridge. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32 * NB_MAX_PORTS);
	__type(key, struct nb_addr);
	__type(value, struct nb_endpoint);
} endpoints SEC(".maps");

/* Pods' ports by slot. Slot 0 stands for the host's stack and is never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct nb_port);
} ports SEC(".maps");

/* Slots of the ports by ifindex. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_MAX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} links SEC(".maps");

/* Drops by reason and other events. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NB_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Changed by userspace while the programs run. */
volatile struct nb_settings nb_settings SEC(".data.settings");

/* Changed by the programs. */
struct nb_runtime nb_runtime SEC(".data.runtime");

/* Fixed between open and load. */
const volatile struct nb_constants nb_constants SEC(".rodata.constants");

static __always_inline struct nb_port *nb_port_of_slot(__u32 slot)
{
	return bpf_map_lookup_elem(&ports, &slot);
}

#endif
