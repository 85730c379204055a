/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_CSUM_H
#define NATBRIDGE_BPF_LIB_CSUM_H

/* Checksums (RFC 1071), and what the kernel knows of a packet's checksum. */

#include <bpf/bpf_core_read.h>

#include "tuple.h"

/* Folds a one's complement sum, below 2^47, into 16 bits. */
static __always_inline __u16 nb_csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The same for the sum of a few numbers of 16 bits, less than 2^20. */
static __always_inline __u16 nb_csum_fold_small(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + (sum >> 16);
}

/*
 * What the change of n words adds to a one's complement sum (RFC 1624), not folded. For a few words
 * it costs less than bpf_csum_diff().
 */
static __always_inline __u64 nb_csum_change(const __be32 *from, const __be32 *to, int n)
{
	__u64 sum = 0;

	for (int i = 0; i < n; i++)
		sum += (__u64)(__u32)~from[i] + to[i];
	return sum;
}

struct nb_pseudo_header {
	struct nb_addr src;
	struct nb_addr dst;
	__be32 len;
	__be32 proto;
};

/*
 * The one's complement sum of a pseudo header. The form ::ffff:a.b.c.d of two IPv4 addresses adds
 * 2 * 0xffff to it, which is 0. len: of the header and data that the checksum covers.
 */
static __always_inline __u32 nb_csum_pseudo(const struct nb_addr *src, const struct nb_addr *dst, __u32 len,
					    __u8 proto)
{
	struct nb_pseudo_header pseudo = {
		.src = *src, .dst = *dst, .len = bpf_htonl(len), .proto = bpf_htonl(proto)
	};

	return bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
}

struct sk_buff {
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

/* skb->ip_summed (include/linux/skbuff.h), as far as a translation has to know it. */
enum nb_csum_state {
	NB_CSUM_WHOLE,   /* CHECKSUM_NONE, CHECKSUM_UNNECESSARY: the checksum is that of the packet */
	NB_CSUM_PARTIAL, /* CHECKSUM_PARTIAL: it covers the pseudo header, the rest comes later */
	NB_CSUM_UNKNOWN, /* CHECKSUM_COMPLETE, which the kernel must keep up to date, or not readable */
};

/*
 * No field of the program's context tells ip_summed; it can be read since Linux 6.3. Where it is
 * known, nat.h computes the checksum itself, at half the cost of a helper.
 */
static __always_inline enum nb_csum_state nb_csum_state(struct __sk_buff *skb)
{
	enum { CHECKSUM_COMPLETE = 2, CHECKSUM_PARTIAL = 3 };
	struct sk_buff *kernel;
	__u8 ip_summed;

	if (!bpf_cast_to_kern_ctx)
		return NB_CSUM_UNKNOWN;
	kernel = bpf_cast_to_kern_ctx(skb);
	/* libbpf fills in the field's size: 1, 2, 4 or 8. */
	ip_summed = BPF_CORE_READ_BITFIELD(kernel, ip_summed); /* NOLINT(clang-analyzer-core.*) */
	if (ip_summed == CHECKSUM_COMPLETE)
		return NB_CSUM_UNKNOWN;
	return ip_summed == CHECKSUM_PARTIAL ? NB_CSUM_PARTIAL : NB_CSUM_WHOLE;
}

#endif
