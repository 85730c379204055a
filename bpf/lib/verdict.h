/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_VERDICT_H
#define NATBRIDGE_BPF_LIB_VERDICT_H

/* What a stage returns, and the one place where drops are counted. */

#include <linux/pkt_cls.h>

#include "maps.h"

enum {
	NB_CONTINUE = -1000,     /* the next stage decides */
	NB_NEW,                  /* there is no live connection for this packet */
	NB_EXISTS,               /* there is one by now: look again */
	NB_BAD,                  /* the packet's headers cannot be read */
	NB_SLOW_PARSE,           /* they are to be parsed step by step */
	NB_UP,                   /* the host's stack gets the packet as it is */
	NB_PASS = TC_ACT_UNSPEC, /* untouched, to whatever program or bridge comes next (TCX_NEXT has the same
				    value) */
	NB_DROPPED = 1000,       /* and more: NB_DROPPED + the reason, one of enum nb_counter */
};

static __always_inline int nb_drop(enum nb_counter reason)
{
	return NB_DROPPED + reason;
}

static __always_inline void nb_count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

/* Turns the result of the stages into what the kernel wants to hear. */
static __always_inline int nb_verdict(int result)
{
	if (result >= NB_DROPPED) {
		nb_count(result - NB_DROPPED);
		return TC_ACT_SHOT;
	}
	return result < NB_PASS ? NB_PASS : result;
}

#endif
