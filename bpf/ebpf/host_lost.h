/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_HOST_LOST_H
#define NATBRIDGE_BPF_EBPF_HOST_LOST_H

/*
 * A node without a default route. Whether an address of a Service is the host's as well cannot be asked there
 * (fib.h): to the kernel's lookup an address of the host and one without a route look alike. So packets to
 * it go up, until the host itself says that it has no route. From then on the address is the Service's, and
 * the packet that the error quotes is sent once more. Without this a client would wait until its next try.
 */

#include "bpf/lib/redirect.h"

#include "reject.h"

/* Whether an ICMP message says that there is no route: net or host unreachable (RFC 792), or no route to the
 * destination (RFC 4443, 3.1). */
static __always_inline bool nb_says_no_route(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u8 *icmp = nb_bytes(skb, pkt->l4_off, 2);

	return icmp && (pkt->is_v4 ? icmp[0] == NB_ICMP_DEST_UNREACH && icmp[1] <= 1
				   : icmp[0] == NB_ICMPV6_DEST_UNREACH && !icmp[1]);
}

static __always_inline bool nb_quotes_all(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__be16 *len = nb_bytes(skb,
			       pkt->quote + (pkt->is_v4 ? offsetof(struct iphdr, tot_len)
							: offsetof(struct ipv6hdr, payload_len)),
			       sizeof(*len));

	return len && pkt->quote + bpf_ntohs(*len) + (pkt->is_v4 ? 0 : sizeof(struct ipv6hdr)) == pkt->end;
}

/* The headers of the packet that was quoted, now that they stand where those of a frame do. */
struct nb_again {
	struct nb_addr src;
	struct nb_addr dst;
	__u32 l4_off;
	__u32 end;
	__u8 proto;
};

/*
 * The error quotes the packet as the host got it. Of one that a pod's kernel left for the hardware to sum up
 * that holds the sum of the pseudo header alone: it is completed.
 */
static __always_inline bool nb_complete(struct __sk_buff *skb, bool is_v4, const struct nb_again *again)
{
	__u32 len = again->end - again->l4_off, sum, off;
	struct ipv6hdr *at, ip;
	__u16 *check, whole;

	off = again->l4_off +
	      (again->proto == IPPROTO_UDP ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
	check = nb_bytes(skb, off, sizeof(*check));
	if (!check)
		return false;
	if (*check != nb_csum_fold(nb_pseudo_sum(&again->src, &again->dst, len, again->proto)))
		return true;
	if (!nb_quote_sum(skb, again->end - NB_L3_OFF, &sum))
		return false;
	if (!is_v4) { /* whose header has no checksum that would make it 0 */
		at = nb_bytes(skb, NB_L3_OFF, sizeof(*at));
		if (!at)
			return false;
		ip = *at;
		sum = bpf_csum_diff((__be32 *)&ip, sizeof(ip), NULL, 0, sum);
	}
	whole = ~nb_csum_fold(sum);
	if (!whole && again->proto == IPPROTO_UDP)
		whole = 0xffff;
	return nb_store(skb, off, &whole, sizeof(whole));
}

/* Makes the packet that an error quotes whole of the error, as its pod sent it. */
static __always_inline bool nb_make_quoted(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u32 cut = pkt->quote - NB_L3_OFF;
	const struct nb_again again = { .src = pkt->tuple.dst,
					.dst = pkt->tuple.src,
					.l4_off = pkt->quote_l4 - cut,
					.end = pkt->end - cut,
					.proto = pkt->tuple.proto };
	struct ethhdr *at = nb_bytes(skb, 0, sizeof(*at)), eth = {};

	if (!at)
		return false;
	__builtin_memcpy(eth.h_source, at->h_dest, ETH_ALEN);
	__builtin_memcpy(eth.h_dest, (const void *)nb_settings.bridge_mac, ETH_ALEN);
	eth.h_proto = at->h_proto;
	return !bpf_skb_adjust_room(skb, -(__s32)cut, BPF_ADJ_ROOM_MAC, 0) &&
	       nb_store(skb, 0, &eth, sizeof(eth)) && nb_complete(skb, pkt->is_v4, &again);
}

/*
 * pkt: of an ICMP error to a pod, its tuple that of the answer to the quoted packet. What the host itself
 * sends came by no link.
 */
__noinline int nb_host_lost(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_frontend_key key = {};
	struct nb_frontend *frontend;

	if (!pkt || skb->ingress_ifindex || !nb_says_no_route(skb, pkt))
		return NB_PASS;
	key.addr = pkt->tuple.src;
	key.port = pkt->tuple.sport;
	key.proto = pkt->tuple.proto;
	frontend = bpf_map_lookup_elem(&frontends, &key);
	if (!frontend || !(frontend->flags & NB_FRONTEND_HOST))
		return NB_PASS;
	__sync_fetch_and_and(&frontend->flags, ~(__u32)NB_FRONTEND_HOST);
	key.port = 0;
	key.proto = 0;
	frontend = bpf_map_lookup_elem(&frontends, &key);
	if (frontend)
		frontend->known = 0; /* so that pings of it are answered as well */
	if (!nb_quotes_all(skb, pkt))
		return NB_PASS;
	return nb_make_quoted(skb, pkt) ? bpf_redirect(skb->ifindex, BPF_F_INGRESS) : nb_drop(NB_DROP_WRITE);
}

#endif
