/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_TELL_H
#define NATBRIDGE_BPF_EBPF_CONN_TELL_H

/*
 * Tells those who listen of connections that begin and end. A connection that nobody needs any more stays in
 * the table until its place is taken: lib/monitor/conn_watch.h finds out that its time is over.
 */

#include <natbridge/conn_index.h>

#include "bpf/lib/tell.h"

#include "maps.h"

/*
 * life: that of the record while it held the connection. is_owner: the pair is this CPU's. Else another one
 * may have given it to another connection meanwhile: NULL, since an event that mixes two is worse than none.
 */
static __always_inline struct nb_event *nb_event_of_conn(__u32 pair_id, __u64 life, bool is_owner)
{
	struct nb_pair *pair = bpf_map_lookup_elem(&connections, &pair_id);
	struct nb_event *to = nb_event();

	if (!to || !pair)
		return NULL;
	nb_event_take_entry(to, &pair->dir[0]);
	to->pair_id = pair_id;
	to->life = life;
	nb_read_barrier();
	return is_owner || nb_life_same_gen(nb_load(&pair->dir[0].conn.life), life) ? to : NULL;
}

/* A connection, of which this is the life of its record, has begun. */
__noinline int nb_conn_tell_begin(__u32 pair_id, __u64 life)
{
	struct nb_event *to;

	if (!nb_is_heard(NB_EVENT_BEGIN))
		return 0;
	to = nb_event_of_conn(pair_id, life, false);
	if (!to)
		return 0;
	nb_event_begin(to, NB_EVENT_BEGIN, 0);
	nb_event_send(to, NB_EVENT_BEGIN);
	return 0;
}

/*
 * The connection of a pair has ended: the caller owns the pair, or (NB_END_CLOSED) a packet has closed it.
 * life: that of its record. Those who listen to drops need NB_END_GONE as well: if the packet that ended the
 * connection is dropped next, report.h shows from it where the packet would have gone.
 */
__noinline int nb_conn_tell_end(__u32 pair_id, __u64 life, __u32 why)
{
	bool heard = nb_is_heard(NB_EVENT_END);
	struct nb_event *to;

	if (!heard && (why != NB_END_GONE || !nb_is_heard(NB_EVENT_DROP)))
		return 0;
	to = nb_event_of_conn(pair_id, life, why != NB_END_CLOSED);
	if (!to)
		return 0;
	nb_event_begin(to, NB_EVENT_END, why);
	if (heard)
		nb_event_send(to, NB_EVENT_END);
	return 0;
}

#endif
