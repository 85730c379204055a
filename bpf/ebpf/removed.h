/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_REMOVED_H
#define NATBRIDGE_BPF_EBPF_REMOVED_H

/*
 * Connections whose backend was taken out of its Service or has gone. A connection remembers the epoch at
 * which its backend was last known to be one: only after a change of services, and then once, is there
 * something to look up.
 */

#include "conntrack.h"
#include "service.h"

/* A removed backend: UDP goes to another one at once, TCP goes on for as long as the pod is there. */
static __always_inline int nb_backend_removed(const struct nb_pkt *pkt, const struct nb_conn *conn)
{
	struct nb_endpoint *endpoint;
	struct nb_addr backend;
	struct nb_port *port;

	if (pkt->tuple.proto != IPPROTO_TCP)
		return NB_NEW;
	backend = conn->dst;
	endpoint = bpf_map_lookup_elem(&endpoints, &backend);
	port = endpoint ? nb_port_of_slot(endpoint->slot) : NULL;
	if (port && port->ifindex)
		return NB_CONTINUE;
	return nb_tcp_kind(pkt->tcp_flags) == NB_KIND_SYN ? NB_NEW : nb_drop(NB_DROP_BACKEND_GONE);
}

/*
 * Whether a client's entry may still be used after a change of services. NB_NEW: the connection begins anew,
 * with another backend. A drop reason: it is over. Both leave the entry to the caller.
 */
__noinline int nb_conn_recheck(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	__u32 epoch =
		nb_settings.epoch; /* read before the frontend: a change in between is looked at next time */
	struct nb_frontend *frontend;
	struct nb_addr backend;
	int rc = NB_CONTINUE;

	if (!pkt || !conn)
		return NB_PASS;
	frontend = nb_frontend_find(&pkt->tuple);
	if (!frontend || !(frontend->flags & NB_FRONTEND_SERVICE)) {
		/* The Service was deleted. Its backends may be as well as ever. */
		if (pkt->tuple.proto != IPPROTO_TCP)
			return NB_NEW;
	} else if ((__s32)(frontend->epoch - conn->epoch) > 0) {
		backend = conn->dst;
		if (!nb_backend_of(&pkt->tuple, true, &backend, conn->dport))
			rc = nb_backend_removed(pkt, conn);
	}
	if (rc == NB_CONTINUE)
		conn->epoch = epoch;
	return rc;
}

/*
 * The receiver of a live entry has gone, with its port. To the client of a TCP connection that is worth an
 * answer. What a backend still sends must not reach the address's next owner: the entry is remembered for as
 * long as a closed connection after the last such packet.
 */
static __always_inline int nb_receiver_gone(const struct nb_pkt *pkt, struct nb_conn *conn)
{
	if (nb_conn_lives(conn, pkt->now)) /* it is only cut off */
		return conn->flags & NB_CONN_NAT ? nb_drop(NB_DROP_CUT) : NB_PASS;
	if (!(conn->flags & NB_CONN_NAT))
		return NB_NEW;
	if (conn->flags & NB_CONN_REPLY) {
		conn->expires = pkt->now + nb_settings.timeouts[NB_TCP_CLOSE];
		return nb_drop(NB_DROP_GONE);
	}
	if (pkt->tuple.proto == IPPROTO_TCP && nb_tcp_kind(pkt->tcp_flags) != NB_KIND_SYN)
		return nb_drop(NB_DROP_BACKEND_GONE);
	return NB_NEW;
}

#endif
