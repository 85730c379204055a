/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_MAPS_H
#define NATBRIDGE_BPF_LIB_MAPS_H

/*
 * The maps and global data of a network that modes ebpf and assist share. The maps of mode ebpf
 * alone are in bpf/ebpf/maps.h; those of mode assist are in flow.h, vip_cache.h and
 * direct_cache.h. lib/maps/layout.h lists all that are pinned.
 */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <natbridge/abi.h>

#include "once.h"

/* Fragmented datagrams whose first fragment has passed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_FRAGMENTS);
	__type(key, struct nb_fragment_key);
	__type(value, struct nb_fragment);
} fragments SEC(".maps");

/* The addresses of this network's pods. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32 * NB_MAX_PORTS);
	__type(key, struct nb_addr);
	__type(value, struct nb_endpoint);
} endpoints SEC(".maps");

/* The pods' ports by port slot. Slot NB_SLOT_HOST stands for the host's IP stack, never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_MAX_PORTS);
	__type(key, __u32);
	__type(value, struct nb_port);
} ports SEC(".maps");

/* ifindex of a host-side veth -> port slot */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_MAX_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} links SEC(".maps");

/* Drops by reason, and other events. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NB_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Written by userspace while the programs run. */
volatile struct nb_settings nb_settings SEC(".data.settings");

/* Written by the programs. */
struct nb_runtime nb_runtime SEC(".data.runtime");

/* Written by userspace before the programs are loaded. */
const volatile struct nb_constants nb_constants SEC(".rodata.constants");

static __always_inline struct nb_port *nb_port_at(__u32 port_slot)
{
	return bpf_map_lookup_elem(&ports, &port_slot);
}

/* NULL: no pod's port. *port_slot is set otherwise. */
static __always_inline struct nb_port *nb_port_of_ifindex(__u32 ifindex, __u32 *port_slot)
{
	__u32 *found = bpf_map_lookup_elem(&links, &ifindex);

	if (!found)
		return NULL;
	*port_slot = *found;
	return nb_port_at(*found);
}

#endif
