/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_SERVICE_H
#define NATBRIDGE_BPF_EBPF_SERVICE_H

/* What a destination is known as, and which backend a new connection gets. */

#include "bpf/lib/pkt.h"

#include "maps.h"

static __always_inline struct nb_frontend *nb_frontend_find(const struct nb_tuple *tuple)
{
	struct nb_frontend_key key = {
		.addr = tuple->dst,
		.port = tuple->dport,
		.proto = tuple->proto,
	};

	return bpf_map_lookup_elem(&frontends, &key);
}

static __always_inline bool nb_in_prefix(const volatile struct nb_prefix *prefix, const struct nb_addr *addr)
{
	return (addr->w[3] & prefix->mask.w[3]) == prefix->value.w[3] &&
	       (addr->w[2] & prefix->mask.w[2]) == prefix->value.w[2] &&
	       (addr->w[1] & prefix->mask.w[1]) == prefix->value.w[1] &&
	       (addr->w[0] & prefix->mask.w[0]) == prefix->value.w[0];
}

/* Whether an address may be a VIP or lie in a service range: most are told apart without a lookup. */
static __always_inline bool nb_may_be_vip(const struct nb_addr *addr)
{
	return nb_in_prefix(nb_is_mapped(addr) ? &nb_settings.vips[1] : &nb_settings.vips[0], addr);
}

static __always_inline bool nb_is_known_l4port(__be16 port)
{
	return nb_settings.known_ports[port / 32] >> port % 32 & 1;
}

/* Whether some frontend has this address. */
static __always_inline bool nb_is_vip(const struct nb_addr *addr)
{
	struct nb_frontend_key key = { .addr = *addr };

	return nb_may_be_vip(addr) && bpf_map_lookup_elem(&frontends, &key);
}

/*
 * Whether the host may have an address: it is no Service's, or the host had it as well when that was applied.
 * Only then is its routing asked, which does not tell an address of the host from one without a route.
 */
static __always_inline bool nb_may_be_of_host(const struct nb_addr *addr)
{
	struct nb_frontend_key key = { .addr = *addr };
	struct nb_frontend *vip = bpf_map_lookup_elem(&frontends, &key);

	return !vip || vip->known;
}

struct nb_range_search {
	const struct nb_addr *addr;
	bool found;
};

static long nb_range_try(__u64 i, struct nb_range_search *search)
{
	if (i >= NB_MAX_SERVICE_CIDRS || i >= nb_settings.n_service_cidrs)
		return 1;
	search->found = nb_in_prefix(&nb_settings.service_cidrs[i], search->addr);
	return search->found;
}

/* The destination is no frontend. An address of a Service or of a service range leads nowhere but there. */
__noinline int nb_no_frontend(const struct nb_tuple *tuple)
{
	struct nb_range_search search = {};
	struct nb_addr addr;

	if (!tuple)
		return NB_PASS;
	addr = tuple->dst;
	if (!nb_may_be_vip(&addr))
		return NB_PASS;
	if (nb_is_vip(&addr))
		return nb_drop(NB_DROP_NO_SERVICE);
	search.addr = &addr;
	bpf_loop(NB_MAX_SERVICE_CIDRS, nb_range_try, &search, 0);
	return search.found ? nb_drop(NB_DROP_NO_VIP) : NB_PASS;
}

struct nb_member_search {
	struct nb_backend_key key; /* first member looked at */
	const struct nb_addr *addr;
	__be16 port;
	bool found;
	bool gone; /* the set was replaced meanwhile */
};

static long nb_member_try(__u64 i __attribute__((unused)), struct nb_member_search *search)
{
	struct nb_backend *backend = bpf_map_lookup_elem(&backends, &search->key);

	search->key.index++;
	search->gone = !backend;
	search->found =
		backend && backend->port == search->port && nb_addr_same(&backend->addr, search->addr);
	return search->found || search->gone;
}

/*
 * Whether an address and port is among the first n backends (count: for new connections, known: for those
 * that there are) of the frontend of this tuple. A set that was replaced between the two reads is gone: the
 * frontend is read again.
 */
static __always_inline bool nb_backend_of(const struct nb_tuple *tuple, bool known,
					  const struct nb_addr *addr, __be16 port)
{
	struct nb_member_search search = { .addr = addr, .port = port };

	for (int i = 0; i < 3; i++) {
		struct nb_frontend *frontend = nb_frontend_find(tuple);

		if (!frontend || !(frontend->flags & NB_FRONTEND_SERVICE))
			return false;
		search.key.set = frontend->set;
		search.key.index = 0;
		search.gone = false;
		bpf_loop(known ? frontend->known : frontend->count, nb_member_try, &search, 0);
		if (!search.gone)
			break;
	}
	return search.found;
}

/* Spreads tuples evenly over 32 bits (the finalizer of MurmurHash3 after a multiplicative mix). */
static __always_inline __u32 nb_tuple_hash(const struct nb_tuple *tuple)
{
	const __u32 *word = (const __u32 *)tuple;
	__u32 hash = nb_constants.network;

	for (int i = 0; i < (int)(sizeof(*tuple) / sizeof(*word)); i++)
		hash = ((hash ^ word[i]) * 0x9e3779b1U) ^ (hash >> 15);
	hash = (hash ^ (hash >> 16)) * 0x85ebca6bU;
	hash = (hash ^ (hash >> 13)) * 0xc2b2ae35U;
	return hash ^ (hash >> 16);
}

/*
 * Chooses a backend for the first packet of a connection. The choice is even over tuples and depends on the
 * tuple alone, so that a connection whose entry was lost is taken up with the backend that it had; a tuple
 * that is used once more (again) gets one at random.
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
