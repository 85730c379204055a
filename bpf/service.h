/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_SERVICE_H
#define NATBRIDGE_BPF_SERVICE_H

/* What a destination is known as, and which backend a new connection gets. */

#include "pkt.h"

static __always_inline struct nb_frontend *nb_frontend_find(const struct nb_tuple *tuple)
{
	struct nb_frontend_key key = {
		.addr = tuple->dst,
		.port = tuple->dport,
		.proto = tuple->proto,
	};

	return bpf_map_lookup_elem(&frontends, &key);
}

/* Spreads tuples evenly over 32 bits (the finalizer of MurmurHash3 after a multiplicative mix). */
static __always_inline __u32 nb_tuple_hash(const struct nb_tuple *tuple)
{
	const __u32 *word = (const __u32 *)tuple;
	__u32 hash = nb_hash_seed;

	for (int i = 0; i < (int)(sizeof(*tuple) / sizeof(*word)); i++)
		hash = ((hash ^ word[i]) * 0x9e3779b1U) ^ (hash >> 15);
	hash = (hash ^ (hash >> 16)) * 0x85ebca6bU;
	hash = (hash ^ (hash >> 13)) * 0xc2b2ae35U;
	return hash ^ (hash >> 16);
}

/*
 * Chooses a backend for the first packet of a connection. The choice is even over tuples and depends on the
 * tuple alone, so that a connection whose entry was lost is taken up with the backend that it had; a tuple
 * that is used once more (again) gets one at random. A set that was replaced between the two reads is gone:
 * the frontend is read again.
 */
static __always_inline int nb_backend_choose(const struct nb_tuple *tuple, const struct nb_frontend *frontend,
					     bool again, struct nb_backend *out)
{
	__u32 hash = again ? bpf_get_prandom_u32() : nb_tuple_hash(tuple);

	for (int i = 0; i < 3; i++) {
		struct nb_backend_key key;
		struct nb_backend *backend;

		if (!frontend || !(frontend->flags & NB_FRONTEND_SERVICE) || !frontend->count)
			return nb_drop(NB_DROP_NO_BACKEND);
		key.set = frontend->set;
		key.index = ((__u64)hash * frontend->count) >> 32;
		backend = bpf_map_lookup_elem(&backends, &key);
		if (backend) {
			*out = *backend;
			return NB_CONTINUE;
		}
		frontend = nb_frontend_find(tuple);
	}
	return nb_drop(NB_DROP_NO_BACKEND);
}

#endif
