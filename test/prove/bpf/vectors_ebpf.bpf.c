// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Functions of mode ebpf for vectors.h, by number. */
#include "ebpf.bpf.c"

#include "vectors.h"

struct {
	struct nb_pkt pkt;
	struct nb_conn conn;
	struct nb_tuple key, key2;
	struct nb_icmp_nat work;
	struct nb_unquoted packet;
	struct nb_port to;
	struct nb_addr addr, addr2;
} data SEC(".data.structs");

static __always_inline __u64 vector_checksums(struct __sk_buff *skb)
{
	switch (input.function) {
	case 0:
		return nb_csum_fold(input.arg[0]);
	case 1:
		return nb_csum_fold(nb_csum_pseudo(&data.addr, &data.addr2, input.arg[0], input.arg[1]));
	case 2:
		return nb_translate(skb, &data.pkt, &data.conn, &data.to);
	case 3:
		if (!nb_icmp_parse_quoted(skb, &data.pkt, &data.work.outer) || data.work.outer.redirect ||
		    data.work.outer.truncated)
			return NB_PASS;
		return nb_icmp_nat_translate(skb, &data.pkt, &data.conn, &data.work, NULL);
	case 4:
		return nb_echo_set_reply(skb, &data.pkt) && nb_echo_swap_addresses(skb, &data.pkt);
	default:
		nb_conn_set_csum(&data.key, &data.conn);
		return nb_csum_fold(data.conn.csum_addr) + ((__u64)nb_csum_fold(data.conn.csum_port) << 32);
	}
}

static __always_inline __u64 vector_table(void)
{
	switch (input.function) {
	case 10:
		return nb_conn_hash(NULL, &data.key);
	case 11:
		return nb_set_home(NULL, input.arg[0]);
	case 12:
		return nb_hash_next(input.arg[0]);
	case 13:
		return nb_way_word(input.arg[0], input.arg[1]);
	case 14:
		return nb_way_entry_id(input.arg[0]);
	case 15:
		return nb_way_is(input.arg[0], input.arg[1], input.arg[2]);
	case 16:
		return nb_key_same(&data.key, &data.key2) | nb_tuple_same(&data.key, &data.key2) << 1;
	default:
		return nb_may_be_vip(&data.addr);
	}
}

static __always_inline __u64 vector_life(void)
{
	const __u64 *arg = input.arg;

	switch (input.function) {
	case 20:
		return nb_life_expired(arg[0], arg[1]);
	case 21:
		return nb_life_with(arg[0], arg[1], arg[2], arg[3]);
	case 22:
		return nb_life_with_expires(arg[0], arg[1]) ^ nb_life_next(arg[0]);
	case 23:
		return nb_life_with_use(arg[0], arg[1]) + nb_life_state(arg[0]);
	case 24:
		return nb_life_same(arg[0], arg[1]) | nb_life_same_gen(arg[0], arg[1]) << 1 |
		       nb_life_is_steady(arg[0]) << 2;
	default:
		return nb_tagged(nb_tag(arg[0], arg[2], arg[3]), arg[1]);
	}
}

SEC("tc")
int vector(struct __sk_buff *skb)
{
	output = input.function < 10   ? vector_checksums(skb)
		 : input.function < 20 ? vector_table()
				       : vector_life();
	return 0;
}
