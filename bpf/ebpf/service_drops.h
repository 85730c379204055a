/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_SERVICE_DROPS_H
#define NATBRIDGE_BPF_EBPF_SERVICE_DROPS_H

/*
 * Drops by Service: a packet that is dropped counts under the frontend that it was sent to, or under the
 * address alone, of whose ports no Service has this one. What is for neither counts in counters alone.
 */

#include "service.h"

/* The frontend that a packet was sent to, as a key. False: none. */
static __always_inline bool nb_drop_frontend(const struct nb_tuple *tuple, struct nb_frontend_key *key)
{
	struct nb_frontend *found;

	key->addr = tuple->dst;
	key->port = tuple->dport;
	key->proto = tuple->proto;
	key->side = tuple->side & NB_SIDE_OUTSIDE; /* as nb_frontend_find() */
	found = bpf_map_lookup_elem(&frontends, key);
	if (found && found->flags & NB_FRONTEND_SERVICE)
		return true;
	key->port = 0;
	key->proto = 0;
	key->side = 0;
	return bpf_map_lookup_elem(&frontends, key);
}

/*
 * reason: enum nb_counter. An element may become another key's while it is counted
 * (doc/shared-values.md): then that one has a packet too many.
 */
__noinline int nb_service_drop(const struct nb_pkt *pkt, __u32 reason)
{
	struct nb_service_drop_key key = { .reason = reason };
	__u64 first = 1, *count;

	if (!pkt || !nb_drop_frontend(&pkt->tuple, &key.frontend))
		return 0;
	count = bpf_map_lookup_elem(&service_drops, &key);
	/* Another CPU may add it first. */
	if (!count && !bpf_map_update_elem(&service_drops, &key, &first, BPF_NOEXIST))
		return 0;
	if (!count)
		count = bpf_map_lookup_elem(&service_drops, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

#endif
