/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_FRAGMENT_H
#define NATBRIDGE_BPF_LIB_FRAGMENT_H

/*
 * Fragments. Only the first one has the ports: they are noted under the datagram's id, so that the
 * later ones take the same path.
 */

#include <natbridge/seal.h>

#include "pkt.h"

enum { NB_FRAGMENT_SECONDS = 30 }; /* as net.ipv4.ipfrag_time */

/* Of a datagram. Aligned to 8, as seals want it. */
struct nb_fragment_id {
	struct nb_fragment_key key;
} __attribute__((aligned(8)));

static __always_inline void nb_fragment_key(const struct nb_pkt *pkt, struct nb_fragment_id *id)
{
	__builtin_memset(id, 0, sizeof(*id));
	id->key.src = pkt->tuple.src;
	id->key.dst = pkt->tuple.dst;
	id->key.id = pkt->frag_id;
	id->key.ifindex = pkt->ifindex;
	id->key.proto = pkt->is_v4 ? pkt->tuple.proto : 0;
}

/* Notes the ports of a first fragment. */
__noinline int nb_fragment_note(const struct nb_pkt *pkt)
{
	struct nb_fragment_id id;
	struct nb_fragment value = {};

	if (!pkt)
		return 0;
	nb_fragment_key(pkt, &id);
	value.sport = pkt->tuple.sport;
	value.dport = pkt->tuple.dport;
	value.proto = pkt->tuple.proto;
	value.expires = pkt->now + NB_FRAGMENT_SECONDS * nb_constants.second;
	value.seal = nb_fragment_seal(&id.key, &value);
	bpf_map_update_elem(&fragments, &id.key, &value, BPF_ANY);
	return 0;
}

/* Copies what is noted of a datagram. False: nothing, or other CPUs write it each time. */
static __always_inline bool nb_fragment_read(const struct nb_fragment_id *id, struct nb_fragment *copy)
{
	for (int i = 0; i < NB_SEAL_TRIES; i++) {
		struct nb_fragment *found = bpf_map_lookup_elem(&fragments, &id->key);

		if (!found) /* not there, or it moved while the kernel looked for it */
			continue;
		*copy = *found;
		barrier(); /* the copy is what is looked at */
		if (copy->seal == nb_fragment_seal(&id->key, copy))
			return true;
	}
	return false;
}

/* Gives a later fragment the ports of the first one. False: they are not known. */
static __always_inline bool nb_fragment_find(struct nb_pkt *pkt)
{
	struct nb_fragment_id id;
	struct nb_fragment first;

	nb_fragment_key(pkt, &id);
	if (!nb_fragment_read(&id, &first) || (__s32)(first.expires - pkt->now) <= 0)
		return false;
	pkt->tuple.sport = first.sport;
	pkt->tuple.dport = first.dport;
	pkt->tuple.proto = first.proto;
	return true;
}

#endif
