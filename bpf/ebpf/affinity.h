/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_AFFINITY_H
#define NATBRIDGE_BPF_EBPF_AFFINITY_H

/*
 * sessionAffinity: ClientIP. A client keeps its backend of a service port, over all addresses of
 * the Service.
 */

#include "service.h"

/* *backend: that of the client. False: it has none, or one that takes no new connections. */
static __always_inline bool nb_affinity_find(const struct nb_pkt *pkt, const struct nb_affinity_key *key,
					     struct nb_backend *backend)
{
	struct nb_affinity *found = bpf_map_lookup_elem(&affinities, key);

	if (!found || (__s32)(found->expires - pkt->now) <= 0)
		return false;
	backend->addr = found->addr;
	backend->port = found->port;
	return nb_is_backend_of(&pkt->tuple, false, &backend->addr, backend->port);
}

/*
 * Replaces the backend that was chosen for a new connection by the one that the client has, or
 * notes the chosen one. Each new connection renews the affinity. If two begin at once on two CPUs,
 * the first one decides.
 */
__noinline int nb_affinity(const struct nb_pkt *pkt, const struct nb_frontend *frontend,
			   struct nb_backend *backend)
{
	struct nb_affinity_key key = {};
	struct nb_affinity value = {};
	struct nb_backend found;

	if (!pkt || !frontend || !backend)
		return 0;
	key.client = pkt->tuple.src;
	key.service = frontend->service;
	value.expires = pkt->now + frontend->affinity * nb_constants.second;
	value.addr = backend->addr;
	value.port = backend->port;
	if (!bpf_map_update_elem(&affinities, &key, &value, BPF_NOEXIST))
		return 0;
	if (nb_affinity_find(pkt, &key, &found)) {
		*backend = found;
		value.addr = found.addr;
		value.port = found.port;
	}
	bpf_map_update_elem(&affinities, &key, &value, BPF_ANY);
	return 0;
}

#endif
