/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CSUM_H
#define NATBRIDGE_BPF_EBPF_CSUM_H

/*
 * What the kernel knows of a packet's checksum (skb->ip_summed, include/linux/skbuff.h), which no field of
 * the context tells. It can be read since Linux 6.3; where it is known, the checksum is worked out here, at
 * half the cost of a helper.
 */

#include <bpf/bpf_core_read.h>

#include "bpf/lib/pkt.h"

struct sk_buff {
	__u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

enum nb_csum_state {
	NB_CSUM_WHOLE,   /* CHECKSUM_NONE, CHECKSUM_UNNECESSARY: the checksum is that of the packet */
	NB_CSUM_PARTIAL, /* CHECKSUM_PARTIAL: still to be completed */
	NB_CSUM_UNKNOWN, /* CHECKSUM_COMPLETE, of which the kernel has to keep account, or not to be read */
};

static __always_inline enum nb_csum_state nb_csum_state(struct __sk_buff *skb)
{
	enum { CHECKSUM_COMPLETE = 2, CHECKSUM_PARTIAL = 3 };
	struct sk_buff *kernel;
	__u8 summed;

	if (!bpf_cast_to_kern_ctx)
		return NB_CSUM_UNKNOWN;
	kernel = bpf_cast_to_kern_ctx(skb);
	/* The field's size is a number that libbpf puts in; it is 1, 2, 4 or 8. */
	summed = BPF_CORE_READ_BITFIELD(kernel, ip_summed); /* NOLINT(clang-analyzer-core.*) */
	if (summed == CHECKSUM_COMPLETE)
		return NB_CSUM_UNKNOWN;
	return summed == CHECKSUM_PARTIAL ? NB_CSUM_PARTIAL : NB_CSUM_WHOLE;
}

#endif
