/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_REPORT_H
#define NATBRIDGE_BPF_LIB_REPORT_H

/* The one place where drops are counted, and told to those who listen. */

#include <natbridge/event.h>

#include "pkt.h"

struct nb_listener {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, NB_LISTENER_BYTES);
};

/* The ring buffers of those who listen. Elsewhere: empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, NB_LISTENERS);
	__uint(key_size, sizeof(__u32));
	__array(values, struct nb_listener);
} listeners SEC(".maps");

/* An event on its way. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nb_event);
} event SEC(".maps");

static __always_inline void nb_event_fill(struct __sk_buff *skb, const struct nb_pkt *pkt, __u16 reason,
					  struct nb_event *to)
{
	__u32 len = skb->len;

	to->ns = bpf_ktime_get_ns();
	to->network = nb_constants.network;
	to->ifindex = skb->ifindex;
	to->len = len;
	to->reason = reason;
	to->tuple = pkt ? pkt->tuple : (struct nb_tuple){};
	if (len > NB_EVENT_HEAD)
		len = NB_EVENT_HEAD;
	barrier_var(len);
	len = ((len - 1) & (NB_EVENT_HEAD - 1)) +
	      1; /* the same, as the verifier of Linux 6.1 wants to see it */
	to->head_len = bpf_skb_load_bytes(skb, 0, to->head, len) ? 0 : len;
}

/* What a listener has no room for is counted. */
__noinline int nb_drop_tell(struct __sk_buff *skb, const struct nb_pkt *pkt, __u16 reason)
{
	struct nb_event *to = NULL;
	__u32 zero = 0;

	for (__u32 i = 0; i < NB_LISTENERS; i++) {
		__u32 key = i;
		void *listener = bpf_map_lookup_elem(&listeners, &key);

		if (!listener)
			continue;
		if (!to) {
			to = bpf_map_lookup_elem(&event, &zero);
			if (!to)
				return 0;
			nb_event_fill(skb, pkt, reason, to);
		}
		if (bpf_ringbuf_output(listener, to, sizeof(*to), 0))
			nb_count(NB_COUNT_UNHEARD);
	}
	return 0;
}

/* Turns what the stages return into a verdict of tc. pkt: NULL or all zero if the packet was not read. */
static __always_inline int nb_verdict(struct __sk_buff *skb, const struct nb_pkt *pkt, int rc)
{
	if (rc >= NB_DROPPED) {
		nb_count(rc - NB_DROPPED);
		nb_drop_tell(skb, pkt, rc - NB_DROPPED);
		return TC_ACT_SHOT;
	}
	return rc < NB_PASS ? NB_PASS : rc;
}

#endif
