/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
#ifndef NATBRIDGE_BPF_LIB_PARSE_H
#define NATBRIDGE_BPF_LIB_PARSE_H

/*
 * From a frame to struct nb_pkt: link layer, IP, TCP and UDP. nb_read_*() take a pointer to the
 * whole fixed header; nb_parse_*() get that pointer themselves. Layer 3 returns NB_PASS for what is
 * no valid packet, layer 4 NB_MALFORMED.
 */

#include "ipv6.h"
#include "pkt.h"

static __always_inline __u32 nb_ip_header_len(bool is_v4)
{
	return is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

static __always_inline __u32 nb_l4_header_len(bool tcp)
{
	return tcp ? sizeof(struct tcphdr) : sizeof(struct udphdr);
}

static __always_inline int nb_read_v4(struct __sk_buff *skb, struct nb_pkt *pkt, const struct iphdr *ip)
{
	if (ip->version != 4 || ip->ihl < 5 || !nb_pkt_set_end(skb, pkt, bpf_ntohs(ip->tot_len)))
		return NB_PASS;
	pkt->l4_off = NB_L3_OFF + 4 * ip->ihl;
	if (pkt->l4_off > pkt->end)
		return NB_PASS;
	pkt->is_v4 = true;
	pkt->tuple.proto = ip->protocol;
	nb_addr_set_v4(&pkt->tuple.src, ip->saddr);
	nb_addr_set_v4(&pkt->tuple.dst, ip->daddr);
	if (ip->frag_off & bpf_htons(NB_IP_MF | NB_IP_OFFSET)) {
		pkt->fragment = true;
		pkt->later_fragment = ip->frag_off & bpf_htons(NB_IP_OFFSET);
		pkt->frag_id = ip->id;
	}
	return NB_CONTINUE;
}

static __always_inline int nb_parse_v4(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	struct iphdr *ip = nb_bytes(skb, NB_L3_OFF, sizeof(*ip));

	return ip ? nb_read_v4(skb, pkt, ip) : NB_PASS;
}

/*
 * Reads addresses and protocol of an untagged IPv4 or IPv6 frame. NB_PASS: another frame, with a
 * VLAN tag for instance.
 */
static __always_inline int nb_parse_l3(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	if (skb->vlan_present)
		return NB_PASS;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return nb_parse_v4(skb, pkt);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return nb_parse_v6(skb, pkt);
	return NB_PASS;
}

/* l4: a header of TCP or UDP, which begins with both ports. */
static __always_inline void nb_pkt_set_l4ports(struct nb_pkt *pkt, const void *l4)
{
	__u64 *words = (__u64 *)&pkt->tuple.sport; /* both ports, the protocol and pad */

	*words = nb_two_words(*(const __u32 *)l4, bpf_htonl((__u32)pkt->tuple.proto << 24));
}

static __always_inline int nb_read_tcp(struct nb_pkt *pkt, const struct tcphdr *tcp)
{
	if (tcp->doff < 5 || pkt->l4_off + 4 * tcp->doff > pkt->end)
		return NB_MALFORMED;
	nb_pkt_set_l4ports(pkt, tcp);
	pkt->tcp_flags = ((const __u8 *)tcp)[NB_TCP_FLAGS_OFF];
	pkt->seq = bpf_ntohl(tcp->seq);
	pkt->ack = bpf_ntohl(tcp->ack_seq);
	pkt->seq_end = pkt->seq + (pkt->end - pkt->l4_off - 4 * tcp->doff) + tcp->syn + tcp->fin;
	return NB_CONTINUE;
}

static __always_inline int nb_read_udp(struct nb_pkt *pkt, const struct udphdr *udp)
{
	__u32 len = bpf_ntohs(udp->len);

	/* In a fragment, len is that of the whole datagram. */
	if (pkt->l4_off + sizeof(*udp) > pkt->end || len < sizeof(*udp) ||
	    (!pkt->fragment && pkt->l4_off + len > pkt->end))
		return NB_MALFORMED;
	nb_pkt_set_l4ports(pkt, udp);
	return NB_CONTINUE;
}

/* Reads the ports, and of TCP also what tcp_state.h needs, from the header at pkt->l4_off. */
static __always_inline int nb_parse_l4(struct __sk_buff *skb, struct nb_pkt *pkt)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;
	void *at = tcp ? nb_bytes(skb, pkt->l4_off, nb_l4_header_len(true))
		       : nb_bytes(skb, pkt->l4_off, nb_l4_header_len(false));

	if (!at)
		return NB_MALFORMED;
	return tcp ? nb_read_tcp(pkt, at) : nb_read_udp(pkt, at);
}

#endif
