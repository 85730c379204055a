/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_FRAGMENT_H
#define NATBRIDGE_BPF_LIB_FRAGMENT_H

/*
 * Fragments. Only the first one has the ports: they are noted under the datagram's id, so that the
 * later ones take the same path.
 */

#include "pkt.h"

enum { NB_FRAGMENT_SECONDS = 30 }; /* as net.ipv4.ipfrag_time */

static __always_inline void nb_fragment_key(const struct nb_pkt *pkt, struct nb_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->src = pkt->tuple.src;
	key->dst = pkt->tuple.dst;
	key->id = pkt->frag_id;
	key->ifindex = pkt->ifindex;
	key->proto = pkt->is_v4 ? pkt->tuple.proto : 0;
}

/* Notes the ports of a first fragment. */
__noinline int nb_fragment_note(const struct nb_pkt *pkt)
{
	struct nb_fragment_key key;
	struct nb_fragment value = {};

	if (!pkt)
		return 0;
	nb_fragment_key(pkt, &key);
	value.sport = pkt->tuple.sport;
	value.dport = pkt->tuple.dport;
	value.proto = pkt->tuple.proto;
	value.expires = pkt->now + NB_FRAGMENT_SECONDS * nb_constants.second;
	bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
	return 0;
}

/* Gives a later fragment the ports of the first one. False: they are not known. */
static __always_inline bool nb_fragment_find(struct nb_pkt *pkt)
{
	struct nb_fragment_key key;
	struct nb_fragment *first;

	nb_fragment_key(pkt, &key);
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first || (__s32)(first->expires - pkt->now) <= 0)
		return false;
	pkt->tuple.sport = first->sport;
	pkt->tuple.dport = first->dport;
	pkt->tuple.proto = first->proto;
	return true;
}

#endif
