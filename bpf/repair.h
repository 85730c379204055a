/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_REPAIR_H
#define NATBRIDGE_BPF_REPAIR_H

/* Half a connection: the entry of the other direction is missing and is made anew from the one that is left.
 */

#include "nat.h"

/* Sets the port that sends in the other direction, and the one that receives. */
static __always_inline bool nb_repair_ports(const struct nb_conn *conn, struct nb_conn *other)
{
	bool via_host = conn->flags & NB_CONN_VIA_HOST, reply = conn->flags & NB_CONN_REPLY;
	__u32 slot = conn->out_slot, sender = conn->in_ifindex, *found;
	struct nb_endpoint *endpoint;
	struct nb_addr backend;
	struct nb_port *port;

	if (via_host && !reply) {
		backend = conn->dst;
		endpoint = bpf_map_lookup_elem(&endpoints, &backend);
		slot = endpoint ? endpoint->slot : NB_SLOT_HOST;
	}
	port = nb_port_of_slot(slot);
	other->in_ifindex = port ? port->ifindex : 0;
	if (via_host && reply)
		return true; /* the client's packets go to the host: slot 0, generation 0 */
	found = bpf_map_lookup_elem(&links, &sender);
	port = found ? nb_port_of_slot(*found) : NULL;
	if (!port)
		return false;
	other->out_slot = *found;
	other->out_gen = port->gen;
	return true;
}

/* conn is the live entry of *pkt, whose other half is not there. */
__noinline int nb_repair(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	__u32 zero = 0;
	struct nb_scratch *s = bpf_map_lookup_elem(&scratch, &zero);

	if (!s || !pkt || !conn)
		return NB_PASS;
	s->key = pkt->tuple;
	nb_conn_other_key(conn, pkt->tuple.proto, &s->rev_key);
	s->rev = *conn;
	s->rev.src = pkt->tuple.dst;
	s->rev.dst = pkt->tuple.src;
	s->rev.sport = pkt->tuple.dport;
	s->rev.dport = pkt->tuple.sport;
	s->rev.flags = conn->flags ^ NB_CONN_REPLY;
	s->rev.out_slot = NB_SLOT_HOST;
	s->rev.out_gen = 0;
	s->rev.seq_end = s->rev.ack = s->rev.retrans = 0;
	nb_conn_set_csum(&s->rev_key, &s->rev);
	if (nb_repair_ports(conn, &s->rev) &&
	    !bpf_map_update_elem(&conntrack, &s->rev_key, &s->rev, BPF_NOEXIST)) {
		nb_count(NB_COUNT_REPAIRED);
		return NB_CONTINUE;
	}
	bpf_map_delete_elem(&conntrack, &s->key);
	return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_GONE) : NB_PASS;
}

#endif
