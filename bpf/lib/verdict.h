/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_VERDICT_H
#define NATBRIDGE_BPF_LIB_VERDICT_H

/*
 * What a stage returns. report.h makes a verdict of it.
 *
 * A stage returns NB_CONTINUE, a verdict of tc (TC_ACT_*), a drop reason by nb_drop(), or one of
 * the values below that its caller handles. A new drop reason is a row of NB_COUNTER_TABLE in
 * abi.h; nothing changes here.
 */

#include <linux/pkt_cls.h>
#include <stdbool.h>

#include "maps.h"

enum {
	NB_CONTINUE = -1000, /* the next stage decides */
	NB_NEW,              /* no live connection serves this packet */
	NB_AGAIN,            /* another CPU made or ended the connection: look it up again */
	NB_MALFORMED,        /* the headers cannot be read */
	NB_SLOW_PARSE,       /* nb_slow_parse() has to read the headers */
	NB_TO_HOST,          /* give the packet to the host's IP stack, not translated */

	/* Untouched, to the next program or the bridge. TCX_NEXT has the same value. */
	NB_PASS = TC_ACT_UNSPEC,

	/* NB_PAST_HOST + struct nb_device.network: translated, and to leave by no way of the host's IP stack.
	 */
	NB_PAST_HOST = 100,

	/* NB_DROPPED + reason (enum nb_counter): dropped, and counted under the reason. */
	NB_DROPPED = 1000,
};

static __always_inline int nb_drop(enum nb_counter reason)
{
	return NB_DROPPED + reason;
}

/* The map has a value for each CPU, and no two programs run on one CPU at a time. */
static __always_inline void nb_count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

static __always_inline bool nb_is_past_host(int rc)
{
	return rc > NB_PAST_HOST && rc < NB_DROPPED;
}

#endif
