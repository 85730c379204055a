/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_AFFINITY_H
#define NATBRIDGE_BPF_EBPF_AFFINITY_H

/*
 * sessionAffinity: ClientIP. A client keeps its backend of a service port, over all addresses of
 * the Service.
 */

#include "service.h"

/*
 * Copies the affinity of the client in at->affinity_key, which has one. Programs on other CPUs write
 * affinities: service.h says what that means. False: they write this one each time.
 */
static __always_inline bool nb_affinity_read(struct nb_looked_up *at)
{
	for (int i = 0; i < NB_SEAL_TRIES; i++) {
		struct nb_affinity *found = bpf_map_lookup_elem(&affinities, &at->affinity_key);

		if (!found) /* it moved while the kernel looked for it */
			continue;
		at->affinity = *found;
		barrier(); /* the copy is what is looked at */
		if (at->affinity.seal == nb_affinity_seal(&at->affinity_key, &at->affinity))
			return true;
	}
	return false;
}

/* The flags of a client's backend; negative: it takes no new connections. */
static __always_inline int nb_affinity_find(const struct nb_pkt *pkt, const struct nb_affinity *affinity)
{
	return (__s32)(affinity->expires - pkt->now) > 0
		       ? nb_backend_find(&pkt->tuple, false, &affinity->addr, affinity->port)
		       : -1;
}

static __always_inline long nb_affinity_note(struct nb_looked_up *at, const struct nb_backend *backend,
					     __u32 expires, __u64 flags)
{
	at->affinity.addr = backend->addr;
	at->affinity.port = backend->port;
	at->affinity.pad = 0;
	at->affinity.expires = expires;
	at->affinity.seal = nb_affinity_seal(&at->affinity_key, &at->affinity);
	return bpf_map_update_elem(&affinities, &at->affinity_key, &at->affinity, flags);
}

/*
 * Replaces the backend that was chosen for a new connection by the one that the client has, or
 * notes the chosen one. Each new connection renews the affinity. If two begin at once on two CPUs,
 * the first one decides.
 */
__noinline int nb_affinity(const struct nb_pkt *pkt, const struct nb_frontend *frontend,
			   struct nb_backend *backend)
{
	struct nb_looked_up *at = nb_looked_up();
	__u32 expires;
	int flags;

	if (!pkt || !frontend || !backend || !at)
		return 0;
	at->affinity_key.client = pkt->tuple.src;
	at->affinity_key.service = frontend->service;
	expires = pkt->now + frontend->affinity * nb_constants.second;
	if (!nb_affinity_note(at, backend, expires, BPF_NOEXIST))
		return 0;
	flags = nb_affinity_read(at) ? nb_affinity_find(pkt, &at->affinity) : -1;
	if (flags >= 0) {
		backend->addr = at->affinity.addr;
		backend->port = at->affinity.port;
		backend->flags = flags;
	}
	nb_affinity_note(at, backend, expires, BPF_ANY);
	return 0;
}

#endif
