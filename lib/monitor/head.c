// SPDX-License-Identifier: GPL-2.0-or-later
/* Ethernet, IPv4 and IPv6 headers, and the ports behind them. */
#include "head.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include <linux/if_ether.h>

enum { OFFSET_MASK = 0x1fff }; /* of a fragment: RFC 791, 3.1 */

/* at: behind the IP header. */
static void read_ports(const unsigned char *head, size_t len, size_t at, struct nb_tuple *tuple)
{
	const bool has =
		tuple->proto == IPPROTO_TCP || tuple->proto == IPPROTO_UDP || tuple->proto == IPPROTO_SCTP;

	if (!has || len < at + 2 * sizeof(__be16))
		return;
	memcpy(&tuple->sport, head + at, sizeof(__be16));
	memcpy(&tuple->dport, head + at + sizeof(__be16), sizeof(__be16));
}

static void set_v4(struct nb_addr *addr, __be32 v4)
{
	*addr = (struct nb_addr){ .w = { 0, 0, htonl(0xffff), v4 } };
}

static bool read_v4(const unsigned char *head, size_t len, struct nb_tuple *tuple)
{
	struct iphdr ip;

	if (len < ETH_HLEN + sizeof(ip))
		return false;
	memcpy(&ip, head + ETH_HLEN, sizeof(ip));
	if (ip.version != 4 || ip.ihl < 5)
		return false;
	*tuple = (struct nb_tuple){ .proto = ip.protocol };
	set_v4(&tuple->src, ip.saddr);
	set_v4(&tuple->dst, ip.daddr);
	if (!(ntohs(ip.frag_off) & OFFSET_MASK))
		read_ports(head, len, ETH_HLEN + 4U * ip.ihl, tuple);
	return true;
}

static bool read_v6(const unsigned char *head, size_t len, struct nb_tuple *tuple)
{
	struct ip6_hdr ip;

	if (len < ETH_HLEN + sizeof(ip))
		return false;
	memcpy(&ip, head + ETH_HLEN, sizeof(ip));
	if (ip.ip6_vfc >> 4 != 6)
		return false;
	*tuple = (struct nb_tuple){ .proto = ip.ip6_nxt };
	memcpy(&tuple->src, &ip.ip6_src, sizeof(tuple->src));
	memcpy(&tuple->dst, &ip.ip6_dst, sizeof(tuple->dst));
	read_ports(head, len, ETH_HLEN + sizeof(ip), tuple);
	return true;
}

bool nb_head_tuple(const unsigned char *head, size_t len, struct nb_tuple *tuple)
{
	__be16 type;

	if (len < ETH_HLEN)
		return false;
	memcpy(&type, head + 2 * ETH_ALEN, sizeof(type));
	if (type == htons(ETH_P_IP))
		return read_v4(head, len, tuple);
	return type == htons(ETH_P_IPV6) && read_v6(head, len, tuple);
}
