/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_CONN_CHECK_H
#define NATBRIDGE_BPF_EBPF_CONN_CHECK_H

/*
 * Whether the entry that was found for a packet may serve it: the entry is alive, the packet comes
 * from the right port, and the backend is still in its Service. No stage here ends a connection:
 * NB_NEW and drop reasons tell the caller to. What a stage says counts if the entry still serves
 * that connection afterwards (nb_conn_is_same()).
 */

#include "conntrack.h"
#include "fib.h"
#include "place.h"
#include "service.h"

/* ---- the receiver ---- */

/*
 * The receiver's port is gone, or cut off. A client of TCP or SCTP gets an answer if its backend is gone.
 * What a backend still sends must not reach the next owner of the client's address: the entry stays for the
 * lifetime of a closed connection after the last such packet.
 */
static __always_inline int nb_conn_receiver_gone(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	__u32 expires;

	if (nb_conn_lives(conn, pkt->life, pkt->now)) /* cut off */
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_CUT) : NB_PASS;
	if (!(conn->flags & NB_CONN_NAT))
		return NB_NEW;
	if (conn->flags & NB_CONN_REPLY) {
		expires = pkt->now + nb_settings.timeouts[NB_TCP_CLOSE];
		nb_change(&conn->life, pkt->life, nb_life_with_expires(pkt->life, expires));
		return nb_drop(NB_DROP_GONE);
	}
	if (pkt->tuple.proto != IPPROTO_UDP && nb_tcp_kind(pkt->tcp_flags) != NB_KIND_SYN)
		return nb_drop(NB_DROP_BACKEND_GONE);
	return NB_NEW;
}

/* ---- the port that the packet comes from ---- */

/* Whether an ADD gave this address to the pod of another port than this one. */
static __always_inline bool nb_addr_of_other_port(const struct nb_addr *addr, __u32 ifindex)
{
	struct nb_addr key = *addr;
	struct nb_endpoint *owner = bpf_map_lookup_elem(&endpoints, &key);
	struct nb_port *port = owner ? nb_port_at(owner->slot) : NULL;

	return port && port->ifindex && port->ifindex != ifindex;
}

/*
 * The packet comes from another port than the entry's packets did. An address that an ADD gave
 * belongs to that pod's port alone. Any other one (a floating address, a second one, one behind a
 * router pod) belongs to the port that uses it now, as on any bridge, if the host looks for it
 * there. A client that has moved begins anew. What a backend answers goes to the host, through
 * which the connection was made.
 */
__noinline int nb_conn_check_port(struct __sk_buff *skb, const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	if (!pkt || !conn)
		return NB_PASS;
	if (nb_addr_of_other_port(&pkt->tuple.src, pkt->ifindex))
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_NOT_ITS_PORT) : NB_PASS;
	if (!(conn->flags & NB_CONN_REPLY) || conn->in_ifindex)
		return NB_NEW;
	if (!(conn->flags & NB_CONN_TO_HOST))
		return NB_CONTINUE;
	/* The client's port tracks the answer, once the host has routed it. */
	return nb_fib_source_valid(skb, pkt) ? NB_TO_HOST : nb_drop(NB_DROP_NOT_ITS_PORT);
}

/* ---- the backend ---- */

/* The backend is not in its Service any more. TCP and SCTP go on while the backend's pod exists. */
static __always_inline int nb_backend_removed(const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	struct nb_addr backend;

	if (pkt->tuple.proto == IPPROTO_UDP)
		return NB_NEW;
	backend = conn->dst;
	if (nb_pod_lives(&backend))
		return NB_CONTINUE;
	return nb_tcp_kind(pkt->tcp_flags) == NB_KIND_SYN ? NB_NEW : nb_drop(NB_DROP_BACKEND_GONE);
}

/*
 * Whether the backend of a client's entry may be used after a change of services. An entry
 * remembers the epoch at which its backend was last known to be in its Service, so that each
 * connection looks it up once after a change.
 */
__noinline int nb_conn_check_backend(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	/* Read before the frontend: a change in between is looked at by the next packet. */
	__u32 epoch = nb_settings.epoch, begun;
	struct nb_frontend *frontend;
	struct nb_addr backend;
	int rc = NB_CONTINUE;
	__u64 checked;

	if (!pkt || !conn)
		return NB_PASS;
	checked = nb_tagged(nb_load(&conn->checked), pkt->life);
	frontend = nb_frontend_find(&pkt->tuple);
	if (!frontend || !(frontend->flags & NB_FRONTEND_SERVICE)) {
		/* The Service was deleted, which says nothing about its backends: all but UDP goes on. */
		if (pkt->tuple.proto == IPPROTO_UDP)
			return NB_NEW;
	} else if (!checked || (__s32)(frontend->epoch - (__u32)checked) > 0) {
		backend = conn->dst;
		if (nb_backend_find(&pkt->tuple, true, &backend, conn->dport) < 0)
			rc = nb_backend_removed(pkt, conn);
	}
	/* Another CPU may write an older epoch: then the backend is looked up once more. */
	if (rc == NB_CONTINUE) {
		begun = checked ? nb_tagged_more(checked) : pkt->now & NB_SMALL_MASK;
		nb_store_word(&conn->checked, nb_tag(pkt->life, begun, epoch));
	}
	return rc;
}

/* Whether the backend of this entry was not looked up since the last change of services. */
static __always_inline bool nb_conn_unchecked(const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	__u64 checked = nb_load(&conn->checked);

	return (__u32)checked != nb_settings.epoch || !nb_life_same_gen(checked, pkt->life);
}

/*
 * NB_CONTINUE: the entry serves the packet, and *out is the port of its receiver. NB_NEW: the
 * connection begins anew.
 */
static __always_inline int nb_conn_check(struct __sk_buff *skb, struct nb_pkt *pkt, struct nb_conn *conn,
					 struct nb_port **out)
{
	int rc;

	if (nb_life_expired(pkt->life, pkt->now))
		return NB_NEW;
	*out = nb_conn_out_port(conn);
	if (!*out)
		return nb_conn_receiver_gone(pkt, conn);
	if (!nb_conn_is_from(conn, pkt)) {
		rc = nb_conn_check_port(skb, pkt, conn);
		if (rc != NB_CONTINUE)
			return rc;
	}
	if ((conn->flags & (NB_CONN_SERVICE | NB_CONN_REPLY)) == NB_CONN_SERVICE &&
	    nb_conn_unchecked(pkt, conn)) {
		rc = nb_conn_check_backend(pkt, conn);
		if (rc != NB_CONTINUE)
			return rc;
	}
	return NB_CONTINUE;
}

#endif
