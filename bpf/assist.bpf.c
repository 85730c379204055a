// SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
/*
 * The datapath of a network in mode assist, where the host translates (kube-proxy, portmap, rules
 * by hand): its programs, with their stages in order. Each stage is a header of bpf/assist/, or of
 * bpf/lib/ if mode ebpf has it, too.
 *
 *   nb_assist_from   what a pod sends, before the bridge sees it: gives the host what the bridge
 *                    would switch to another port, although the host translates its connection
 *   nb_assist_host   what the host sends to the pods, at the bridge device
 */
#include "bpf/assist/direct_cache.h"
#include "bpf/assist/from_host.h"
#include "bpf/assist/redirect.h"
#include "bpf/assist/to_host.h"
#include "bpf/lib/mac_learn.h"
#include "bpf/lib/parse.h"
#include "bpf/lib/report.h"
#include "bpf/lib/spoofchk.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int nb_assist_from(struct __sk_buff *skb)
{
	enum nb_assist_receiver receiver = nb_assist_receiver(skb);
	struct nb_pkt pkt = {};
	int rc;

	if (nb_settings.flags & (NB_SETTINGS_SPOOFCHK | NB_SETTINGS_CUT)) {
		rc = nb_sender_check(skb);
		if (rc != NB_CONTINUE)
			return nb_verdict(skb, &pkt, rc);
	}
	if (receiver == NB_RECEIVER_GROUP) {
		nb_mac_learn(skb);
		return NB_PASS;
	}
	if (receiver == NB_RECEIVER_PORT && nb_direct_cache_has(skb))
		return NB_PASS;
	nb_pkt_begin(skb, &pkt);
	if (nb_parse_l3(skb, &pkt) != NB_CONTINUE)
		return NB_PASS;
	if (receiver == NB_RECEIVER_BRIDGE)
		return nb_assist_to_bridge(skb, &pkt);
	return nb_verdict(skb, &pkt, nb_assist_to_port(skb, &pkt));
}

SEC("tc")
int nb_assist_host(struct __sk_buff *skb)
{
	__u32 from = skb->ingress_ifindex; /* 0: the host itself; the bridge: one of its ports */
	struct nb_pkt pkt = {};
	struct nb_port *port;
	int rc;

	if (from && from != nb_settings.bridge_ifindex)
		return NB_PASS;
	nb_pkt_begin(skb, &pkt);
	if (nb_parse_l3(skb, &pkt) != NB_CONTINUE)
		return NB_PASS;
	port = nb_port_of_addr(&pkt.tuple.dst);
	if (!port) /* no pod, or one of another network */
		return NB_PASS;
	rc = nb_assist_from_host(skb, &pkt, !from);
	return from && rc < NB_DROPPED ? nb_assist_redirect_port(skb, port) : nb_verdict(skb, &pkt, rc);
}
