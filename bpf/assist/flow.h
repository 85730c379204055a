/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_ASSIST_FLOW_H
#define NATBRIDGE_BPF_ASSIST_FLOW_H

/*
 * Mode assist: the connections that the host's conntrack does not see, since they are switched. What is known
 * here needs no look into the kernel's table, and cannot be taken for a translated connection that looks the
 * same between the two pods.
 *
 * An array of sets, each with the flows whose keys hash to it, rather than a map of the kernel's: to enter a
 * connection into an LRU map took as long as to send two packets. What was not used for the longest time
 * gives way to a new one when its set is full.
 */

#include "bpf/lib/pkt.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NB_DEFAULT_FLOWS / NB_FLOW_WAYS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_flow_set);
} flows SEC(".maps");

/* Tags of no flow; every flow's is larger. BUSY: somebody is writing it. */
enum { NB_TAG_FREE, NB_TAG_BUSY, NB_TAG_FLOW };

/* Whether the tuple's dst comes first in the key of its flow. Any order will do. */
static __always_inline bool nb_flow_swapped(const struct nb_tuple *tuple)
{
	for (int i = 3; i >= 0; i--)
		if (tuple->src.w[i] != tuple->dst.w[i])
			return tuple->src.w[i] > tuple->dst.w[i];
	return tuple->sport > tuple->dport;
}

/* Turns a tuple into the key that both directions of its connection share. Returns which end of the key is
 * the one that sends with this tuple: 0 its src, 1 its dst. */
static __always_inline __u32 nb_flow_order(struct nb_tuple *tuple)
{
	struct nb_addr addr = tuple->src;
	__be16 port = tuple->sport;

	if (!nb_flow_swapped(tuple))
		return 0;
	tuple->src = tuple->dst;
	tuple->dst = addr;
	tuple->sport = tuple->dport;
	tuple->dport = port;
	return 1;
}

static __always_inline __u32 nb_flow_key(const struct nb_tuple *tuple, struct nb_tuple *key)
{
	*key = *tuple;
	return nb_flow_order(key);
}

enum { NB_FLOW_CLOSED = 3 }; /* both ends have sent FIN */

/* How long a connection without packets may still go on. A direct one that another depends on, which has its
 * tuple and got another port, goes on with that one, whose answers do not come by here. */
static __always_inline __u32 nb_flow_timeout(const struct nb_flow *flow, __u8 proto)
{
	if (flow->kind == NB_FLOW_DIRECT && (flow->port[0] || flow->port[1]))
		return nb_settings.timeouts[NB_TCP_ESTABLISHED];
	if (proto == IPPROTO_TCP)
		return nb_settings.timeouts[flow->closing ? NB_TCP_TIME_WAIT : NB_TCP_ESTABLISHED];
	return nb_settings.timeouts[proto == IPPROTO_UDP ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_ICMP];
}

/* The set that a key belongs to, and the key's tag there. The sums' upper bits are a universal hash of the
 * key (multilinear, with odd 64-bit constants; the products do not wait for each other). */
static __always_inline struct nb_flow_set *nb_flow_set(const struct nb_tuple *key, __u32 *tag)
{
	__u64 hash = key->src.w[0] * 0x9e3779b97f4a7c15ULL + key->src.w[1] * 0xbf58476d1ce4e5b9ULL +
		     key->src.w[2] * 0x94d049bb133111ebULL + key->src.w[3] * 0xd6e8feb86659fd93ULL +
		     key->dst.w[0] * 0xa0761d6478bd642fULL + key->dst.w[1] * 0xe7037ed1a0b428dbULL +
		     key->dst.w[2] * 0x8ebc6af09c88c6e3ULL + key->dst.w[3] * 0x589965cc75374cc3ULL +
		     ((__u32)key->sport << 16 | key->dport) * 0x1d8e4e27c47d124fULL +
		     key->proto * 0xeb44accab455d165ULL;
	__u32 index = ((hash >> 32) * nb_constants.flow_sets) >> 32;

	*tag = (__u32)(hash >> 16) | NB_TAG_FLOW;
	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline bool nb_tuple_same(const struct nb_tuple *a, const struct nb_tuple *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->proto == b->proto &&
	       nb_addr_same(&a->src, &b->src) && nb_addr_same(&a->dst, &b->dst);
}

/* 1 if a is b, else 0, without a branch: the verifier would follow each one for each place of a set. */
static __always_inline __u32 nb_same(__u32 a, __u32 b)
{
	__u64 differs = a ^ b;

	asm volatile("" : "+r"(differs));
	return (differs - 1) >> 63;
}

/* The place of a key in its set; NB_FLOW_WAYS: it is not there. */
static __always_inline __u32 nb_flow_way(struct nb_flow_set *set, const struct nb_tuple *key, __u32 tag)
{
	__u32 way = 0, found = 0;

	for (__u32 i = 0; i < NB_FLOW_WAYS; i++) {
		__u32 same = nb_same(set->heads[i].tag, tag);

		found |= same;
		way += i * same;
	}
	way &= NB_FLOW_WAYS - 1;
	asm volatile("" : "+r"(way));
	return found && nb_tuple_same(&set->flows[way].key, key) ? way : NB_FLOW_WAYS;
}

/* Where a flow is kept; flow is NULL if it is unknown, or over. */
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
	/* Another CPU may have seen it in the next tick already. */
	return (__s32)(now - found.head->seen) <= (__s32)nb_flow_timeout(found.flow, key->proto) ? found
												 : none;
}

/* The place of a set that is free, or was not used for the longest time. */
static __always_inline __u32 nb_flow_victim(const struct nb_flow_set *set, __u32 now)
{
	__u64 oldest = 0;

	for (__u32 i = 0; i < NB_FLOW_WAYS; i++) {
		/* "seen" may be a tick ahead of now: ages from 1 on; nobody has seen what is free. */
		__u64 age = (now + 1 - set->heads[i].seen) & 0x7fffffff;
		__u64 one = (age | (__u64)nb_same(set->heads[i].tag, NB_TAG_FREE) << 31) << 3 | i;
		__u64 less = (__s64)(oldest - one) >> 63; /* all ones if oldest is less */

		asm volatile("" : "+r"(less));
		oldest ^= (oldest ^ one) & less;
	}
	return oldest & (NB_FLOW_WAYS - 1);
}

/*
 * Enters a flow, or writes over the one with its key. Which end has which port: see struct nb_flow. False:
 * not done, since another CPU is writing there.
 */
__noinline bool nb_flow_put(const struct nb_tuple *key, __u32 now, __u32 kind, __u32 port0, __u32 port1)
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
	old = set->heads[way].tag;
	if (old == NB_TAG_BUSY || __sync_val_compare_and_swap(&set->heads[way].tag, old, NB_TAG_BUSY) != old)
		return false;
	flow = &set->flows[way];
	flow->key = *key;
	flow->port[0] = port0;
	flow->port[1] = port1;
	flow->kind = kind;
	flow->closing = 0;
	set->heads[way].seen = now;
	__sync_val_compare_and_swap(&set->heads[way].tag, NB_TAG_BUSY, tag); /* and a barrier */
	return true;
}

/* Writes down that a packet of the flow was seen, which one end has sent. */
static __always_inline void nb_flow_seen(const struct nb_pkt *pkt, const struct nb_flow_ref *ref, __u32 end)
{
	if (ref->head->seen != pkt->now)
		ref->head->seen = pkt->now;
	if (pkt->tuple.proto != IPPROTO_TCP)
		return;
	if (pkt->tcp_flags & NB_RST)
		ref->flow->closing = NB_FLOW_CLOSED;
	else if (pkt->tcp_flags & NB_SYN)
		ref->flow->closing = 0;
	else if (pkt->tcp_flags & NB_FIN)
		ref->flow->closing |= 1 << end;
}

static __always_inline void nb_flow_begin(const struct nb_pkt *pkt, const struct nb_tuple *key,
					  enum nb_flow_kind kind)
{
	nb_flow_put(key, pkt->now, kind, 0, 0);
}

/* Its tuple is free for another connection. */
static __always_inline void nb_flow_end(const struct nb_flow_ref *ref)
{
	ref->head->tag = NB_TAG_FREE;
}

#endif
