/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_AFFINITY_H
#define NATBRIDGE_BPF_EBPF_AFFINITY_H

/* sessionAffinity: ClientIP. A client keeps its backend of a service port, over all addresses of the Service.
 */

#include "service.h"

/* Puts the backend that this client has into *backend; false: none, or one that takes no new connections. */
static __always_inline bool nb_affinity_find(const struct nb_pkt *pkt, const struct nb_affinity_key *key,
					     struct nb_backend *backend)
{
	struct nb_affinity *has = bpf_map_lookup_elem(&affinities, key);

	if (!has || (__s32)(has->expires - pkt->now) <= 0)
		return false;
	backend->addr = has->addr;
	backend->port = has->port;
	return nb_backend_of(&pkt->tuple, false, &backend->addr, backend->port);
}

/*
 * Replaces the backend that was chosen for a new connection by the one that the client has, or notes the
 * chosen one. Each new connection renews it. Of two that come at once, on two CPUs, the first decides.
 */
__noinline int nb_affinity(const struct nb_pkt *pkt, const struct nb_frontend *frontend,
			   struct nb_backend *backend)
{
	struct nb_affinity_key key = {};
	struct nb_affinity value = {};
	struct nb_backend has;

	if (!pkt || !frontend || !backend)
		return 0;
	key.client = pkt->tuple.src;
	key.service = frontend->service;
	value.expires = pkt->now + frontend->affinity * nb_constants.second;
	value.addr = backend->addr;
	value.port = backend->port;
	if (!bpf_map_update_elem(&affinities, &key, &value, BPF_NOEXIST))
		return 0;
	if (nb_affinity_find(pkt, &key, &has)) {
		*backend = has;
		value.addr = has.addr;
		value.port = has.port;
	}
	bpf_map_update_elem(&affinities, &key, &value, BPF_ANY);
	return 0;
}

#endif
