/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_CREATE_H
#define NATBRIDGE_BPF_EBPF_CONN_CREATE_H

/*
 * A new connection: which backend, which path, which source port, and its two entries in the table. The reply
 * tuple goes in first, both only where there is none yet; who loses a race takes over what the winner wrote.
 */

#include "affinity.h"
#include "conn_evict.h"
#include "fib.h"
#include "nat.h"

enum {
	NB_L4PORT_TRIES = 128, /* random source ports tried on a clash (as nf_nat_l4proto_unique_tuple()) */
	NB_INSERT_TRIES = 3,
};

/* Whether there was a connection with the tuple of a new one, if it is not known by its number. */
enum {
	NB_OLD_NONE = -1,
	NB_OLD_GONE = -2, /* there was one */
};

/* Whose a reply tuple is, if no connection is known by its number. */
enum {
	NB_REPLY_FREE = -1,
	NB_REPLY_TAKEN = -2, /* of another live connection */
};

/*
 * Whose a reply tuple is. A connection of *mine, which another CPU is entering right now or of which half got
 * lost: the number of that entry. A dead connection is removed on the way, and with reclaim one that has been
 * closed as well.
 */
__noinline __s64 nb_reply_look(const struct nb_tuple *reply, const struct nb_tuple *mine, __u32 now,
			       bool reclaim)
{
	struct nb_entry *entry, *other;
	__s64 slot;

	if (!reply || !mine)
		return NB_REPLY_TAKEN;
	/* Not nb_entry_find(): the stack would not do. */
	slot = nb_index_find(NULL, reply, nb_conn_hash(NULL, reply), 0);
	if (slot < 0)
		return NB_REPLY_FREE;
	entry = nb_entry_at(NULL, slot);
	other = nb_entry_at(NULL, slot ^ 1);
	if (!entry || !other)
		return NB_REPLY_FREE;
	if (nb_conn_lives(&entry->conn, now) && !(reclaim && nb_tcp_closed(entry->conn.state)))
		return nb_key_same(&other->key, mine) ? slot ^ 1 : NB_REPLY_TAKEN;
	nb_pair_end(slot, reply);
	return NB_REPLY_FREE;
}

/* A random port of the class that the old one is in: the kernel keeps ports of below 512, 1024 and above
 * apart. */
static __always_inline __be16 nb_l4port_random(__be16 old)
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

struct nb_l4port_search {
	struct nb_tuple *rev_key;
	const struct nb_pkt *pkt;
	bool found;
};

static long nb_l4port_try(__u64 i __attribute__((unused)), struct nb_l4port_search *search)
{
	search->rev_key->dport = nb_l4port_random(search->pkt->tuple.sport);
	if (nb_reply_look(search->rev_key, &search->pkt->tuple, search->pkt->now, true) != NB_REPLY_FREE)
		return 0;
	search->found = true;
	return 1;
}

/* Gives fwd a source port with which the backend's answers belong to no other connection. */
static __always_inline bool nb_source_port_find(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	struct nb_l4port_search search = { .rev_key = &s->rev_key, .pkt = pkt };

	bpf_loop(NB_L4PORT_TRIES, nb_l4port_try, &search, 0);
	if (!search.found)
		return false;
	s->fwd.sport = s->rev_key.dport;
	s->fwd.flags |= NB_CONN_NAT;
	nb_count(NB_COUNT_PORT_CHANGED);
	return true;
}

/* Notes once what fragment.h must know about the connections of a pod. */
static __always_inline void nb_endpoint_mark(const struct nb_addr *addr, __u32 flag)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &key);

	if (endpoint && !(endpoint->flags & flag))
		__sync_fetch_and_or(&endpoint->flags, flag);
}

/*
 * What a pod that reaches itself sees as the source: the gateway. Without one at the bridge, the Service's
 * address: the pod has a way to it, or this packet would not be here.
 */
static __always_inline struct nb_addr nb_own_source(const struct nb_pkt *pkt,
						    const struct nb_endpoint *endpoint)
{
	const struct nb_addr *gateway = &endpoint->gateway;

	return gateway->w[0] | gateway->w[1] | gateway->w[2] | gateway->w[3] ? *gateway : pkt->tuple.dst;
}

/* The backend's port, if it is a pod of this bridge, and what follows from that for the way of the packets.
 */
static __always_inline int nb_route(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__u32 ifindex = pkt->ifindex, *slot = bpf_map_lookup_elem(&links, &ifindex);
	struct nb_endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &s->fwd.dst);
	struct nb_port *client, *backend = NULL;

	client = slot ? nb_port_of_slot(*slot) : NULL;
	if (!client)
		return NB_PASS; /* a port that is not (or no longer) a pod's */
	s->rev.out_slot = *slot;
	s->rev.out_gen = client->gen & ~NB_GEN_CUT;
	if (endpoint)
		backend = nb_port_of_slot(endpoint->slot);
	if (!backend || !backend->ifindex) {
		s->fwd.flags |= NB_CONN_VIA_HOST;
		nb_endpoint_mark(&pkt->tuple.src, NB_ENDPOINT_VIA_HOST);
		return NB_CONTINUE;
	}
	if (backend->gen & NB_GEN_CUT)
		return s->fwd.flags & NB_CONN_NAT ? nb_drop(NB_DROP_CUT) : NB_PASS;
	if (!(endpoint->flags & NB_ENDPOINT_ANSWERS))
		__sync_fetch_and_or(&endpoint->flags, NB_ENDPOINT_ANSWERS);
	s->rev.in_ifindex = backend->ifindex;
	s->fwd.out_slot = endpoint->slot;
	s->fwd.out_gen = backend->gen & ~NB_GEN_CUT; /* it may have been cut off just now */
	if (backend->ifindex == pkt->ifindex) {
		s->fwd.src = nb_own_source(pkt, endpoint);
		return NB_CONTINUE;
	}
	if (client->flags & backend->flags & NB_PORT_ISOLATED ||
	    (client->flags ^ backend->flags) >> NB_PORT_VLAN_SHIFT) /* the bridge would not let them either */
		return nb_drop(NB_DROP_ISOLATED);
	if (!(nb_settings.flags & NB_SETTINGS_FAST_PATH) ||
	    (client->flags | backend->flags) & NB_PORT_NO_FAST_PATH) {
		/* Both directions go by the host, which would take one alone for invalid. */
		s->fwd.flags |= NB_CONN_VIA_HOST | NB_CONN_UP;
		s->fwd.out_slot = NB_SLOT_HOST;
		s->fwd.out_gen = 0;
		nb_endpoint_mark(&pkt->tuple.src, NB_ENDPOINT_VIA_HOST);
	}
	return NB_CONTINUE;
}

/* The reply entry and its key follow from the client's one. */
static __always_inline void nb_make_reply(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	nb_conn_other_key(&s->fwd, pkt->tuple.proto, &s->rev_key);
	s->rev.src = pkt->tuple.dst;
	s->rev.dst = pkt->tuple.src;
	s->rev.sport = pkt->tuple.dport;
	s->rev.dport = pkt->tuple.sport;
	s->rev.flags = s->fwd.flags | NB_CONN_REPLY;
	s->rev.expires = s->fwd.expires;
	s->rev.created = s->fwd.created;
	s->rev.epoch = s->fwd.epoch;
	s->rev.state = s->fwd.state;
	nb_conn_set_csum(&pkt->tuple, &s->fwd);
	/* The same sums the other way round: the negative of a one's complement number is its complement. */
	s->rev.csum_addr = ~s->fwd.csum_addr;
	s->rev.csum_port = s->fwd.csum_port ? ~s->fwd.csum_port : 0;
}

/* All but the protocol, with which the key is somebody's. */
static __always_inline void nb_entry_write(struct nb_entry *entry, const struct nb_tuple *key,
					   const struct nb_conn *conn)
{
	entry->conn = *conn;
	entry->key.src = key->src;
	entry->key.dst = key->dst;
	entry->key.sport = key->sport;
	entry->key.dport = key->dport;
}

/* Writes the connection as *s says; it stays busy. */
__noinline int nb_pair_write(struct nb_pair *pair, const struct nb_scratch *s)
{
	__u32 proto;

	if (!pair || !s)
		return 0;
	proto = s->key.proto;
	nb_entry_write(&pair->dir[0], &s->key, &s->fwd);
	nb_entry_write(&pair->dir[1], &s->rev_key, &s->rev);
	__sync_lock_test_and_set((__u32 *)&pair->dir[0].key.proto, proto); /* with pad; and a barrier */
	*(__u32 *)&pair->dir[1].key.proto = proto;
	return 0;
}

static __always_inline int nb_give_up(struct nb_pair *pair, int rc)
{
	nb_pair_release(pair);
	return rc;
}

/* The client's entry may be there already: then the other CPU's is the connection, and ours is taken back. */
static __always_inline int nb_insert_client(const struct nb_pkt *pkt, struct nb_pair *pair, __u32 place,
					    struct nb_scratch *s)
{
	__s64 whose = nb_entry_enter_new(&pair->dir[0].key, pkt->hash, 2 * place);

	if (whose == NB_INDEX_DONE) {
		nb_pair_change(pair, NB_USE_BUSY, NB_USE_TAKEN);
		nb_count(NB_COUNT_INSERT);
		return NB_CONTINUE;
	}
	nb_entry_leave(&pair->dir[1].key, 2 * place + 1);
	if (whose == NB_INDEX_FULL)
		return nb_give_up(pair, nb_drop(NB_DROP_TABLE_FULL));
	s->slot = whose;
	nb_count(NB_COUNT_CLASH_RESOLVE);
	return nb_give_up(pair, NB_EXISTS);
}

/* The connection is there, by its reply tuple: another CPU is making it, or its client's tuple got lost. */
static __always_inline int nb_insert_again(struct nb_scratch *s, __u32 slot)
{
	struct nb_pair *pair = nb_pair_at(slot / 2);

	s->slot = slot;
	nb_count(pair && nb_pair_repair(pair, slot) ? NB_COUNT_REPAIRED : NB_COUNT_CLASH_RESOLVE);
	return NB_EXISTS;
}

/*
 * The reply tuple is entered first, on the chance that it is free; only if it is not, whoever has it is
 * looked at. It may be the client's own tuple: of a pod that reaches itself from the port number that the
 * Service and the pod have, and sees the Service's address as the source. NB_CONTINUE: the connection is as
 * *s says. NB_EXISTS: the table has it, made by another CPU.
 */
static __always_inline int nb_insert(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__s64 taken = nb_ring_take(pkt->now);
	enum nb_counter why = NB_COUNT_INSERT_FAILED;
	__u32 place = taken;
	struct nb_pair *pair = nb_pair_at(place);

	if (taken < 0 || !pair)
		return nb_drop(NB_DROP_TABLE_FULL);
	s->fwd.use = NB_USE_BUSY;
	for (int i = 0; i < NB_INSERT_TRIES; i++) {
		__s64 whose;

		/* Keeps the loop's head its only entry: Linux 6.1 takes no other (check_cfg()). */
		asm volatile("" : "+r"(i));
		nb_make_reply(pkt, s);
		if (!nb_key_same(&s->rev_key, &s->key)) {
			nb_pair_write(pair, s);
			whose = nb_entry_enter(&pair->dir[1].key, 2 * place + 1);
			if (whose == NB_INDEX_DONE)
				return nb_insert_client(pkt, pair, place, s);
			if (whose == NB_INDEX_FULL)
				return nb_give_up(pair, nb_drop(NB_DROP_TABLE_FULL));
			whose = nb_reply_look(&s->rev_key, &pkt->tuple, pkt->now, false);
			if (whose >= 0)
				return nb_give_up(pair, nb_insert_again(s, whose));
			if (whose != NB_REPLY_TAKEN)
				continue;
		}
		nb_count(NB_COUNT_FOUND);
		if (!nb_source_port_find(pkt, s)) {
			why = NB_DROP_NO_PORT;
			break;
		}
	}
	return nb_give_up(pair, nb_drop(why));
}

/* ---- in the memory of the connection that had the tuple before ---- */

static __always_inline bool nb_same_way(const struct nb_conn *old, const struct nb_conn *new, __u16 flags)
{
	return (old->flags & ~NB_CONN_SHARED) == flags && old->in_ifindex == new->in_ifindex &&
	       old->out_slot == new->out_slot && old->out_gen == new->out_gen;
}

/* Whether packets go as they did, and bear the same addresses and ports. */
static __always_inline bool nb_same_path(const struct nb_pair *pair, const struct nb_scratch *s)
{
	const struct nb_conn *fwd = &pair->dir[0].conn, *rev = &pair->dir[1].conn;

	return nb_same_way(fwd, &s->fwd, s->fwd.flags) &&
	       nb_same_way(rev, &s->rev, s->fwd.flags | NB_CONN_REPLY) && fwd->sport == s->fwd.sport &&
	       fwd->dport == s->fwd.dport && nb_addr_same(&fwd->src, &s->fwd.src) &&
	       nb_addr_same(&fwd->dst, &s->fwd.dst);
}

/* Another CPU had a packet like this one. */
static __always_inline bool nb_is_renewed(const struct nb_pkt *pkt, const struct nb_conn *conn,
					  const struct nb_scratch *s)
{
	return conn->created == pkt->now && conn->state == s->fwd.state && conn->epoch == s->fwd.epoch &&
	       conn->in_ifindex == pkt->ifindex && nb_conn_receiver(conn, pkt->now);
}

/* What is not the way of a connection, but its life. */
static __always_inline void nb_conn_begin(struct nb_conn *conn, const struct nb_conn *new, __u16 flags)
{
	conn->flags = flags;
	conn->expires = new->expires;
	conn->created = new->created;
	conn->epoch = new->epoch;
	conn->state = new->state;
	conn->retrans = 0;
}

static __always_inline void nb_pair_begin(struct nb_pair *pair, struct nb_scratch *s)
{
	struct nb_conn *fwd = &pair->dir[0].conn, *rev = &pair->dir[1].conn;

	nb_conn_begin(fwd, &s->fwd, s->fwd.flags);
	nb_conn_begin(rev, &s->fwd, s->fwd.flags | NB_CONN_REPLY);
	fwd->seq_end = s->fwd.seq_end;
	fwd->ack = s->fwd.ack;
	rev->seq_end = rev->ack = 0;
	s->fwd.csum_addr = fwd->csum_addr;
	s->fwd.csum_port = fwd->csum_port;
}

/*
 * Most often a tuple that comes once more leads to the backend that it led to before: then its entries stay
 * where they are, keys, index and all, and only begin anew; other CPUs see them as they would after any
 * packet. Else they go, and NB_NEW is returned.
 */
__noinline int nb_conn_renew(const struct nb_pkt *pkt, struct nb_scratch *s, __u32 slot)
{
	struct nb_pair *pair = nb_pair_at(slot / 2);
	int rc = NB_EXISTS;

	if (!pkt || !s || !pair)
		return NB_NEW;
	s->slot = slot;
	if (!nb_pair_change(pair, NB_USE_TAKEN, NB_USE_BUSY))
		return NB_NEW; /* another CPU is at it: which of the two has the tuple, the index tells */
	if (!nb_key_same(&pair->dir[slot & 1].key, &pkt->tuple)) {
		rc = NB_NEW;
	} else if (!nb_is_renewed(pkt, &pair->dir[0].conn, s)) {
		if (slot & 1 || !nb_same_path(pair, s)) {
			nb_pair_leave(pair, slot / 2);
			nb_pair_release(pair);
			return NB_NEW;
		}
		nb_pair_begin(pair, s);
		nb_count(NB_COUNT_INSERT);
		rc = NB_CONTINUE;
	}
	nb_pair_change(pair, NB_USE_BUSY, NB_USE_TAKEN);
	return rc;
}

/* To its own sender and port (a LAND attack): both directions would be one entry. */
static __always_inline bool nb_to_itself(const struct nb_tuple *tuple)
{
	return tuple->sport == tuple->dport && nb_addr_same(&tuple->src, &tuple->dst);
}

/* Whether a packet may begin a connection, or take one up in its middle (the kernel's tcp_loose). */
static __always_inline bool nb_may_begin(const struct nb_pkt *pkt)
{
	enum nb_tcp_kind kind = nb_tcp_kind(pkt->tcp_flags);

	if (nb_to_itself(&pkt->tuple))
		return false;
	return pkt->tuple.proto != IPPROTO_TCP ||
	       ((kind == NB_KIND_ACK || kind == NB_KIND_SYN) && nb_tcp_flags_valid(pkt->tcp_flags));
}

/* The client's entry as the first packet leaves it; direct to its destination as yet. */
static __always_inline void nb_begin(const struct nb_pkt *pkt, struct nb_scratch *s)
{
	__builtin_memset(s, 0, sizeof(*s));
	s->key = pkt->tuple;
	s->fwd.src = pkt->tuple.src;
	s->fwd.dst = pkt->tuple.dst;
	s->fwd.sport = pkt->tuple.sport;
	s->fwd.dport = pkt->tuple.dport;
	s->fwd.in_ifindex = pkt->ifindex;
	s->fwd.created = pkt->now;
	if (pkt->tuple.proto == IPPROTO_TCP) {
		s->fwd.state =
			nb_tcp_kind(pkt->tcp_flags) == NB_KIND_SYN ? NB_TCP_SYN_SENT : NB_TCP_ESTABLISHED;
		nb_tcp_note(pkt, &s->fwd);
	}
	s->fwd.expires = nb_conn_deadline(&s->fwd, pkt->tuple.proto, pkt->now);
}

static __always_inline int nb_choose(const struct nb_pkt *pkt, const struct nb_frontend *frontend, bool again,
				     struct nb_scratch *s)
{
	struct nb_backend backend;
	int rc;

	s->fwd.epoch = nb_settings.epoch; /* read before the set: a change in between is noticed */
	/* Taken up in its middle: whatever entry it had, the tuple's own backend is the likeliest. */
	again = again && s->fwd.state != NB_TCP_ESTABLISHED;
	rc = nb_backend_choose(&pkt->tuple, frontend, again, &backend);
	if (rc != NB_CONTINUE)
		return rc;
	if (frontend->affinity)
		nb_affinity(pkt, frontend, &backend);
	s->fwd.dst = backend.addr;
	s->fwd.dport = backend.port;
	s->fwd.flags = NB_CONN_SERVICE | NB_CONN_NAT | NB_CONN_UP;
	return NB_CONTINUE;
}

/* What the packet's connection would be like, without an entry as yet. */
static __always_inline int nb_conn_plan(struct __sk_buff *skb, const struct nb_pkt *pkt, bool again,
					struct nb_scratch *s)
{
	struct nb_frontend *frontend;
	int rc = NB_CONTINUE;

	if (pkt->later) /* its first fragment began nothing */
		return nb_is_vip(&pkt->tuple.dst) ? nb_drop(NB_DROP_FRAGMENT) : NB_PASS;
	frontend = nb_frontend_find(&pkt->tuple);
	if (!frontend)
		return nb_no_frontend(&pkt->tuple);
	if (frontend->flags & NB_FRONTEND_HOST && nb_stays_here(skb, pkt))
		return NB_PASS;
	if (!nb_may_begin(pkt))
		return frontend->flags & NB_FRONTEND_SERVICE ? nb_drop(NB_DROP_INVALID) : NB_PASS;
	nb_begin(pkt, s);
	if (frontend->flags & NB_FRONTEND_SERVICE)
		rc = nb_choose(pkt, frontend, again, s);
	return rc == NB_CONTINUE ? nb_route(pkt, s) : rc;
}

/*
 * Makes the connection that this packet begins, if its destination is a frontend or a backend of one. old:
 * the entry of the connection that had this tuple and is of no use any more, or NB_OLD_*. NB_CONTINUE:
 * scratch holds the client's entry as it now stands in the table, this packet counted in. NB_EXISTS: another
 * CPU has made the connection, see slot there.
 */
__noinline int nb_conn_create(struct __sk_buff *skb, const struct nb_pkt *pkt, __s64 old)
{
	__u32 zero = 0;
	struct nb_scratch *s = bpf_map_lookup_elem(&scratch, &zero);
	int rc;

	if (!pkt || !s)
		return NB_PASS;
	rc = nb_conn_plan(skb, pkt, old != NB_OLD_NONE, s);
	if (old >= 0 && rc == NB_CONTINUE)
		rc = nb_conn_renew(pkt, s, old);
	else if (old >= 0)
		nb_pair_end(old, &pkt->tuple);
	else if (rc == NB_CONTINUE)
		rc = NB_NEW;
	return rc == NB_NEW ? nb_insert(pkt, s) : rc;
}

#endif
