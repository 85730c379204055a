/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_TELL_H
#define NATBRIDGE_BPF_LIB_TELL_H

/* Events to those who listen: natbridge/event.h. While nobody does, all that a program does is to look. */

#include <natbridge/event.h>

#include "verdict.h"

struct nb_listener {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, NB_LISTENER_BYTES);
};

/* The ring buffers of those who listen, by kind and place. Elsewhere: empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, NB_EVENT_KINDS *NB_LISTENERS);
	__uint(key_size, sizeof(__u32));
	__array(values, struct nb_listener);
} listeners SEC(".maps");

/* An event on its way. The last one of this CPU stays. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_event);
} event SEC(".maps");

static __always_inline void *nb_listener_at(enum nb_event_kind kind, __u32 place)
{
	__u32 key = kind * NB_LISTENERS + place;

	return bpf_map_lookup_elem(&listeners, &key);
}

/* Whether anybody wants events of this kind. */
static __always_inline bool nb_is_heard(enum nb_event_kind kind)
{
	bool heard = false;

#pragma unroll
	for (__u32 place = 0; place < NB_LISTENERS; place++)
		heard = heard || nb_listener_at(kind, place);
	return heard;
}

/* The event of this CPU. */
static __always_inline struct nb_event *nb_event(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&event, &zero);
}

static __always_inline void nb_event_begin(struct nb_event *to, enum nb_event_kind kind, __u16 reason)
{
	to->ns = bpf_ktime_get_ns();
	to->network = nb_constants.network;
	to->kind = kind;
	to->reason = reason;
}

/* Sends the event. What a listener has no room for is counted. */
static __always_inline void nb_event_send(const struct nb_event *from, enum nb_event_kind kind)
{
	for (__u32 i = 0; i < NB_LISTENERS; i++) {
		void *listener = nb_listener_at(kind, i);

		if (listener && bpf_ringbuf_output(listener, (void *)from, nb_event_size(kind), 0))
			nb_count(NB_COUNT_UNHEARD);
	}
}

#endif
