// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/* Functions of mode assist for vectors.h, by number. */
#include "assist.bpf.c"

#include "vectors.h"

struct {
	struct nb_pkt pkt;
	struct nb_tuple key;
	struct nb_flow_set set;
} data SEC(".data.structs");

SEC("tc")
int vector(struct __sk_buff *skb)
{
	__u64 row;

	switch (input.function) {
	case 0:
		row = nb_flow_tagged(&data.set, input.arg[0]);
		output = row | (__u64)nb_flow_way(row) << 32;
		break;
	case 1:
		output = nb_flow_victim(&data.set, input.arg[0]);
		break;
	case 2:
		output = nb_flow_expired(&(union nb_flow_state){ .word = input.arg[2] }, input.arg[3],
					 input.arg[1], input.arg[0]);
		break;
	case 3:
		output = nb_flow_order(&data.key);
		break;
	case 4:
		output = nb_l4port_remap_write(skb, &data.pkt, input.arg[0] & 1, input.arg[1]);
		break;
	default:
		output = nb_l4port_remap_write_quoted(skb, &data.pkt, input.arg[0] & 1, input.arg[1]);
		break;
	}
	return 0;
}
