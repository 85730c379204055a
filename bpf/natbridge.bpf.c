// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The datapath of a network in mode ebpf: its programs, with their stages in order. Each stage is a
 * header of bpf/ebpf/, or of bpf/lib/ if mode assist has it, too.
 *
 *   nb_from_pod   what a pod sends, before the bridge sees it: translates requests to frontends, and
 *                 answers of backends
 *   nb_to_pod     what enters a pod from the bridge: translates answers that went through the host
 *   nb_enter_pod  what the node's program at a device gives to a pod, past the host's IP stack
 *
 * A program passes untouched what concerns neither.
 *
 * Who sends a packet to the host: a connection's path is chosen once (via_host.h, for conn_plan.h); an
 * answer to a client that has moved follows it (conn_check.h); so do ICMP errors (icmp_nat.h) and echo
 * requests (icmp_echo.h). A drop of a packet to an address of the host itself is taken back (fib.h).
 */
#include "bpf/ebpf/conn_forward.h"
#include "bpf/ebpf/conn_reply.h"
#include "bpf/ebpf/enter_pod.h"
#include "bpf/ebpf/fast_parse.h"
#include "bpf/ebpf/host_no_route.h"
#include "bpf/ebpf/icmp_echo.h"
#include "bpf/ebpf/icmp_nat.h"
#include "bpf/ebpf/reject.h"
#include "bpf/ebpf/service_drops.h"
#include "bpf/ebpf/slow_parse.h"
#include "bpf/ebpf/via_host.h"
#include "bpf/lib/mac_learn.h"
#include "bpf/lib/report.h"
#include "bpf/lib/spoofchk.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What is not tracked, or could not be read. rc: what the parser said. */
static __always_inline int nb_other_proto_from_pod(struct __sk_buff *skb, struct nb_pkt *pkt, int rc)
{
	int vip;

	nb_mac_learn(skb);
	if (rc > NB_CONTINUE && rc != NB_PASS)
		return rc;
	if (pkt->end && nb_may_be_vip(&pkt->tuple.dst)) {
		vip = nb_vip_other_proto(skb, pkt);
		if (vip != NB_CONTINUE)
			return vip;
	}
	return rc == NB_CONTINUE ? nb_icmp_nat_from_pod(skb, pkt) : rc;
}

/* Whether a drop is due to the packet's destination: an address of a Service or of a service range. */
static __always_inline bool nb_is_vip_drop(int rc)
{
	return rc == nb_drop(NB_DROP_NO_VIP) || rc == nb_drop(NB_DROP_NO_SERVICE) ||
	       rc == nb_drop(NB_DROP_FRAGMENT) || rc == nb_drop(NB_DROP_UNPARSED);
}

SEC("tc")
int nb_from_pod(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	bool tracked = true;
	int verdict, rc;

	if (nb_settings.flags & (NB_SETTINGS_SPOOFCHK | NB_SETTINGS_CUT)) {
		rc = nb_sender_check(skb);
		if (rc != NB_CONTINUE)
			return nb_verdict(skb, &pkt, rc);
	}
	rc = nb_fast_parse(skb, &pkt, NB_REQUESTS_ANSWERS);
	if (rc == NB_PASS)
		return NB_PASS;
	if (rc == NB_SLOW_PARSE) {
		rc = nb_slow_parse(skb, &pkt, false);
		tracked = rc == NB_CONTINUE && nb_is_tracked_proto(pkt.tuple.proto);
	}
	if (tracked)
		rc = nb_conn_from_pod(skb, &pkt);
	else
		rc = nb_other_proto_from_pod(skb, &pkt, rc);
	if (rc == NB_PASS && nb_may_be_of_node(&pkt)) {
		skb->cb[NB_CB_BRIDGE] = nb_settings.bridge_ifindex;
		bpf_tail_call(skb, &past_host, 0);
	}
	if (rc < NB_DROPPED) /* almost always */
		return nb_verdict(skb, &pkt, rc);
	if (nb_is_vip_drop(rc) && nb_dst_is_of_host(skb, &pkt))
		rc = NB_PASS;
	verdict = nb_verdict(skb, &pkt, rc);
	if (rc >= NB_DROPPED)
		nb_service_drop(&pkt, rc - NB_DROPPED);
	return nb_is_reject(rc) ? nb_reject(skb, &pkt) : verdict;
}

SEC("tc")
int nb_to_pod(struct __sk_buff *skb)
{
	struct nb_pkt pkt = {};
	bool tracked = true;
	int rc;

	if (nb_is_from_own_port(skb))
		return NB_PASS;
	rc = nb_fast_parse(skb, &pkt, NB_ANSWERS);
	if (rc == NB_PASS)
		return NB_PASS;
	if (rc == NB_SLOW_PARSE) {
		rc = nb_slow_parse(skb, &pkt, true);
		tracked = rc == NB_CONTINUE && nb_is_tracked_proto(pkt.tuple.proto);
	}
	if (tracked)
		rc = nb_conn_to_pod(skb, &pkt);
	else if (rc == NB_CONTINUE)
		rc = nb_icmp_nat_to_pod(skb, &pkt);
	if (rc == NB_PASS && pkt.quoted_off)
		rc = nb_host_no_route(skb, &pkt);
	return nb_verdict(skb, &pkt, rc == NB_CONTINUE ? NB_PASS : rc);
}

/* Called by the node's program at a device: element "network" of its past_host. */
SEC("tc")
int nb_enter_pod(struct __sk_buff *skb)
{
	const bool v4 = skb->protocol == bpf_htons(ETH_P_IP);

	return nb_verdict(skb, NULL, v4 ? nb_enter_pod_of(skb, true) : nb_enter_pod_of(skb, false));
}

/* The current tick, for userspace: run by BPF_PROG_TEST_RUN, attached nowhere. */
SEC("tc")
int nb_clock(struct __sk_buff *skb __attribute__((unused)))
{
	return bpf_jiffies64() >> nb_constants.tick_shift;
}
