// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* What is proven of mode assist, as ebpf.bpf.c for mode ebpf. */
#include "fold_calls.h"

#include "bpf/assist.bpf.c"

#include "constants.h"

CONSTANT(NB_CONTINUE);
CONSTANT(NB_DROPPED);
CONSTANT(NB_DROP_WRITE);
CONSTANT(NB_FLOW_WAYS);
CONSTANT(NB_FLOW_TAG_FREE);
CONSTANT(NB_FLOW_TAG_TAKEN);
CONSTANT(NB_FLOW_LOCKED);
CONSTANT(NB_L4PORT_REMAP_FIRST);
CONSTANT(NB_L4PORT_REMAP_TRIES);

/* ---- flows ---- */

__u64 prove_flow_tagged(const struct nb_flow_set *set, __u32 tag)
{
	return nb_flow_tagged(set, tag);
}

__u32 prove_flow_way(__u64 row)
{
	return nb_flow_way(row);
}

__u32 prove_flow_victim(const struct nb_flow_set *set, __u32 now)
{
	return nb_flow_victim(set, now);
}

__u32 prove_flow_order(struct nb_tuple *tuple)
{
	return nb_flow_order(tuple);
}

__u32 prove_flow_tag(const struct nb_tuple *key)
{
	__u32 tag;

	nb_flow_set(key, &tag);
	return tag;
}

__u32 prove_flow_timeout(__u64 state, __u8 proto)
{
	return nb_flow_timeout(&(union nb_flow_state){ .word = state }, proto);
}

bool prove_flow_expired(__u64 state, __u8 proto, __u32 seen, __u32 now)
{
	return nb_flow_expired(&(union nb_flow_state){ .word = state }, proto, seen, now);
}

/* ---- a remapped port in a packet ---- */

int prove_remap_write(struct __sk_buff *skb, const struct nb_pkt *pkt, bool of_sender, __u32 port)
{
	return nb_l4port_remap_write(skb, pkt, of_sender, port);
}

int prove_remap_write_quoted(struct __sk_buff *skb, const struct nb_pkt *pkt, bool of_sender, __u32 port)
{
	return nb_l4port_remap_write_quoted(skb, pkt, of_sender, port);
}
