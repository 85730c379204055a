// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The node's own table: Services for what the node itself sends, and for clients outside. Its programs
 * are those of mode ebpf at another place (bpf/node/device.h), each with its side of a device:
 *
 *   nb_nb0_out      egress of nb0, to which the routes of the service ranges lead
 *   nb_device_in    ingress of each device: answers to the node, and requests of clients outside
 *   nb_device_out   egress of each device: answers to clients outside, requests to other nodes
 *
 *   nb_pod_out      called at the ports of pods: answers to clients outside, past the host's IP stack
 *
 * nb_nb0_out drops what it does not translate: no other host has such an address. The others pass what
 * concerns no connection of the table.
 */
#include <linux/if_packet.h>

#include "bpf/ebpf/conn_forward.h"
#include "bpf/ebpf/fast_parse.h"
#include "bpf/ebpf/host_request.h"
#include "bpf/ebpf/icmp_echo.h"
#include "bpf/ebpf/icmp_nat.h"
#include "bpf/ebpf/reject.h"
#include "bpf/ebpf/service_drops.h"
#include "bpf/ebpf/slow_parse.h"
#include "bpf/lib/report.h"
#include "bpf/node/device.h"
#include "bpf/node/past_host.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ifindex: that of nb_conn.in_ifindex. */
static __always_inline int nb_node_packet(struct __sk_buff *skb, struct nb_pkt *pkt, enum nb_side side,
					  __u32 ifindex)
{
	int rc = nb_fast_parse(skb, pkt, side == NB_SIDE_OUTSIDE ? NB_TO_NODE : NB_REQUESTS_ANSWERS);

	if (rc == NB_SLOW_PARSE)
		rc = nb_slow_parse(skb, pkt, side != NB_SIDE_INSIDE);
	if (rc != NB_CONTINUE && !(side == NB_SIDE_INSIDE && rc == NB_PASS && pkt->end))
		return rc;
	pkt->tuple.side = side;
	pkt->ifindex = ifindex;
	if (rc == NB_CONTINUE && nb_is_tracked_proto(pkt->tuple.proto))
		return nb_conn_from_pod(skb, pkt);
	if (side == NB_SIDE_INSIDE) {
		int vip = nb_vip_other_proto(skb, pkt);

		if (vip != NB_CONTINUE)
			return vip;
	}
	return rc == NB_CONTINUE ? nb_icmp_nat_from_pod(skb, pkt) : rc;
}

/* Counts a drop, also for its Service, and rejects if it says so. */
static __always_inline int nb_node_verdict(struct __sk_buff *skb, struct nb_pkt *pkt, int rc)
{
	int verdict = nb_verdict(skb, pkt, nb_is_past_host(rc) ? NB_PASS : rc);

	if (rc >= NB_DROPPED)
		nb_service_drop(pkt, rc - NB_DROPPED);
	return nb_is_reject(rc) ? nb_reject(skb, pkt) : verdict;
}

SEC("tc")
int nb_nb0_out(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int rc = nb_node_packet(skb, &pkt, NB_SIDE_INSIDE, 0);

	/* A multicast packet of the host, for instance, is none that anybody misses. */
	if (rc <= NB_PASS)
		rc = pkt.end ? nb_drop(NB_DROP_NO_VIP) : TC_ACT_SHOT;
	return nb_node_verdict(skb, &pkt, rc);
}

/* What a promiscuous device sees of others is theirs: the host drops it, and must not reject it. */
SEC("tc")
int nb_device_in(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int rc;

	if (skb->pkt_type == PACKET_OTHERHOST)
		return TC_ACT_OK;
	/* A tag with a priority alone, which the host removes, too. */
	if (skb->vlan_present && !(skb->vlan_tci & 0xfff))
		bpf_skb_vlan_pop(skb);
	rc = nb_node_packet(skb, &pkt, NB_SIDE_OUTSIDE, 0);
	if (nb_is_past_host(rc))
		bpf_tail_call(skb, &past_host, rc - NB_PAST_HOST - 1);
	return nb_node_verdict(skb, &pkt, rc);
}

SEC("tc")
int nb_device_out(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};

	if (skb->tc_index == NB_SENT) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	return nb_node_verdict(skb, &pkt, nb_node_packet(skb, &pkt, NB_SIDE_LEAVING, skb->ifindex));
}

/* Called by nb_from_pod of a network: element 0 of its past_host. */
SEC("tc")
int nb_pod_out(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	int rc = nb_fast_parse(skb, &pkt, NB_ANSWERS);

	if (rc == NB_SLOW_PARSE)
		rc = nb_slow_parse(skb, &pkt, true);
	if (rc != NB_CONTINUE)
		return NB_PASS;
	pkt.tuple.side = NB_SIDE_LEAVING;
	return nb_verdict(skb, &pkt, nb_past_host_out(skb, &pkt));
}

/* As nb_clock of mode ebpf. */
SEC("tc")
int nb_node_clock(struct __sk_buff *skb __attribute__((unused)))
{
	return bpf_jiffies64() >> nb_constants.tick_shift;
}
