/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_EVENT_H
#define NATBRIDGE_EVENT_H

/*
 * What programs tell those who listen: lib/monitor. A listener puts a ring buffer (BPF_MAP_TYPE_RINGBUF) into
 * an element of the map "listeners" of each network.
 */

#include <natbridge/abi.h>

enum {
	NB_LISTENERS = 4,
	NB_EVENT_HEAD = 128, /* bytes of a packet; a power of 2 */
	NB_LISTENER_BYTES = 1 << 20,
};

/* A packet that was dropped. */
struct nb_event {
	__u64 ns;              /* CLOCK_MONOTONIC */
	__u32 network;         /* nb_constants.network */
	__u32 ifindex;         /* of the device where the program met it */
	__u32 len;             /* of the whole frame */
	__u16 reason;          /* enum nb_counter */
	__u16 head_len;        /* bytes of head[] that are the packet's */
	struct nb_tuple tuple; /* as in the headers; all zero: they were not read */
	__u8 head[NB_EVENT_HEAD];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct nb_event) == 192, "nb_event");
#endif

#endif
