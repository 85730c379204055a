// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The object that holds what is proven of mode ebpf: its programs as they are, and a function for each
 * piece that the compiler otherwise puts into others.
 */
#include "fold_calls.h"

#include "bpf/natbridge.bpf.c"

#include "constants.h"

CONSTANT(NB_CONTINUE);
CONSTANT(NB_PASS);
CONSTANT(NB_DROPPED);
CONSTANT(NB_DROP_WRITE);
CONSTANT(NB_OFF_MAX);
CONSTANT(NB_REJECT_QUOTED_V4);
CONSTANT(NB_REJECT_QUOTED_V6);
CONSTANT(NB_ENTRY_ID_BITS);
CONSTANT(NB_AGAIN);
CONSTANT(NB_LIFE_STEADY);
CONSTANT(NB_USE_TAKEN);
CONSTANT(NB_SMALL_MASK);

/* ---- checksums ---- */

__u64 prove_csum_fold(__u64 sum)
{
	return nb_csum_fold(sum);
}

__u32 prove_csum_fold_small(__u32 sum)
{
	return nb_csum_fold_small(sum);
}

__u32 prove_csum_pseudo(const struct nb_addr *src, const struct nb_addr *dst, __u32 len, __u8 proto)
{
	return nb_csum_pseudo(src, dst, len, proto);
}

int prove_conn_set_csum(const struct nb_tuple *key, struct nb_conn *conn)
{
	nb_conn_set_csum(key, conn);
	return 0;
}

int prove_plan_reply(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	nb_plan_reply(pkt, s);
	return 0;
}

/* As nb_icmp_nat_from_pod(), with an entry that was found. */
int prove_icmp_error(struct __sk_buff *skb, struct nb_pkt *pkt, const struct nb_conn *conn,
		     struct nb_icmp_nat *work, const struct nb_port *to)
{
	if (!nb_icmp_parse_quoted(skb, pkt, &work->outer) || work->outer.redirect || work->outer.truncated)
		return NB_PASS;
	return nb_icmp_nat_translate(skb, pkt, conn, work, to);
}

int prove_echo(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	return nb_echo_set_reply(skb, pkt) && nb_echo_swap_addresses(skb, pkt) ? NB_CONTINUE : NB_PASS;
}

int prove_complete_check(struct __sk_buff *skb, bool is_v4, const struct nb_unquoted *packet)
{
	return nb_complete_check(skb, is_v4, packet) ? NB_CONTINUE : NB_PASS;
}

/* ---- ports and addresses ---- */

__u32 prove_l4port_random(__u32 old)
{
	return nb_l4port_random(old);
}

bool prove_may_be_vip(const struct nb_addr *addr)
{
	return nb_may_be_vip(addr);
}

bool prove_may_go_to_vip(const void *ip, bool v4)
{
	return v4 ? nb_may_go_to_vip(ip, true) : nb_may_go_to_vip(ip, false);
}

/* ---- the table of connections ---- */

__u64 prove_conn_hash(const struct nb_tuple *key)
{
	return nb_conn_hash(NULL, key);
}

__u32 prove_set_home(__u64 hash)
{
	return nb_set_home(NULL, hash);
}

__u64 prove_hash_next(__u64 hash)
{
	return nb_hash_next(hash);
}

__u64 prove_way_word(__u64 hash, __u32 entry_id)
{
	return nb_way_word(hash, entry_id);
}

__u32 prove_way_entry_id(__u64 word)
{
	return nb_way_entry_id(word);
}

bool prove_way_is(__u64 word, __u64 hash, __u64 except)
{
	return nb_way_is(word, hash, except);
}

bool prove_key_same(const struct nb_tuple *a, const struct nb_tuple *b)
{
	return nb_key_same(a, b);
}

bool prove_tuple_same(const struct nb_tuple *a, const struct nb_tuple *b)
{
	return nb_tuple_same(a, b);
}

int prove_backend_choose(const struct nb_tuple *tuple, const struct nb_frontend *frontend, bool again,
			 struct nb_backend *out)
{
	return nb_backend_choose(tuple, frontend, again, out);
}

bool prove_life_expired(__u64 life, __u32 now)
{
	return nb_life_expired(life, now);
}

/* ---- the words of an entry ---- */

__u64 prove_life_with(__u64 life, __u32 state, __u32 flags, __u32 expires)
{
	return nb_life_with(life, state, flags, expires);
}

__u64 prove_life_with_expires(__u64 life, __u32 expires)
{
	return nb_life_with_expires(life, expires);
}

__u64 prove_life_with_use(__u64 life, __u32 use)
{
	return nb_life_with_use(life, use);
}

__u64 prove_life_next(__u64 life)
{
	return nb_life_next(life);
}

__u32 prove_life_expires(__u64 life)
{
	return nb_life_expires(life);
}

__u32 prove_life_flags(__u64 life)
{
	return nb_life_flags(life);
}

__u32 prove_life_state(__u64 life)
{
	return nb_life_state(life);
}

__u32 prove_life_use(__u64 life)
{
	return nb_life_use(life);
}

bool prove_life_is_steady(__u64 life)
{
	return nb_life_is_steady(life);
}

bool prove_life_same(__u64 a, __u64 b)
{
	return nb_life_same(a, b);
}

bool prove_life_same_gen(__u64 a, __u64 b)
{
	return nb_life_same_gen(a, b);
}

__u64 prove_tag(__u64 life, __u32 more, __u32 value)
{
	return nb_tag(life, more, value);
}

__u64 prove_tagged(__u64 word, __u64 life)
{
	return nb_tagged(word, life);
}

__u32 prove_tagged_more(__u64 word)
{
	return nb_tagged_more(word);
}
