/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_FRAGMENT_H
#define NATBRIDGE_BPF_FRAGMENT_H

/*
 * Fragments. The first one has the ports: they are noted under the datagram's id, so that the later ones take
 * the same way. A later fragment that comes before its first cannot be told from one of an untranslated
 * datagram: it is dropped where its sender or receiver has translated connections, since half a datagram is
 * of no use.
 */

#include "service.h"

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
__noinline int nb_fragment_first(const struct nb_pkt *pkt)
{
	struct nb_fragment_key key;
	struct nb_fragment value = {};

	if (!pkt)
		return 0;
	nb_fragment_key(pkt, &key);
	value.sport = pkt->tuple.sport;
	value.dport = pkt->tuple.dport;
	value.proto = pkt->tuple.proto;
	value.expires = pkt->now + NB_FRAGMENT_SECONDS * nb_second;
	bpf_map_update_elem(&fragments, &key, &value, BPF_ANY);
	return 0;
}

static __always_inline bool nb_endpoint_has(const struct nb_addr *addr, __u32 flag)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);

	return endpoint && endpoint->flags & flag;
}

/* Gives a later fragment the ports of the first. NB_CONTINUE: they are known. */
__noinline int nb_fragment_later(struct nb_pkt *pkt, bool to_pod)
{
	struct nb_fragment_key key;
	struct nb_fragment *first;

	if (!pkt || nb_is_icmp(pkt) || (pkt->is_v4 && !nb_is_tracked_proto(pkt->tuple.proto)))
		return NB_PASS;
	nb_fragment_key(pkt, &key);
	first = bpf_map_lookup_elem(&fragments, &key);
	if (first && (__s32)(first->expires - pkt->now) > 0) {
		pkt->tuple.sport = first->sport;
		pkt->tuple.dport = first->dport;
		pkt->tuple.proto = first->proto;
		return NB_CONTINUE;
	}
	if (to_pod)
		return nb_endpoint_has(&pkt->tuple.dst, NB_ENDPOINT_VIA_HOST) ? nb_drop(NB_DROP_FRAGMENT)
									      : NB_PASS;
	if (nb_is_vip(&pkt->tuple.dst) || nb_endpoint_has(&pkt->tuple.src, NB_ENDPOINT_ANSWERS))
		return nb_drop(NB_DROP_FRAGMENT);
	return NB_PASS;
}

#endif
