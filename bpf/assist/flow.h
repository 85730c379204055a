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
 * Several CPUs use a set at once:
 *
 *   tag, key   are written by the CPU that has locked the set (nb_flow_lock()), and only while the
 *              flow's gen is odd. So a set has a key once, and a tag once.
 *   state      one word of 64 bits: ports, kind, closing, gen. It changes by an atomic operation.
 *              Comparing it all, gen included, changes the flow that was found, or nothing.
 *   seen       a plain store. A late one may reach the next flow of the place. That flow has just
 *              begun, so it is seen now, or a few ticks too early.
 *
 * A reader gets a copy of the state (nb_flow_find()) and uses that alone. It reads the state before
 * and after the key: if the gen is the same and even, the key and the copy are of one flow, and the
 * packet's tuple had that flow at this moment. If not, the flow began or ended meanwhile, and the
 * tuple counts as unknown.
 *
 * Barriers order these loads; the one of the state needs the way's number, which the tags tell.
 * Atomic operations that return a value are full barriers, too.
 */

#include "bpf/lib/pkt.h"

/*
 * On pages of its own, where no row of heads straddles a cache line. Userspace reads it by system
 * calls.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, NB_DEFAULT_FLOWS / NB_FLOW_WAYS); /* set at load */
	__type(key, __u32);
	__type(value, struct nb_flow_set);
} flows SEC(".maps");

enum {
	NB_FLOW_TAG_FREE = 0,
	NB_FLOW_TAG_TAKEN = 2, /* a flow's tag is this bit and bits of its key's hash */

	NB_FLOW_CLOSED = 3, /* nb_flow.closing: both ends have sent FIN */

	NB_FLOW_LOCK_TRIES = 1000,
	NB_FLOW_CHANGE_TRIES = 4,
};

/* The state of a flow: struct nb_flow from "port" on. */
union nb_flow_state {
	__u64 word;
	struct {
		__be16 port[2];
		__u8 kind;
		__u8 closing;
		__u16 gen;
	};
};

_Static_assert(sizeof(union nb_flow_state) == sizeof(struct nb_flow) - offsetof(struct nb_flow, port), "");

/* Key of a flow as a local variable: it is compared in words of 64 bits. */
#define NB_FLOW_KEY struct nb_tuple __attribute__((aligned(8)))

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

	*tag = (__u32)(hash >> 16) | NB_FLOW_TAG_TAKEN;
	return bpf_map_lookup_elem(&flows, &index);
}

/* ---- ways ---- */

/*
 * Loops over the ways have no branches: the verifier would follow each one for each way.
 *
 * How a tag differs from that of a way; 0: not at all. The first way's tag has one bit less.
 */
static __always_inline __u64 nb_flow_tag_differs(const struct nb_flow_set *set, __u32 way, __u32 tag)
{
	__u64 differs = READ_ONCE(set->heads[way].tag) ^ tag;

	if (!way)
		differs &= ~(__u64)NB_FLOW_LOCKED;
	barrier_var(differs);
	return differs;
}

/*
 * Sets a row of bits, from bit 0 on, for each way that has the tag. The longest row tells the way
 * by a multiplication (nb_flow_way()): the ranks follow from the de Bruijn sequence 0x1d.
 */
static __always_inline __u64 nb_flow_tagged(const struct nb_flow_set *set, __u32 tag)
{
	static const __u8 rank[NB_FLOW_WAYS] = { 0, 1, 6, 2, 7, 5, 4, 3 };
	__u64 row = 0;

#pragma unroll
	for (__u32 i = 0; i < NB_FLOW_WAYS; i++)
		row |= (nb_flow_tag_differs(set, i, tag) - 1) >> (63 - rank[i]);
	return row;
}

/* The way of a row that is not 0. */
static __always_inline __u32 nb_flow_way(__u64 row)
{
	__u32 way = ((row + 1) * 0x1d >> 6) & (NB_FLOW_WAYS - 1);

	barrier_var(way);
	return way & (NB_FLOW_WAYS - 1);
}

/* The way of a set that is free, or was not used for the longest time. */
static __always_inline __u32 nb_flow_victim(const struct nb_flow_set *set, __u32 now)
{
	__u64 oldest = 0;

#pragma unroll
	for (__u32 i = 0; i < NB_FLOW_WAYS; i++) {
		/* "seen" may be a tick ahead of now: ages from 1 on. Bit 31 stands for a free way. */
		__u64 age = (now + 1 - READ_ONCE(set->heads[i].seen)) & 0x7fffffff;
		__u64 free = (nb_flow_tag_differs(set, i, NB_FLOW_TAG_FREE) - 1) >> 63;
		__u64 one = (age | free << 31) << 3 | i;
		__u64 less = (__s64)(oldest - one) >> 63; /* all bits set if oldest is less */

		barrier_var(less);
		oldest ^= (oldest ^ one) & less;
	}
	return oldest & (NB_FLOW_WAYS - 1);
}

/* ---- lookup ---- */

static __always_inline __u64 *nb_flow_state_of(struct nb_flow *flow)
{
	return (__u64 *)flow->port;
}

/* How a flow's key differs from another one; 0: not at all. */
static __always_inline __u64 nb_flow_key_differs(const struct nb_flow *flow, const struct nb_tuple *key)
{
	const volatile __u64 *is = (const void *)&flow->key;
	const __u64 *want = (const void *)key;
	__u64 differs = 0;

#pragma unroll
	for (int i = 0; i < (int)(sizeof(*key) / sizeof(*want)); i++)
		differs |= is[i] ^ want[i];
	return differs;
}

/* A flow as nb_flow_find() has found it. */
struct nb_flow_ref {
	struct nb_flow_head *head;
	struct nb_flow *flow;
	union nb_flow_state state; /* a copy */
	__u32 seen;
};

/* The state of no flow: no flow has an odd gen. */
#define NB_FLOW_NONE (~0ULL)

static __always_inline __be16 nb_flow_port(const union nb_flow_state *state, __u32 end)
{
	return end ? state->port[1] : state->port[0];
}

/* Whether two flows of one key are the same. */
static __always_inline bool nb_flow_is(const union nb_flow_state *a, const union nb_flow_state *b)
{
	return a->kind == b->kind && a->port[0] == b->port[0] && a->port[1] == b->port[1];
}

/*
 * How long a flow without packets lives, in ticks. A direct flow whose tuple a translated
 * connection has, too (port), must outlive that one, whose answers do not pass here.
 */
static __always_inline __u32 nb_flow_timeout(const union nb_flow_state *flow, __u8 proto)
{
	if (flow->kind == NB_FLOW_DIRECT && (flow->port[0] || flow->port[1]))
		return nb_settings.timeouts[NB_TCP_ESTABLISHED];
	if (proto == IPPROTO_TCP)
		return nb_settings.timeouts[flow->closing ? NB_TCP_TIME_WAIT : NB_TCP_ESTABLISHED];
	return nb_settings.timeouts[nb_is_tracked_proto(proto) ? NB_TIMEOUT_UDP_STREAM : NB_TIMEOUT_ICMP];
}

static __always_inline bool nb_flow_expired(const union nb_flow_state *flow, __u8 proto, __u32 seen,
					    __u32 now)
{
	/* Signed: another CPU may have seen it in the next tick already. */
	return (__s32)(now - seen) > (__s32)nb_flow_timeout(flow, proto);
}

/*
 * key: NB_FLOW_KEY. False: it has no flow, or one that has expired; ref->state tells nb_flow_insert()
 * which.
 */
static __always_inline bool nb_flow_find(const struct nb_tuple *key, __u32 now, struct nb_flow_ref *ref)
{
	union nb_flow_state before, after;
	struct nb_flow_set *set;
	__u32 tag, way;
	__u64 row;

	ref->state.word = NB_FLOW_NONE;
	set = nb_flow_set(key, &tag);
	if (!set)
		return false;
	row = nb_flow_tagged(set, tag);
	if (!row)
		return false;
	way = nb_flow_way(row);
	ref->head = &set->heads[way];
	ref->flow = &set->flows[way];
	before.word = READ_ONCE(*nb_flow_state_of(ref->flow));
	nb_read_barrier();
	if (nb_flow_key_differs(ref->flow, key) || before.gen & 1)
		return false;
	nb_read_barrier();
	after.word = READ_ONCE(*nb_flow_state_of(ref->flow));
	if (after.gen != before.gen)
		return false;
	ref->state = after;
	ref->seen = READ_ONCE(ref->head->seen);
	return !nb_flow_expired(&after, key->proto, ref->seen, now);
}

/* ---- changes ---- */

/*
 * Changes the state of a flow from *state to "next". False: it has another state, which *state
 * becomes. With another gen, it is another flow.
 */
static __always_inline bool nb_flow_swap(const struct nb_flow_ref *ref, union nb_flow_state *state,
					 union nb_flow_state next)
{
	__u64 old = state->word;

	state->word = __sync_val_compare_and_swap(nb_flow_state_of(ref->flow), old, next.word);
	return state->word == old;
}

/* Changes "closing" of the flow that was found. If that has gone, or changes all the time, it does not. */
static __always_inline void nb_flow_set_closing(const struct nb_flow_ref *ref, __u8 clear, __u8 set)
{
	union nb_flow_state state = ref->state;

	for (int i = 0; i < NB_FLOW_CHANGE_TRIES && state.gen == ref->state.gen; i++) {
		union nb_flow_state next = state;

		next.closing = (next.closing & ~clear) | set;
		if (next.word == state.word || nb_flow_swap(ref, &state, next))
			break;
	}
}

/*
 * Notes the substitute port of the direct flow that was found, unless another CPU has noted one since.
 * Returns the port that is noted, or this one if the flow has gone.
 */
static __always_inline __be16 nb_flow_set_port(const struct nb_flow_ref *ref, __u32 end, __be16 port)
{
	const __be16 old = nb_flow_port(&ref->state, end);
	union nb_flow_state state = ref->state;

	for (int i = 0; i < NB_FLOW_CHANGE_TRIES && state.gen == ref->state.gen; i++) {
		union nb_flow_state next = state;

		if (nb_flow_port(&state, end) != old)
			return nb_flow_port(&state, end);
		if (end)
			next.port[1] = port;
		else
			next.port[0] = port;
		if (nb_flow_swap(ref, &state, next))
			break;
	}
	return port;
}

/* Notes a packet of the flow that this end has sent. If a FIN is lost, the flow only lives longer. */
static __always_inline void nb_flow_seen(const struct nb_pkt *pkt, const struct nb_flow_ref *ref, __u32 end)
{
	if (ref->seen != pkt->now)
		WRITE_ONCE(ref->head->seen, pkt->now);
	if (pkt->tuple.proto != IPPROTO_TCP)
		return;
	if (pkt->tcp_flags & NB_RST)
		nb_flow_set_closing(ref, 0, NB_FLOW_CLOSED);
	else if (pkt->tcp_flags & NB_SYN)
		nb_flow_set_closing(ref, NB_FLOW_CLOSED, 0);
	else if (pkt->tcp_flags & NB_FIN)
		nb_flow_set_closing(ref, 0, 1 << end);
}

static __always_inline bool nb_flow_try_lock(struct nb_flow_set *set)
{
	__u32 tag = READ_ONCE(set->heads[0].tag) & ~NB_FLOW_LOCKED;

	return __sync_val_compare_and_swap(&set->heads[0].tag, tag, tag | NB_FLOW_LOCKED) == tag;
}

struct nb_flow_lock_wait {
	struct nb_flow_set *set;
	bool locked;
};

static long nb_flow_lock_step(__u64 i __attribute__((unused)), struct nb_flow_lock_wait *wait)
{
	wait->locked = nb_flow_try_lock(wait->set);
	return wait->locked;
}

/*
 * Locks a set. False: other CPUs had it all the time. No program holds it for longer than it takes
 * to write a flow, unless a hypervisor stops the CPU.
 */
static __always_inline bool nb_flow_lock(struct nb_flow_set *set)
{
	struct nb_flow_lock_wait wait = { .set = set };

	if (nb_flow_try_lock(set))
		return true;
	bpf_loop(NB_FLOW_LOCK_TRIES, nb_flow_lock_step, &wait, 0);
	return wait.locked;
}

/* After an atomic operation behind all stores: the next CPU that locks the set sees them. */
static __always_inline void nb_flow_unlock(struct nb_flow_set *set)
{
	WRITE_ONCE(set->heads[0].tag, READ_ONCE(set->heads[0].tag) & ~NB_FLOW_LOCKED);
}

/* In a locked set. */
static __always_inline void nb_flow_set_tag(struct nb_flow_set *set, __u32 way, __u32 tag)
{
	WRITE_ONCE(set->heads[way].tag, way ? tag : tag | NB_FLOW_LOCKED);
}

/* In a locked set. From the first exchange on, whoever found the old flow can change nothing. */
static __always_inline void nb_flow_write(struct nb_flow_set *set, __u32 way, __u32 tag,
					  const struct nb_tuple *key, __u32 now, union nb_flow_state state)
{
	struct nb_flow *flow = &set->flows[way];
	union nb_flow_state old = { .word = READ_ONCE(*nb_flow_state_of(flow)) };

	old.gen |= 1;
	__sync_lock_test_and_set(nb_flow_state_of(flow), old.word);
	flow->key = *key;
	WRITE_ONCE(set->heads[way].seen, now);
	nb_flow_set_tag(set, way, tag);
	state.gen = old.gen + 1;
	__sync_lock_test_and_set(nb_flow_state_of(flow), state.word);
}

/* In a locked set: whether a way has the live flow of this key, and it is not that with the gen "old". */
static __always_inline bool nb_flow_is_other(struct nb_flow_set *set, __u32 way, const struct nb_tuple *key,
					     __u32 now, __u16 old, const union nb_flow_state *is)
{
	return !(is->gen & 1) && is->gen != old && !nb_flow_key_differs(&set->flows[way], key) &&
	       !nb_flow_expired(is, key->proto, READ_ONCE(set->heads[way].seen), now);
}

/*
 * Inserts a flow. old: the state of a flow with this key that is of no use any more, or
 * NB_FLOW_NONE. If the key has another flow, as another CPU was first, that one stays. True: the
 * key's flow has this kind and these ports. False also if the set could not be locked.
 */
__noinline bool nb_flow_insert(const struct nb_tuple *key, __u32 now, __u64 state, __u64 old)
{
	union nb_flow_state wanted = { .word = state }, gone = { .word = old }, is;
	struct nb_flow_set *set;
	bool same = true;
	__u32 tag, way;
	__u64 row;

	if (!key)
		return false;
	set = nb_flow_set(key, &tag);
	if (!set || !nb_flow_lock(set))
		return false;
	row = nb_flow_tagged(set, tag);
	/* Another key with this tag gives way, or a lookup could not tell the two. */
	way = row ? nb_flow_way(row) : nb_flow_victim(set, now);
	is.word = READ_ONCE(*nb_flow_state_of(&set->flows[way]));
	if (row && nb_flow_is_other(set, way, key, now, gone.gen, &is))
		same = nb_flow_is(&is, &wanted);
	else
		nb_flow_write(set, way, tag, key, now, wanted);
	nb_flow_unlock(set);
	return same;
}

/* Removes the key's flow, which frees its tuple. False: it has not this state any more. */
__noinline bool nb_flow_remove(const struct nb_tuple *key, __u64 state)
{
	union nb_flow_state is = { .word = state };
	struct nb_flow_set *set;
	bool removed = false;
	__u64 row, *word;
	__u32 tag, way;

	if (!key)
		return false;
	set = nb_flow_set(key, &tag);
	if (!set || !nb_flow_lock(set))
		return false;
	row = nb_flow_tagged(set, tag);
	way = nb_flow_way(row);
	word = nb_flow_state_of(&set->flows[way]);
	is.gen |= 1;
	if (row && !nb_flow_key_differs(&set->flows[way], key) &&
	    __sync_val_compare_and_swap(word, state, is.word) == state) {
		nb_flow_set_tag(set, way, NB_FLOW_TAG_FREE);
		__sync_lock_test_and_set(word, is.word); /* a barrier */
		removed = true;
	}
	nb_flow_unlock(set);
	return removed;
}

static __always_inline void nb_flow_begin(const struct nb_pkt *pkt, const struct nb_tuple *key,
					  enum nb_flow_kind kind, const struct nb_flow_ref *ref)
{
	union nb_flow_state state = { .kind = kind };

	nb_flow_insert(key, pkt->now, state.word, ref->state.word);
}

#endif
