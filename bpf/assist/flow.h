/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_FLOW_H
#define NATBRIDGE_BPF_ASSIST_FLOW_H

/*
 * Mode assist: the connections between pods that natbridge remembers. Those that are switched, the
 * host's conntrack does not see: a packet of a known flow needs no lookup there, and is not taken
 * for one of a translated connection that looks the same between the two pods.
 *
 * The table is an array of sets, each with the flows whose keys hash to it; inserting into an LRU
 * map of the kernel's took as long as sending two packets. In a full set the least recently used
 * flow gives way.
 *
 * Several CPUs use it without a lock. A CPU that inserts owns the element while its tag is
 * NB_FLOW_TAG_BUSY. A reader does not check the key again after it was found: if the element is
 * taken for another flow meanwhile, one packet is treated as one of that flow.
 */

#include "bpf/lib/pkt.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NB_DEFAULT_FLOWS / NB_FLOW_WAYS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_flow_set);
} flows SEC(".maps");

enum {
	NB_FLOW_TAG_FREE,
	NB_FLOW_TAG_BUSY,  /* a CPU writes the flow */
	NB_FLOW_TAG_FIRST, /* a flow's tag is this bit and bits of its key's hash */

	NB_FLOW_CLOSED = 3, /* nb_flow.closing: both ends have sent FIN */
};

static __always_inline bool nb_is_syn(const struct nb_pkt *pkt)
{
	return pkt->tuple.proto == IPPROTO_TCP && (pkt->tcp_flags & (NB_SYN | NB_ACK)) == NB_SYN;
}

/* ---- keys ---- */

/* Whether the key of a tuple's flow begins with the tuple's dst. Any order will do. */
static __always_inline bool nb_flow_swapped(const struct nb_tuple *tuple)
{
	for (int i = 3; i >= 0; i--)
		if (tuple->src.w[i] != tuple->dst.w[i])
			return tuple->src.w[i] > tuple->dst.w[i];
	return tuple->sport > tuple->dport;
}

/*
 * Turns a tuple into the key that both directions of its connection share. Returns the key's end
 * that sends with the tuple: 0 its src, 1 its dst.
 */
static __always_inline __u32 nb_flow_order(struct nb_tuple *tuple)
{
	if (!nb_flow_swapped(tuple))
		return 0;
	nb_tuple_swap_ends(tuple);
	return 1;
}

static __always_inline __u32 nb_flow_key(const struct nb_tuple *tuple, struct nb_tuple *key)
{
	*key = *tuple;
	return nb_flow_order(key);
}

/*
 * The set of a key, and the key's tag there. The upper bits of the sum are a universal hash of the
 * key: multilinear, with odd 64-bit constants. The products do not wait for each other.
 */
static __always_inline struct nb_flow_set *nb_flow_set(const struct nb_tuple *key, __u32 *tag)
{
	__u64 hash = key->src.w[0] * 0x9e3779b97f4a7c15ULL + key->src.w[1] * 0xbf58476d1ce4e5b9ULL +
		     key->src.w[2] * 0x94d049bb133111ebULL + key->src.w[3] * 0xd6e8feb86659fd93ULL +
		     key->dst.w[0] * 0xa0761d6478bd642fULL + key->dst.w[1] * 0xe7037ed1a0b428dbULL +
		     key->dst.w[2] * 0x8ebc6af09c88c6e3ULL + key->dst.w[3] * 0x589965cc75374cc3ULL +
		     ((__u32)key->sport << 16 | key->dport) * 0x1d8e4e27c47d124fULL +
		     key->proto * 0xeb44accab455d165ULL;
	__u32 index = ((hash >> 32) * nb_constants.flow_sets) >> 32;

	*tag = (__u32)(hash >> 16) | NB_FLOW_TAG_FIRST;
	return bpf_map_lookup_elem(&flows, &index);
}

/* ---- lookup ---- */

/* 1 if a is b, else 0. Without a branch: the verifier would follow each one for each way of a set. */
static __always_inline __u32 nb_equal(__u32 a, __u32 b)
{
	__u64 differs = a ^ b;

	barrier_var(differs);
	return (differs - 1) >> 63;
}

/* The way of a key in its set; NB_FLOW_WAYS: none. */
static __always_inline __u32 nb_flow_way(struct nb_flow_set *set, const struct nb_tuple *key, __u32 tag)
{
	__u32 way = 0, found = 0;

	for (__u32 i = 0; i < NB_FLOW_WAYS; i++) {
		__u32 same = nb_equal(READ_ONCE(set->heads[i].tag), tag);

		found |= same;
		way += i * same;
	}
	way &= NB_FLOW_WAYS - 1;
	barrier_var(way);
	return found && nb_tuple_same(&set->flows[way].key, key) ? way : NB_FLOW_WAYS;
}

/*
 * How long a flow without packets lives, in ticks. A direct flow whose tuple a translated
 * connection has, too (flow->port), must outlive that one, whose answers do not pass here.
 */
static __always_inline __u32 nb_flow_timeout(const struct nb_flow *flow, __u8 proto)
{
	if (flow->kind == NB_FLOW_DIRECT && (flow->port[0] || flow->port[1]))
		return nb_settings.timeouts[NB_TCP_ESTABLISHED];
	if (proto == IPPROTO_TCP)
		return nb_settings.timeouts[flow->closing ? NB_TCP_TIME_WAIT : NB_TCP_ESTABLISHED];
	return nb_settings.timeouts[proto == IPPROTO_UDP ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_ICMP];
}

/* A flow's element of its set; flow is NULL if it is not known, or has expired. */
struct nb_flow_ref {
	struct nb_flow_head *head;
	struct nb_flow *flow;
};

static __always_inline struct nb_flow_ref nb_flow_find(const struct nb_tuple *key, __u32 now)
{
	struct nb_flow_ref none = {}, found;
	struct nb_flow_set *set;
	__u32 tag, way;

	set = nb_flow_set(key, &tag);
	if (!set)
		return none;
	way = nb_flow_way(set, key, tag);
	if (way >= NB_FLOW_WAYS)
		return none;
	found.head = &set->heads[way];
	found.flow = &set->flows[way];
	/* Signed: another CPU may have seen it in the next tick already. */
	return (__s32)(now - READ_ONCE(found.head->seen)) <= (__s32)nb_flow_timeout(found.flow, key->proto)
		       ? found
		       : none;
}

/* ---- changes ---- */

/* The way of a set that is free, or was not used for the longest time. */
static __always_inline __u32 nb_flow_victim(const struct nb_flow_set *set, __u32 now)
{
	__u64 oldest = 0;

	for (__u32 i = 0; i < NB_FLOW_WAYS; i++) {
		/* "seen" may be a tick ahead of now: ages from 1 on. Bit 31 stands for a free way. */
		__u64 age = (now + 1 - READ_ONCE(set->heads[i].seen)) & 0x7fffffff;
		__u64 free = nb_equal(READ_ONCE(set->heads[i].tag), NB_FLOW_TAG_FREE);
		__u64 one = (age | free << 31) << 3 | i;
		__u64 less = (__s64)(oldest - one) >> 63; /* all bits set if oldest is less */

		barrier_var(less);
		oldest ^= (oldest ^ one) & less;
	}
	return oldest & (NB_FLOW_WAYS - 1);
}

/*
 * Inserts a flow, or overwrites the one with its key. port0, port1: as in struct nb_flow. False:
 * another CPU writes in the same place, and nothing was done.
 */
__noinline bool nb_flow_insert(const struct nb_tuple *key, __u32 now, __u32 kind, __u32 port0, __u32 port1)
{
	struct nb_flow_set *set;
	__u32 tag, way, old;
	struct nb_flow *flow;

	if (!key)
		return false;
	set = nb_flow_set(key, &tag);
	if (!set)
		return false;
	way = nb_flow_way(set, key, tag);
	if (way >= NB_FLOW_WAYS)
		way = nb_flow_victim(set, now);
	old = READ_ONCE(set->heads[way].tag);
	if (old == NB_FLOW_TAG_BUSY ||
	    __sync_val_compare_and_swap(&set->heads[way].tag, old, NB_FLOW_TAG_BUSY) != old)
		return false;
	flow = &set->flows[way];
	flow->key = *key;
	flow->port[0] = port0;
	flow->port[1] = port1;
	flow->kind = kind;
	flow->closing = 0;
	WRITE_ONCE(set->heads[way].seen, now);
	/* A barrier as well: a reader that finds the tag finds the whole flow. */
	__sync_val_compare_and_swap(&set->heads[way].tag, NB_FLOW_TAG_BUSY, tag);
	return true;
}

static __always_inline void nb_flow_begin(const struct nb_pkt *pkt, const struct nb_tuple *key,
					  enum nb_flow_kind kind)
{
	nb_flow_insert(key, pkt->now, kind, 0, 0);
}

/*
 * Notes a packet of the flow that this end has sent. If two CPUs note a FIN at once, one may be
 * lost: then the flow only lives longer.
 */
static __always_inline void nb_flow_seen(const struct nb_pkt *pkt, const struct nb_flow_ref *ref, __u32 end)
{
	if (READ_ONCE(ref->head->seen) != pkt->now)
		WRITE_ONCE(ref->head->seen, pkt->now);
	if (pkt->tuple.proto != IPPROTO_TCP)
		return;
	if (pkt->tcp_flags & NB_RST)
		ref->flow->closing = NB_FLOW_CLOSED;
	else if (pkt->tcp_flags & NB_SYN)
		ref->flow->closing = 0;
	else if (pkt->tcp_flags & NB_FIN)
		ref->flow->closing |= 1 << end;
}

/* Frees the flow's tuple for another connection. */
static __always_inline void nb_flow_end(const struct nb_flow_ref *ref)
{
	WRITE_ONCE(ref->head->tag, NB_FLOW_TAG_FREE);
}

#endif
