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

enum { NB_SEAL_TRIES = 4 }; /* how often a value is read, should others write it each time: seal.h */

/* Fragmented datagrams whose first fragment has passed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NB_FRAGMENTS);
	__type(key, struct nb_fragment_key);
	__type(value, struct nb_fragment);
} fragments SEC(".maps");

/* The addresses of this network's pods. */
struct nb_endpoints {
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

/* What tells a use of a port slot from others: see struct nb_port. */
union nb_port_id {
	__u64 word;
	struct {
		__u32 ifindex;
		__u32 gen; /* with NB_GEN_CUT */
	};
};

static __always_inline union nb_port_id nb_port_id(const struct nb_port *port)
{
	return (union nb_port_id){ .word = READ_ONCE(*(const __u64 *)&port->ifindex) };
}

/*
 * NULL: no pod's port. *port_slot is set otherwise. The element of links[] may be another link's by
 * now (natbridge/seal.h), hence the comparison. A port that a packet comes from stays the same while
 * the packet is handled: DEL removes the link before it frees the slot, and to remove a link the
 * kernel waits until no program runs there.
 */
static __always_inline struct nb_port *nb_port_of_ifindex(__u32 ifindex, __u32 *port_slot)
{
	__u32 *found = bpf_map_lookup_elem(&links, &ifindex);
	struct nb_port *port;

	if (!found)
		return NULL;
	*port_slot = READ_ONCE(*found);
	port = nb_port_at(*port_slot);
	return port && READ_ONCE(port->ifindex) == ifindex ? port : NULL;
}

#endif
