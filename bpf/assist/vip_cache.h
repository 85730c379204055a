/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_VIP_CACHE_H
#define NATBRIDGE_BPF_ASSIST_VIP_CACHE_H

/* Mode assist: frontends of the host that connections were translated for, as the kernel's conntrack told. */

#include "bpf/lib/pkt.h"

enum { NB_SEEN_BITS = 10 };

/* Each in the place that it hashes to, where it may have to give way to another: what is not here any more
 * only takes a longer way. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << NB_SEEN_BITS);
	__type(key, __u32);
	__type(value, struct nb_frontend_key);
} frontends_seen SEC(".maps");

static __always_inline struct nb_frontend_key *nb_vip_cache_at(const struct nb_frontend_key *key)
{
	__u32 hash = key->addr.w[0] ^ key->addr.w[1] ^ key->addr.w[2] ^ key->addr.w[3];
	__u32 index = ((hash ^ key->port ^ key->proto) * 0x9e3779b1U) >> (32 - NB_SEEN_BITS);

	return bpf_map_lookup_elem(&frontends_seen, &index);
}

static __always_inline bool nb_is_place_of(const struct nb_frontend_key *place,
					   const struct nb_frontend_key *key)
{
	return place->port == key->port && place->proto == key->proto &&
	       nb_addr_same(&place->addr, &key->addr);
}

static __always_inline void nb_vip_cache_note(const struct nb_frontend_key *key)
{
	struct nb_frontend_key *place = nb_vip_cache_at(key);

	if (place && !nb_is_place_of(place, key))
		*place = *key;
}

static __always_inline bool nb_vip_cache_has(const struct nb_tuple *tuple)
{
	struct nb_frontend_key key = { .addr = tuple->dst, .port = tuple->dport, .proto = tuple->proto };
	struct nb_frontend_key *place = nb_vip_cache_at(&key);

	return place && nb_is_place_of(place, &key);
}

#endif
