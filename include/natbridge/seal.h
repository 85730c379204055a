/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_SEAL_H
#define NATBRIDGE_SEAL_H

/*
 * Seals of values of hash maps. Whoever writes a value puts a number into it that follows from its
 * key and its content; a program copies the value and compares.
 *
 * The kernel does not wait for programs before it uses an element again: after an update or a
 * deletion, the next key that is inserted gets the memory, and a program that has just found the
 * element reads another key's value, or half of one and half of another
 * (kernel/bpf/hashtab.c: maps with preallocation and LRU maps since they exist, those with
 * BPF_F_NO_PREALLOC since Linux 6.1, bpf_mem_cache_free()). Such a copy has the right seal with a
 * probability of 2^-32, in whatever order the words were written and read. So a program needs no
 * barrier.
 *
 * Not sealed is what programs change in place: NB_FRONTEND_HOST, and nb_endpoint.flags. Nor are
 * values that are one word: nb_port_of_ifindex() says how it checks those.
 */

#include <natbridge/abi.h>

#ifndef __bpf__
#include <string.h>
#endif

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

typedef __u64 __attribute__((may_alias)) nb_seal_word;

/* Programs have what they seal at a multiple of 8; in userspace keys may lie side by side. */
static __always_inline __u64 nb_seal_read(const void *at)
{
#ifdef __bpf__
	return *(const nb_seal_word *)at;
#else
	__u64 word;

	memcpy(&word, at, sizeof(word));
	return word;
#endif
}

/* The i-th random odd number: the compiler computes it. (SplitMix64) */
static __always_inline __u64 nb_seal_factor(int i)
{
	__u64 z = (__u64)(i + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) | 1;
}

/*
 * Adds the i-th number to a sum of which the upper 32 bits are the seal: multilinear, as
 * nb_conn_hash(). The products do not wait for each other.
 */
static __always_inline __u64 nb_seal_number(__u64 sum, __u64 number, int i)
{
	return sum + number * nb_seal_factor(i);
}

/* The same for an address, which is two numbers. */
static __always_inline __u64 nb_seal_addr(__u64 sum, const struct nb_addr *addr, int i)
{
	sum = nb_seal_number(sum, nb_seal_read(&addr->w[0]), i);
	return nb_seal_number(sum, nb_seal_read(&addr->w[2]), i + 1);
}

/* The same for two numbers of 32 bits side by side. without: bits of the first one that do not count. */
static __always_inline __u64 nb_seal_pair(__u64 sum, const __u32 *pair, __u32 without, int i)
{
	const union {
		__u32 pair[2];
		__u64 word;
	} left_out = { .pair = { without, 0 } };

	return nb_seal_number(sum, nb_seal_read(pair) & ~left_out.word, i);
}

static __always_inline __u32 nb_frontend_seal(const struct nb_frontend_key *key,
					      const struct nb_frontend *value)
{
	__u64 sum = nb_seal_addr(0, &key->addr, 0);

	sum = nb_seal_number(sum, (__u32)key->port << 16 | (__u32)key->side << 8 | key->proto, 2);
	sum = nb_seal_pair(sum, &value->flags, NB_FRONTEND_HOST, 3); /* and set */
	sum = nb_seal_pair(sum, &value->count, 0, 4);                /* and known */
	sum = nb_seal_pair(sum, &value->service, 0, 5);              /* and affinity */
	return nb_seal_number(sum, value->epoch, 6) >> 32;
}

static __always_inline __u32 nb_backend_seal(const struct nb_backend_key *key, const struct nb_backend *value)
{
	__u64 sum = nb_seal_addr(0, &value->addr, 0);

	sum = nb_seal_number(sum, (__u32)value->flags << 16 | value->port, 2);
	sum = nb_seal_number(sum, key->set, 3);
	return nb_seal_number(sum, key->index, 4) >> 32;
}

static __always_inline __u32 nb_affinity_seal(const struct nb_affinity_key *key,
					      const struct nb_affinity *value)
{
	__u64 sum = nb_seal_addr(0, &key->client, 0);

	sum = nb_seal_number(sum, key->service, 2);
	sum = nb_seal_addr(sum, &value->addr, 3);
	sum = nb_seal_number(sum, value->port, 5);
	return nb_seal_number(sum, value->expires, 6) >> 32;
}

static __always_inline __u32 nb_fragment_seal(const struct nb_fragment_key *key,
					      const struct nb_fragment *value)
{
	__u64 sum = nb_seal_addr(0, &key->src, 0);

	sum = nb_seal_addr(sum, &key->dst, 2);
	sum = nb_seal_number(sum, key->id, 4);
	sum = nb_seal_number(sum, (__u64)key->ifindex << 32 | key->proto, 5);
	sum = nb_seal_number(sum, (__u32)value->sport << 16 | value->dport, 6);
	return nb_seal_number(sum, (__u64)value->expires << 32 | value->proto, 7) >> 32;
}

static __always_inline __u32 nb_endpoint_seal(const struct nb_addr *key, const struct nb_endpoint *value)
{
	__u64 sum = nb_seal_addr(0, key, 0);

	sum = nb_seal_number(sum, (__u64)value->gen << 32 | value->slot, 2);
	return nb_seal_addr(sum, &value->gateway, 3) >> 32;
}

static __always_inline __u32 nb_device_seal(__u32 ifindex, const struct nb_device *value)
{
	__u64 sum = nb_seal_addr(0, &value->addrs[0], 0);

	sum = nb_seal_addr(sum, &value->addrs[1], 2);
	sum = nb_seal_number(sum, nb_seal_read(value->mac), 4); /* and network */
	return nb_seal_number(sum, ifindex, 5) >> 32;
}

#endif
