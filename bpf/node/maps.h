/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_NODE_MAPS_H
#define NATBRIDGE_BPF_NODE_MAPS_H

/* The maps of the node's own table, beside those that it has in common with mode ebpf. */

#include <natbridge/seal.h>
#include <stdbool.h>

#include "bpf/ebpf/maps.h"

/* The devices of the node that have programs, and nb0. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, NB_MAX_DEVICES);
	__type(key, __u32);
	__type(value, struct nb_device);
} devices SEC(".maps");

/* The maps "endpoints" of the networks of this node. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, NB_MAX_NETWORKS);
	__uint(key_size, sizeof(__u32));
	__array(values, struct nb_endpoints);
} pods SEC(".maps");

_Static_assert(sizeof(struct nb_device) % 8 == 0, "copied in words");

/* Copies what userspace has written about a device. False: it has no program. */
static __always_inline bool nb_device_read(__u32 ifindex, struct nb_device *copy)
{
	for (int i = 0; i < NB_SEAL_TRIES; i++) {
		struct nb_device *found = bpf_map_lookup_elem(&devices, &ifindex);

		if (!found)
			return false;
		nb_copy_words(copy, found, sizeof(*copy) / 8);
		if (copy->seal == nb_device_seal(ifindex, copy))
			return true;
	}
	return false;
}

/* Not by an index: the verifier does not follow one into the stack. */
static __always_inline struct nb_addr nb_device_addr(const struct nb_device *device, bool is_v4)
{
	return is_v4 ? device->addrs[1] : device->addrs[0];
}

#endif
