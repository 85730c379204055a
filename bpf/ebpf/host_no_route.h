/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_EBPF_HOST_NO_ROUTE_H
#define NATBRIDGE_BPF_EBPF_HOST_NO_ROUTE_H

/*
 * A node without a default route. Whether the host has a Service's address, too, cannot be looked
 * up there (fib.h): an address of the host and one without a route look alike. So packets to it go
 * to the host, until the host reports that it has no route. From then on the address is the
 * Service's alone, and the packet that the error quotes is sent once more: otherwise the client
 * would wait until it repeats the packet.
 */

#include "reject.h"
#include "service.h"

/*
 * Whether an ICMP message reports that there is no route: net or host unreachable (RFC 792), or no
 * route to destination (RFC 4443, 3.1).
 */
static __always_inline bool nb_icmp_is_no_route(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u8 *icmp = nb_bytes(skb, pkt->l4_off, 2);

	return icmp && (pkt->is_v4 ? icmp[0] == NB_ICMP_UNREACHABLE && icmp[1] <= 1
				   : icmp[0] == NB_ICMPV6_UNREACHABLE && !icmp[1]);
}

/* Whether an error quotes all of a packet. */
static __always_inline bool nb_icmp_quotes_whole(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__be16 *len = nb_bytes(skb,
			       pkt->quoted_off + (pkt->is_v4 ? offsetof(struct iphdr, tot_len)
							     : offsetof(struct ipv6hdr, payload_len)),
			       sizeof(*len));

	return len &&
	       pkt->quoted_off + bpf_ntohs(*len) + (pkt->is_v4 ? 0 : sizeof(struct ipv6hdr)) == pkt->end;
}

/* The quoted packet, once its headers are where those of a frame are. */
struct nb_unquoted {
	struct nb_addr src;
	struct nb_addr dst;
	__u32 l4_off;
	__u32 end;
	__u8 proto;
};

/*
 * Completes the checksum of TCP or UDP. The error quotes the packet as the host got it: if the
 * pod's kernel left the checksum to the hardware, it is the sum of the pseudo header alone.
 */
static __always_inline bool nb_complete_check(struct __sk_buff *skb, bool is_v4,
					      const struct nb_unquoted *packet)
{
	__u32 len = packet->end - packet->l4_off, sum, off;
	struct ipv6hdr *at, ip;
	__u16 *check, whole;

	off = packet->l4_off + (packet->proto == IPPROTO_UDP ? offsetof(struct udphdr, check)
							     : offsetof(struct tcphdr, check));
	check = nb_bytes(skb, off, sizeof(*check));
	if (!check)
		return false;
	if (*check != nb_csum_fold(nb_csum_pseudo(&packet->src, &packet->dst, len, packet->proto)))
		return true;
	if (!nb_packet_sum(skb, packet->end - NB_L3_OFF, &sum))
		return false;
	/* The sum covers the IP header. That of an IPv4 header is 0, by its own checksum. */
	if (!is_v4) {
		at = nb_bytes(skb, NB_L3_OFF, sizeof(*at));
		if (!at)
			return false;
		ip = *at;
		sum = bpf_csum_diff((__be32 *)&ip, sizeof(ip), NULL, 0, sum);
	}
	whole = ~nb_csum_fold(sum);
	if (!whole && packet->proto == IPPROTO_UDP)
		whole = 0xffff;
	return nb_store(skb, off, &whole, sizeof(whole));
}

/* Turns an error into the packet that it quotes, as its pod sent it. */
static __always_inline bool nb_unquote(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	__u32 removed = pkt->quoted_off - NB_L3_OFF;
	const struct nb_unquoted packet = { .src = pkt->tuple.dst,
					    .dst = pkt->tuple.src,
					    .l4_off = pkt->quoted_l4_off - removed,
					    .end = pkt->end - removed,
					    .proto = pkt->tuple.proto };
	struct ethhdr *at = nb_bytes(skb, 0, sizeof(*at)), eth = {};

	if (!at)
		return false;
	__builtin_memcpy(eth.h_source, at->h_dest, ETH_ALEN);
	__builtin_memcpy(eth.h_dest, (const void *)nb_settings.bridge_mac, ETH_ALEN);
	eth.h_proto = at->h_proto;
	return !bpf_skb_adjust_room(skb, -(__s32)removed, BPF_ADJ_ROOM_MAC, 0) &&
	       nb_store(skb, 0, &eth, sizeof(eth)) && nb_complete_check(skb, pkt->is_v4, &packet);
}

/* Two words of struct nb_frontend that change as one. */
union nb_frontend_pair {
	__u64 word;
	struct {
		__u32 flags;
		__u32 set;
	};
	struct {
		__u32 count;
		__u32 known;
	};
};

/*
 * Marks that the host does not have this frontend's address, nor the VIP of it. By compare and swap
 * with a word beside it: the elements may be other keys' by now (natbridge/seal.h), which then stay
 * as they are. False: the frontend had no mark.
 */
static __always_inline bool nb_host_gave_up(struct nb_frontend_key *key)
{
	struct nb_frontend *frontend = bpf_map_lookup_elem(&frontends, key);
	union nb_frontend_pair old, new;

	if (!frontend)
		return false;
	old.word = READ_ONCE(*(__u64 *)&frontend->flags);
	if (!(old.flags & NB_FRONTEND_HOST))
		return false;
	new = old;
	new.flags &= ~(__u32)NB_FRONTEND_HOST;
	__sync_val_compare_and_swap((__u64 *)&frontend->flags, old.word, new.word);
	key->port = 0;
	key->proto = 0;
	frontend = bpf_map_lookup_elem(&frontends, key);
	if (!frontend)
		return true;
	old.word = new.word = READ_ONCE(*(__u64 *)&frontend->count);
	new.known = 0; /* so that its pings are answered, too */
	__sync_val_compare_and_swap((__u64 *)&frontend->count, old.word, new.word);
	return true;
}

/*
 * An ICMP error that enters a pod. pkt: as of nb_icmp_parse_quoted(), its tuple that of the answer
 * to the quoted packet. The host's own errors have come in through no link.
 */
__noinline int nb_host_no_route(struct __sk_buff *skb, const struct nb_pkt *pkt)
{
	struct nb_frontend_key key = {};

	if (!pkt || skb->ingress_ifindex || !nb_icmp_is_no_route(skb, pkt))
		return NB_PASS;
	key.addr = pkt->tuple.src;
	key.port = pkt->tuple.sport;
	key.proto = pkt->tuple.proto;
	if (!nb_host_gave_up(&key))
		return NB_PASS;
	/* The checksum of SCTP is not completed here. Its client sends INIT once more. */
	if (pkt->tuple.proto == IPPROTO_SCTP || !nb_icmp_quotes_whole(skb, pkt))
		return NB_PASS;
	return nb_unquote(skb, pkt) ? bpf_redirect(skb->ifindex, BPF_F_INGRESS) : nb_drop(NB_DROP_WRITE);
}

#endif
