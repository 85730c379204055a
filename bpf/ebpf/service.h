/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_SERVICE_H
#define NATBRIDGE_BPF_EBPF_SERVICE_H

/*
 * What a destination is known as, and which backend a new connection gets.
 *
 * Userspace writes both maps while programs read them. A program that uses more than one word of a
 * value copies it and looks at the seal of the copy (natbridge/seal.h). In the instant in which the
 * element that it looks at becomes another key's, a lookup may also find nothing.
 */

#include <natbridge/seal.h>

#include "bpf/lib/pkt.h"

#include "maps.h"

/* ---- frontends ---- */

/*
 * The frontend of a destination; NULL: there is none. A copy, without digest and refs, which stays
 * until the next call on this CPU.
 */
static __always_inline struct nb_frontend *nb_frontend_find(const struct nb_tuple *tuple)
{
	struct nb_looked_up *at = nb_looked_up();

	if (!at)
		return NULL;
	at->frontend_key.addr = tuple->dst;
	at->frontend_key.port = tuple->dport;
	at->frontend_key.proto = tuple->proto;
	at->frontend_key.side = tuple->side & NB_SIDE_OUTSIDE; /* what leaves is from inside */
	for (int i = 0; i < NB_SEAL_TRIES; i++) {
		struct nb_frontend *found = bpf_map_lookup_elem(&frontends, &at->frontend_key);

		if (!found)
			return NULL;
		nb_copy_words(&at->frontend, found, offsetof(struct nb_frontend, digest) / 8);
		if (at->frontend.seal == nb_frontend_seal(&at->frontend_key, &at->frontend))
			return &at->frontend;
	}
	return NULL;
}

/* Whether some frontend or backend has or had this port. */
static __always_inline bool nb_l4port_is_known(__be16 port)
{
	return nb_settings.known_ports[port / 32] >> port % 32 & 1;
}

/*
 * Whether a word of an address is in a prefix. Userspace changes prefixes meanwhile, word by word: the
 * mask is read first (nb_settings_write()).
 */
static __always_inline bool nb_in_prefix_word(const volatile struct nb_prefix *prefix, __be32 word, int i)
{
	__be32 mask = prefix->mask.w[i];

	return !((word ^ prefix->value.w[i]) & mask);
}

static __always_inline bool nb_in_prefix(const volatile struct nb_prefix *prefix, const struct nb_addr *addr)
{
	return nb_in_prefix_word(prefix, addr->w[3], 3) && nb_in_prefix_word(prefix, addr->w[2], 2) &&
	       nb_in_prefix_word(prefix, addr->w[1], 1) && nb_in_prefix_word(prefix, addr->w[0], 0);
}

/* Whether an address may be a VIP or be in a service range. Rules out most without a lookup. */
static __always_inline bool nb_may_be_vip(const struct nb_addr *addr)
{
	return nb_in_prefix(nb_addr_is_v4(addr) ? &nb_settings.vips[1] : &nb_settings.vips[0], addr);
}

/*
 * The frontend that stands for the address itself; NULL: no frontend has it. It is not sealed: its
 * numbers decide about one packet each, of a ping for instance.
 */
static __always_inline struct nb_frontend *nb_vip_find(const struct nb_addr *addr)
{
	struct nb_frontend_key key = { .addr = *addr };

	return bpf_map_lookup_elem(&frontends, &key);
}

static __always_inline bool nb_is_vip(const struct nb_addr *addr)
{
	return nb_may_be_vip(addr) && nb_vip_find(addr);
}

/* Whether some port of a Service's address has a backend for new connections. */
static __always_inline bool nb_vip_has_backend(const struct nb_addr *addr)
{
	struct nb_frontend *vip = nb_vip_find(addr);

	return vip && vip->count < vip->refs;
}

/*
 * Whether the host may have this address: no Service has it, or the host had it when the Service
 * was applied. For any other address the host's routes are not asked: they do not tell an address
 * of the host from one without a route.
 */
static __always_inline bool nb_host_may_have(const struct nb_addr *addr)
{
	struct nb_frontend *vip = nb_vip_find(addr);

	return !vip || vip->known;
}

/* ---- who may begin a connection ---- */

static __always_inline enum nb_frontend_kind nb_frontend_kind(const struct nb_frontend *frontend)
{
	return frontend->flags >> NB_FRONTEND_KIND_SHIFT & 3;
}

/* Whether a client is in the source ranges of a service port. */
__noinline int nb_source_in_ranges(const struct nb_addr *client, __u32 service)
{
	struct nb_source_range key = { .prefixlen = 8 * (sizeof(key) - sizeof(key.prefixlen)) };
	__u32 *version;

	if (!client)
		return false;
	key.service = service;
	key.addr = *client;
	version = bpf_map_lookup_elem(&source_ranges, &key);
	return version && *version == (nb_addr_is_v4(client) ? 4 : 6);
}

/* ---- service ranges ---- */

struct nb_cidr_search {
	const struct nb_addr *addr;
	bool found;
};

static long nb_cidr_search_step(__u64 i, struct nb_cidr_search *search)
{
	if (i >= NB_MAX_SERVICE_CIDRS || i >= nb_settings.n_service_cidrs)
		return 1;
	search->found = nb_in_prefix(&nb_settings.service_cidrs[i], search->addr);
	return search->found;
}

/*
 * For a destination that is no frontend: a drop reason if it is an address of a Service or of a
 * service range, else NB_PASS.
 */
__noinline int nb_no_frontend(const struct nb_tuple *tuple)
{
	struct nb_cidr_search search = {};
	struct nb_addr addr;

	if (!tuple)
		return NB_PASS;
	addr = tuple->dst;
	if (tuple->side != NB_SIDE_INSIDE || !nb_may_be_vip(&addr))
		return NB_PASS;
	/* A lookup misses a frontend that userspace writes meanwhile, for an instant. */
	if (nb_is_vip(&addr))
		return nb_drop(nb_frontend_find(tuple) ? NB_COUNT_INSERT_FAILED : NB_DROP_NO_SERVICE);
	search.addr = &addr;
	bpf_loop(NB_MAX_SERVICE_CIDRS, nb_cidr_search_step, &search, 0);
	return search.found ? nb_drop(NB_DROP_NO_VIP) : NB_PASS;
}

/* ---- backends ---- */

struct nb_backend_search {
	struct nb_backend_key key; /* of the next one */
	const struct nb_addr *addr;
	__be16 port;
	__u16 flags; /* of the one that was found */
	bool found;
	bool replaced; /* the set was replaced meanwhile */
};

_Static_assert(sizeof(struct nb_backend) % 8 == 0, "copied in words");

/* Copies a backend. False: it is not there, or not the one of this key any more. */
static __always_inline bool nb_backend_read(const struct nb_backend_key *key, struct nb_backend *copy)
{
	struct nb_backend *found = bpf_map_lookup_elem(&backends, key);

	if (!found)
		return false;
	nb_copy_words(copy, found, sizeof(*copy) / 8);
	return copy->seal == nb_backend_seal(key, copy);
}

static long nb_backend_search_step(__u64 i __attribute__((unused)), struct nb_backend_search *search)
{
	struct nb_backend backend __attribute__((aligned(8)));

	search->replaced = !nb_backend_read(&search->key, &backend);
	search->key.index++;
	if (search->replaced)
		return 1;
	search->flags = backend.flags;
	search->found = backend.port == search->port && nb_addr_same(&backend.addr, search->addr);
	return search->found;
}

/*
 * The flags of an address and port as a backend of the tuple's frontend; negative: it is none. It is one for
 * new connections (frontend->count), or with "known" also one that only keeps the connections that it
 * has. If the set is replaced while it is read, the frontend is read again.
 */
static __always_inline int nb_backend_find(const struct nb_tuple *tuple, bool known,
					   const struct nb_addr *addr, __be16 port)
{
	struct nb_backend_search search = { .addr = addr, .port = port };

	for (int i = 0; i < 3; i++) {
		struct nb_frontend *frontend = nb_frontend_find(tuple);
		__u64 members;

		if (!frontend || !(frontend->flags & NB_FRONTEND_SERVICE))
			return -1;
		search.key.set = frontend->set;
		search.key.index = 0;
		search.replaced = false;
		/* bpf_loop() takes 32 bits, but looks at all 64 if the verifier has inlined it. */
		members = known ? frontend->known : frontend->count;
		barrier_var(members);
		bpf_loop(members, nb_backend_search_step, &search, 0);
		if (!search.replaced)
			break;
	}
	return search.found ? search.flags : -1;
}

/* Spreads tuples evenly over 32 bits: a multiplicative mix, and MurmurHash3's finalizer. */
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
 * Chooses a backend for the first packet of a connection, evenly over tuples. The choice depends on
 * the tuple alone, so that a connection whose entry was lost gets the backend that it had. With
 * "again" (the tuple was used before) it is random.
 */
static __always_inline int nb_backend_choose(const struct nb_tuple *tuple, const struct nb_frontend *frontend,
					     bool again, struct nb_backend *out)
{
	__u32 hash = again ? bpf_get_prandom_u32() : nb_tuple_hash(tuple);

	for (int i = 0; i < 3; i++) {
		struct nb_backend backend __attribute__((aligned(8)));
		struct nb_backend_key key;

		if (!frontend || !(frontend->flags & NB_FRONTEND_SERVICE))
			return nb_drop(NB_DROP_NO_BACKEND);
		if (!frontend->count)
			return nb_drop(frontend->flags & NB_FRONTEND_LOCAL ? NB_DROP_NO_LOCAL_BACKEND
									   : NB_DROP_NO_BACKEND);
		key.set = frontend->set;
		key.index = ((__u64)hash * frontend->count) >> 32;
		if (nb_backend_read(&key, &backend)) {
			*out = backend;
			return NB_CONTINUE;
		}
		frontend = nb_frontend_find(tuple); /* the set was replaced meanwhile */
	}
	return nb_drop(NB_DROP_NO_BACKEND);
}

#endif
