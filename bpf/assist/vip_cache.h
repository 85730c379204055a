/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_VIP_CACHE_H
#define NATBRIDGE_BPF_ASSIST_VIP_CACHE_H

/*
 * Mode assist: frontends of the host for which the kernel's conntrack has translated a connection.
 * Packets to one go past the bridge into the host; without the cache they take the longer way,
 * through the bridge.
 */

#include "bpf/lib/pkt.h"

enum { NB_VIP_CACHE_BITS = 10 };

/* By a hash of the key; a new frontend overwrites the old one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << NB_VIP_CACHE_BITS);
	__type(key, __u32);
	__type(value, struct nb_frontend_key);
} frontends_seen SEC(".maps");

static __always_inline struct nb_frontend_key *nb_vip_cache_at(const struct nb_frontend_key *key)
{
	__u32 hash = key->addr.w[0] ^ key->addr.w[1] ^ key->addr.w[2] ^ key->addr.w[3];
	__u32 index = ((hash ^ key->port ^ key->proto) * 0x9e3779b1U) >> (32 - NB_VIP_CACHE_BITS);

	return bpf_map_lookup_elem(&frontends_seen, &index);
}

static __always_inline bool nb_vip_cache_is(const struct nb_frontend_key *cached,
					    const struct nb_frontend_key *key)
{
	return cached->port == key->port && cached->proto == key->proto &&
	       nb_addr_same(&cached->addr, &key->addr);
}

/*
 * Another CPU may read half of a key, or a mixture of two. That is harmless: packets that are
 * looked up here are addressed to the bridge, and go to the host either way.
 */
static __always_inline void nb_vip_cache_note(const struct nb_frontend_key *key)
{
	struct nb_frontend_key *cached = nb_vip_cache_at(key);

	if (cached && !nb_vip_cache_is(cached, key))
		*cached = *key;
}

static __always_inline bool nb_vip_cache_has(const struct nb_tuple *tuple)
{
	struct nb_frontend_key key = { .addr = tuple->dst, .port = tuple->dport, .proto = tuple->proto };
	struct nb_frontend_key *cached = nb_vip_cache_at(&key);

	return cached && nb_vip_cache_is(cached, &key);
}

#endif
