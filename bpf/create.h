/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_CREATE_H
#define NATBRIDGE_BPF_CREATE_H

/*
 * A new connection: which backend, which path, which source port, and its two entries in the table. The reply
 * entry goes in first, both only where there is none yet; who loses a race takes over what the winner wrote.
 */

#include "nat.h"
#include "ring.h"
#include "service.h"

enum {
	NB_PORT_TRIES = 128, /* random source ports tried on a clash (as nf_nat_l4proto_unique_tuple()) */
	NB_INSERT_TRIES = 2,
};

/*
 * Whether the reply tuple belongs to another live connection. A dead one is removed on the way, and with
 * reclaim one that has been closed as well. An entry whose other half is mine is my own connection, half of
 * which got lost or is being written right now.
 */
__noinline bool nb_reply_taken(const struct nb_tuple *rev_key, const struct nb_tuple *mine, __u32 now,
			       bool reclaim)
{
	struct nb_conn *conn;

	if (!rev_key || !mine)
		return true;
	conn = bpf_map_lookup_elem(&conntrack, rev_key);
	if (!conn)
		return false;
	if (nb_conn_receiver(conn, now) &&
	    !(reclaim && (conn->state == NB_TCP_TIME_WAIT || conn->state == NB_TCP_CLOSE)))
		return !nb_conn_paired(conn, mine);
	nb_conn_delete(rev_key, conn);
	return false;
}

/* A random port of the class that the old one is in: the kernel keeps ports of below 512, 1024 and above
 * apart. */
static __always_inline __be16 nb_port_random(__be16 old)
{
	__u32 port = bpf_ntohs(old), low = 1024, span = 65536 - 1024;

	if (port < 512) {
		low = 1;
		span = 511;
	} else if (port < 1024) {
		low = 600;
		span = 424;
	}
	return bpf_htons(low + (((__u64)bpf_get_prandom_u32() * span) >> 32));
}

struct nb_port_search {
	struct nb_tuple *rev_key;
	const struct nb_pkt *pkt;
	bool found;
};

static long nb_port_try(__u64 i __attribute__((unused)), struct nb_port_search *search)
{
	search->rev_key->dport = nb_port_random(search->pkt->tuple.sport);
	if (nb_reply_taken(search->rev_key, &search->pkt->tuple, search->pkt->now, true))
		return 0;
	search->found = true;
	return 1;
}

/* Gives fwd a source port with which the backend's answers belong to no other connection, and sets rev_key.
 */
static __always_inline int nb_source_port_find(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	struct nb_port_search search = { .rev_key = &s->rev_key, .pkt = pkt };

	nb_conn_other_key(&s->fwd, pkt->tuple.proto, &s->rev_key);
	if (!nb_reply_taken(&s->rev_key, &pkt->tuple, pkt->now, false))
		return NB_CONTINUE;
	bpf_loop(NB_PORT_TRIES, nb_port_try, &search, 0);
	if (!search.found)
		return nb_drop(NB_DROP_NO_PORT);
	s->fwd.sport = s->rev_key.dport;
	nb_count(NB_COUNT_PORT_CHANGED);
	return NB_CONTINUE;
}

/* The backend's port, if it is a pod of this bridge, and what follows from that for the way of the packets.
 */
static __always_inline int nb_route(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__u32 *slot = bpf_map_lookup_elem(&links, &pkt->ifindex);
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &s->fwd.dst);
	struct nb_port *client, *backend = NULL;

	client = slot ? nb_port_of_slot(*slot) : NULL;
	if (!client)
		return NB_PASS; /* a port that is not (or no longer) a pod's */
	s->rev.out_slot = *slot;
	s->rev.out_gen = client->gen;
	if (endpoint)
		backend = nb_port_of_slot(endpoint->slot);
	if (!backend || !backend->ifindex) {
		s->fwd.flags |= NB_CONN_VIA_HOST;
		return NB_CONTINUE;
	}
	s->rev.in_ifindex = backend->ifindex;
	s->fwd.out_slot = endpoint->slot;
	s->fwd.out_gen = backend->gen;
	if (backend->ifindex == pkt->ifindex) {
		if (!(endpoint->gateway.w[0] | endpoint->gateway.w[1] | endpoint->gateway.w[2] |
		      endpoint->gateway.w[3]))
			return nb_drop(NB_DROP_NO_GATEWAY);
		s->fwd.src = endpoint->gateway;
		s->fwd.flags |= NB_CONN_HAIRPIN;
		return NB_CONTINUE;
	}
	if (client->flags & backend->flags & NB_PORT_ISOLATED)
		return nb_drop(NB_DROP_ISOLATED);
	if (!nb_settings.fast_path || (client->flags | backend->flags) & NB_PORT_NO_FAST_PATH) {
		s->fwd.flags |= NB_CONN_VIA_HOST;
		s->fwd.out_slot = NB_SLOT_HOST;
		s->fwd.out_gen = 0;
	}
	return NB_CONTINUE;
}

/* The reply entry follows from the client's one. */
static __always_inline void nb_make_reply(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	s->rev.src = pkt->tuple.dst;
	s->rev.dst = pkt->tuple.src;
	s->rev.sport = pkt->tuple.dport;
	s->rev.dport = pkt->tuple.sport;
	s->rev.flags = s->fwd.flags | NB_CONN_REPLY;
	s->rev.expires = s->fwd.expires;
	s->rev.created = s->fwd.created;
	s->rev.ring = s->fwd.ring;
	s->rev.service = s->fwd.service;
	s->rev.epoch = s->fwd.epoch;
	nb_conn_set_csum(&pkt->tuple, &s->fwd);
	nb_conn_set_csum(&s->rev_key, &s->rev);
}

/* The client's entry may be there already: then the other CPU's is the connection, and ours is taken back. */
static __always_inline int nb_insert_client(const struct nb_pkt *pkt, struct nb_scratch *s, bool own_reply)
{
	struct nb_conn *winner;

	if (!bpf_map_update_elem(&conntrack, &pkt->tuple, &s->fwd, BPF_NOEXIST)) {
		nb_count(own_reply ? NB_COUNT_INSERT : NB_COUNT_REPAIRED);
		return NB_CONTINUE;
	}
	nb_ring_release(s->fwd.ring);
	winner = bpf_map_lookup_elem(&conntrack, &pkt->tuple);
	if (own_reply && !(winner && nb_conn_paired(winner, &s->rev_key)))
		bpf_map_delete_elem(&conntrack, &s->rev_key);
	nb_count(winner ? NB_COUNT_CLASH_RESOLVE : NB_COUNT_INSERT_FAILED);
	return winner ? NB_CONTINUE : nb_drop(NB_COUNT_INSERT_FAILED);
}

static __always_inline int nb_insert(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__s64 place = nb_ring_take(&s->victim, pkt->now);
	int rc = 0;

	if (place < 0)
		return nb_drop(NB_DROP_TABLE_FULL);
	s->fwd.ring = place;
	nb_ring_write(place, &pkt->tuple);
	for (int i = 0; i < NB_INSERT_TRIES; i++) {
		rc = nb_source_port_find(pkt, s);
		if (rc != NB_CONTINUE)
			break;
		if (s->fwd.sport != pkt->tuple.sport)
			s->fwd.flags |= NB_CONN_NAT;
		nb_make_reply(pkt, s);
		if (!bpf_map_update_elem(&conntrack, &s->rev_key, &s->rev, BPF_NOEXIST))
			return nb_insert_client(pkt, s, true);
		if (!nb_reply_taken(&s->rev_key, &pkt->tuple, pkt->now, false) &&
		    bpf_map_lookup_elem(&conntrack, &s->rev_key))
			return nb_insert_client(pkt, s, false);
		rc = nb_drop(NB_COUNT_INSERT_FAILED);
	}
	nb_ring_release(place);
	return rc;
}

/* Whether a packet may begin a connection, or take one up in its middle (the kernel's tcp_loose). */
static __always_inline bool nb_may_begin(const struct nb_pkt *pkt)
{
	enum nb_tcp_kind kind = nb_tcp_kind(pkt->tcp_flags);

	return pkt->tuple.proto != IPPROTO_TCP || kind == NB_KIND_ACK ||
	       (kind == NB_KIND_SYN && !(pkt->tcp_flags & NB_FIN));
}

/*
 * Makes the connection that this packet begins, if its destination is a frontend or a backend of one. again:
 * there was a connection with this tuple before. NB_CONTINUE: the table now has it (ours or another CPU's).
 */
__noinline int nb_create(const struct nb_pkt *pkt, bool again)
{
	__u32 zero = 0;
	struct nb_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	struct nb_frontend *frontend;
	struct nb_backend backend;
	int rc;

	if (!pkt || !s)
		return NB_PASS;
	frontend = nb_frontend_find(&pkt->tuple);
	if (!frontend)
		return NB_PASS;
	__builtin_memset(s, 0, sizeof(*s));
	s->fwd.src = pkt->tuple.src;
	s->fwd.dst = pkt->tuple.dst;
	s->fwd.sport = pkt->tuple.sport;
	s->fwd.dport = pkt->tuple.dport;
	s->fwd.in_ifindex = pkt->ifindex;
	s->fwd.created = pkt->now;
	s->fwd.expires = pkt->now + nb_second; /* set in earnest by the step that follows */
	if (frontend->flags & NB_FRONTEND_SERVICE) {
		__u32 service = frontend->service;
		__u32 *epoch = bpf_map_lookup_elem(&epochs, &service);

		if (!nb_may_begin(pkt))
			return nb_drop(NB_DROP_INVALID);
		if (pkt->fragment)
			return nb_drop(NB_DROP_FRAGMENT);
		s->fwd.epoch = epoch ? *epoch : 0; /* read before the set: a change in between is noticed */
		rc = nb_backend_choose(&pkt->tuple, frontend, again, &backend);
		if (rc != NB_CONTINUE)
			return rc;
		s->fwd.service = service;
		s->fwd.dst = backend.addr;
		s->fwd.dport = backend.port;
		s->fwd.flags = NB_CONN_SERVICE | NB_CONN_NAT;
	} else if (!nb_may_begin(pkt) || pkt->fragment) {
		return NB_PASS;
	}
	rc = nb_route(pkt, s);
	return rc == NB_CONTINUE ? nb_insert(pkt, s) : rc;
}

#endif
