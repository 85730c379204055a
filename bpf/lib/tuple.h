/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_TUPLE_H
#define NATBRIDGE_BPF_LIB_TUPLE_H

/* Addresses and tuples as values. They know nothing of packets. */

#include <linux/in.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <natbridge/abi.h>

/*
 * Two words as they stand in memory, to be written by one store: a load of both that follows soon
 * does not wait until two stores have reached the cache.
 */
static __always_inline __u64 nb_two_words(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u64)second << 32;
#else
	return (__u64)first << 32 | second;
#endif
}

static __always_inline bool nb_addr_same(const struct nb_addr *a, const struct nb_addr *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

static __always_inline bool nb_addr_is_zero(const struct nb_addr *addr)
{
	return !(addr->w[3] | addr->w[2] | addr->w[1] | addr->w[0]);
}

static __always_inline bool nb_addr_is_v4(const struct nb_addr *addr)
{
	return !(addr->w[0] | addr->w[1]) && addr->w[2] == bpf_htonl(0xffff);
}

/* to: all zero before. */
static __always_inline void nb_addr_set_v4(struct nb_addr *to, __be32 addr)
{
	*(__u64 *)&to->w[2] = nb_two_words(bpf_htonl(0xffff), addr);
}

static __always_inline bool nb_is_tcp_or_udp(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* What mode ebpf and the node's programs track and translate. */
static __always_inline bool nb_is_tracked_proto(__u8 proto)
{
	return nb_is_tcp_or_udp(proto) || proto == IPPROTO_SCTP;
}

static __always_inline bool nb_tuple_same(const struct nb_tuple *a, const struct nb_tuple *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->proto == b->proto &&
	       nb_addr_same(&a->src, &b->src) && nb_addr_same(&a->dst, &b->dst);
}

/* *out: the tuple of the answer to a packet with these addresses and ports. */
static __always_inline void nb_tuple_swap(const struct nb_addr *src, const struct nb_addr *dst, __be16 sport,
					  __be16 dport, __u8 proto, struct nb_tuple *out)
{
	__builtin_memset(out, 0, sizeof(*out));
	out->src = *dst;
	out->dst = *src;
	out->sport = dport;
	out->dport = sport;
	out->proto = proto;
}

/* Swaps source and destination in place. */
static __always_inline void nb_tuple_swap_ends(struct nb_tuple *tuple)
{
	struct nb_addr src = tuple->src;
	__be16 sport = tuple->sport;

	tuple->src = tuple->dst;
	tuple->dst = src;
	tuple->sport = tuple->dport;
	tuple->dport = sport;
}

#endif
