/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_NODE_PAST_HOST_H
#define NATBRIDGE_BPF_NODE_PAST_HOST_H

/*
 * Past the host's IP stack: between clients outside and pods of this node. A connection takes this way if
 * the bridge of its pod had a network when it began (nb_route_network()).
 *
 *   request   nb_device_in translates, and calls nb_enter_pod of the pod's network
 *   answer    nb_from_pod of the network finds no connection of its own, and calls nb_pod_out, which
 *             translates, and sends to the next hop
 *
 * What this way is not made for takes the host's, and is translated where it always is: what is too long for
 * the next device or has no hop left, of which the host tells the sender; pods that are shaped.
 */

#include "bpf/ebpf/conn_forward.h"
#include "bpf/ebpf/icmp_nat.h"
#include "bpf/lib/hop.h"

#include "device.h"

/*
 * Whether an entry is that of answers which take this way, and come from the bridge that its requests go to:
 * another one may have pods with the same addresses.
 */
__noinline int nb_past_host_is_answer(struct __sk_buff *skb, const struct nb_conn *conn)
{
	struct nb_device bridge __attribute__((aligned(8)));

	return conn &&
	       (conn->flags & (NB_CONN_REPLY | NB_CONN_HERE | NB_CONN_NAT)) ==
		       (NB_CONN_REPLY | NB_CONN_HERE | NB_CONN_NAT) &&
	       conn->in_ifindex && nb_device_read(skb->cb[NB_CB_BRIDGE], &bridge) &&
	       bridge.network == conn->in_ifindex;
}

/* Whether an ICMP error is about a connection that takes this way. */
__noinline int nb_past_host_icmp(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct nb_icmp_nat *work = nb_icmp_nat();
	struct nb_tuple outer;
	bool found;

	if (!pkt || !work || pkt->fragment)
		return false;
	outer = pkt->tuple;
	found = nb_icmp_nat_find(skb, pkt, work) && nb_past_host_is_answer(skb, &work->conn);
	pkt->tuple = outer;
	return found;
}

/* The length that a route's MTU limits: that of the packet, or of each segment of it. */
static __always_inline __u16 nb_past_host_len(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u32 header = sizeof(struct udphdr);
	const struct tcphdr *tcp;

	if (!skb->gso_size)
		return skb->len - NB_L3_OFF;
	if (pkt->tuple.proto == IPPROTO_TCP) {
		tcp = nb_bytes(skb, pkt->l4_off, sizeof(*tcp));
		header = tcp ? 4 * tcp->doff : 0;
	}
	return pkt->l4_off - NB_L3_OFF + header + skb->gso_size;
}

/*
 * The next hop of an answer, as of the untranslated packet that comes in from the bridge. False: the host has
 * to see it.
 */
static __always_inline bool nb_past_host_route(struct __sk_buff *skb, const struct nb_pkt *pkt,
					       struct bpf_fib_lookup *fib)
{
	__u16 len = nb_past_host_len(skb, pkt);
	const void *ip = nb_bytes(skb, NB_L3_OFF, nb_ip_header_len(pkt->is_v4));
	int rc;

	if (!ip || !nb_hop_is_left(ip, pkt->is_v4))
		return false;
	fib->tot_len = len; /* more than the route takes: BPF_FIB_LKUP_RET_FRAG_NEEDED */
	nb_fib_set_dst(fib, &pkt->tuple.dst, pkt->is_v4);
	fib->ifindex = skb->cb[NB_CB_BRIDGE];
	if (pkt->is_v4)
		fib->ipv4_src = pkt->tuple.src.w[3];
	else
		__builtin_memcpy(fib->ipv6_src, &pkt->tuple.src, sizeof(fib->ipv6_src));
	rc = bpf_fib_lookup(skb, fib, sizeof(*fib), 0);
	return (rc == BPF_FIB_LKUP_RET_SUCCESS || rc == BPF_FIB_LKUP_RET_NO_NEIGH) &&
	       fib->ifindex != nb_settings.bridge_ifindex;
}

/* One hop less, in the packet. */
static __always_inline bool nb_past_host_hop(struct __sk_buff *skb, bool v4)
{
	__u8 copy[offsetof(struct iphdr, check) + sizeof(__be16)];
	const void *ip = nb_bytes(skb, NB_L3_OFF, sizeof(copy));

	if (!ip)
		return false;
	__builtin_memcpy(copy, ip, sizeof(copy));
	nb_hop_count(copy, v4);
	return nb_store(skb, NB_L3_OFF, copy, sizeof(copy));
}

/* Translates an answer. NB_PASS: it takes the host's way; else as nb_conn_from_pod(). */
static __always_inline int nb_past_host_translate(struct __sk_buff *skb, struct nb_pkt *pkt,
						  struct bpf_fib_lookup *fib)
{
	struct nb_entry *entry;
	__s64 entry_id;

	if (!nb_is_tracked_proto(pkt->tuple.proto))
		return nb_past_host_icmp(skb, pkt) && nb_past_host_route(skb, pkt, fib)
			       ? nb_icmp_nat_from_pod(skb, pkt)
			       : NB_PASS;
	pkt->hash = nb_conn_hash(NULL, &pkt->tuple);
	entry = nb_index_entry(NULL, &pkt->tuple, pkt->hash, &entry_id, &pkt->life);
	if (!entry || !nb_past_host_is_answer(skb, &entry->conn) || !nb_past_host_route(skb, pkt, fib))
		return NB_PASS;
	return nb_conn_forward(skb, pkt, &entry->conn, entry_id);
}

/* What a pod sends, and no connection of its network has. */
static __always_inline int nb_past_host_out(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct bpf_fib_lookup fib = {};
	int rc = nb_past_host_translate(skb, pkt, &fib);

	if (!nb_is_past_host(rc))
		return rc < NB_DROPPED ? NB_PASS : rc;
	/*
	 * To the next hop that was found, whether its link address is known or not: the translated packet may
	 * have another route. Nor has it one yet, which the kernel would follow (nb_route_next()).
	 */
	return nb_past_host_hop(skb, pkt->is_v4) ? nb_route_next(skb, &fib, BPF_FIB_LKUP_RET_SUCCESS)
						 : nb_drop(NB_DROP_WRITE);
}

#endif
