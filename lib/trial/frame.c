// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes headers one behind the other, the checksums last. */
#include "frame.h"

#include <arpa/inet.h>
#include <string.h>

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "lib/util/addr.h"

enum {
	TTL = 64,
	WINDOW = 64240,
	FIRST_SEQ = 1000, /* of the client; the answer's is the same */
	SCTP_TAG = 0x6e62,
	SCTP_INIT = 1,
	SCTP_INIT_ACK = 2,
	SCTP_HEARTBEAT = 4,
};

struct sctp {
	__be16 sport, dport;
	__be32 tag;
	__u8 check[4];
	/* The chunk: RFC 9260, 3.3.2. */
	__u8 type, flags;
	__be16 len;
	__be32 init_tag, window;
	__be16 streams_out, streams_in;
	__be32 tsn;
};

/* What TCP, UDP and ICMPv6 add to their sums: RFC 8200, 8.1; RFC 9293, 3.1. */
static __u32 pseudo_sum(const struct nb_tuple *tuple, size_t len)
{
	const struct nb_addr *addrs[] = { &tuple->src, &tuple->dst };
	__u32 sum = htons(len) + htons(tuple->proto);

	for (size_t a = 0; a < 2; a++)
		for (size_t i = nb_addr_is_v4(addrs[a]) ? 3 : 0; i < 4; i++)
			sum += (addrs[a]->w[i] & 0xffff) + (addrs[a]->w[i] >> 16);
	return sum;
}

/* RFC 1071. len is even but for the last byte, which a zero follows. */
static __be16 checksum(__u32 sum, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i += 2) {
		__be16 word = 0;

		memcpy(&word, bytes + i, len - i > 1 ? 2 : 1);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__be16)~sum;
}

/* CRC32c, the lowest byte first (RFC 9260, appendix A). */
static void put_crc32c(__u8 check[4], const void *data, size_t len)
{
	const unsigned char *bytes = data;
	__u32 crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	for (int i = 0; i < 4; i++)
		check[i] = ~crc >> 8 * i;
}

static size_t put_tcp(const struct nb_frame *frame, void *at)
{
	struct tcphdr tcp = {
		.source = frame->tuple.sport,
		.dest = frame->tuple.dport,
		.seq = htonl(FIRST_SEQ),
		.ack_seq = frame->kind == NB_FRAME_FIRST ? 0 : htonl(FIRST_SEQ + 1),
		.doff = sizeof(tcp) / 4,
		.syn = frame->kind != NB_FRAME_LATER,
		.ack = frame->kind != NB_FRAME_FIRST,
		.window = htons(WINDOW),
	};

	tcp.check = checksum(pseudo_sum(&frame->tuple, sizeof(tcp)), &tcp, sizeof(tcp));
	memcpy(at, &tcp, sizeof(tcp));
	return sizeof(tcp);
}

static size_t put_udp(const struct nb_frame *frame, void *at)
{
	struct {
		struct udphdr udp;
		char payload[4];
	} packet = {
		.udp = { .source = frame->tuple.sport,
			 .dest = frame->tuple.dport,
			 .len = htons(sizeof(packet)) },
		.payload = "why",
	};

	packet.udp.check = checksum(pseudo_sum(&frame->tuple, sizeof(packet)), &packet, sizeof(packet));
	if (!packet.udp.check)
		packet.udp.check = 0xffff;
	memcpy(at, &packet, sizeof(packet));
	return sizeof(packet);
}

/* A HEARTBEAT has the chunk's header and four bytes that stand for what INIT has there: RFC 9260, 3.3.6. */
static size_t put_sctp(const struct nb_frame *frame, void *at)
{
	static const __u8 chunks[] = { SCTP_INIT, SCTP_INIT_ACK, SCTP_HEARTBEAT };
	struct sctp sctp = {
		.sport = frame->tuple.sport,
		.dport = frame->tuple.dport,
		.tag = frame->kind == NB_FRAME_FIRST ? 0 : htonl(SCTP_TAG),
		.type = chunks[frame->kind],
		.len = htons(sizeof(sctp) - offsetof(struct sctp, type)),
		.init_tag = htonl(SCTP_TAG),
		.window = htonl(WINDOW),
		.streams_out = htons(1),
		.streams_in = htons(1),
		.tsn = htonl(FIRST_SEQ),
	};

	put_crc32c(sctp.check, &sctp, sizeof(sctp));
	memcpy(at, &sctp, sizeof(sctp));
	return sizeof(sctp);
}

static size_t put_icmp(const struct nb_frame *frame, void *at)
{
	const bool is_v4 = frame->tuple.proto == IPPROTO_ICMP, is_answer = frame->kind == NB_FRAME_ANSWER;
	struct icmphdr icmp = { .un.echo = { .id = frame->tuple.sport, .sequence = htons(1) } };

	if (is_v4)
		icmp.type = is_answer ? ICMP_ECHOREPLY : ICMP_ECHO;
	else
		icmp.type = is_answer ? ICMPV6_ECHO_REPLY : ICMPV6_ECHO_REQUEST;
	icmp.checksum = checksum(is_v4 ? 0 : pseudo_sum(&frame->tuple, sizeof(icmp)), &icmp, sizeof(icmp));
	memcpy(at, &icmp, sizeof(icmp));
	return sizeof(icmp);
}

static size_t put_payload(const struct nb_frame *frame, void *at)
{
	switch (frame->tuple.proto) {
	case IPPROTO_TCP:
		return put_tcp(frame, at);
	case IPPROTO_UDP:
		return put_udp(frame, at);
	case IPPROTO_SCTP:
		return put_sctp(frame, at);
	default:
		return put_icmp(frame, at);
	}
}

static void put_ip4(const struct nb_tuple *tuple, size_t payload, void *at)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.tot_len = htons(sizeof(ip) + payload),
		.ttl = TTL,
		.protocol = tuple->proto,
		.saddr = tuple->src.w[3],
		.daddr = tuple->dst.w[3],
	};

	ip.check = checksum(0, &ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
}

static void put_ip6(const struct nb_tuple *tuple, size_t payload, void *at)
{
	struct ipv6hdr ip = {
		.version = 6,
		.payload_len = htons(payload),
		.nexthdr = tuple->proto,
		.hop_limit = TTL,
	};

	memcpy(&ip.saddr, &tuple->src, sizeof(ip.saddr));
	memcpy(&ip.daddr, &tuple->dst, sizeof(ip.daddr));
	memcpy(at, &ip, sizeof(ip));
}

size_t nb_frame_build(const struct nb_frame *frame, unsigned char buf[NB_FRAME_MAX])
{
	const bool is_v4 = nb_addr_is_v4(&frame->tuple.dst);
	const size_t l3 = sizeof(struct ethhdr),
		     l4 = l3 + (is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)),
		     payload = put_payload(frame, buf + l4);
	struct ethhdr eth = { .h_proto = htons(is_v4 ? ETH_P_IP : ETH_P_IPV6) };

	memcpy(eth.h_source, frame->src_mac, ETH_ALEN);
	memcpy(eth.h_dest, frame->dst_mac, ETH_ALEN);
	memcpy(buf, &eth, sizeof(eth));
	if (is_v4)
		put_ip4(&frame->tuple, payload, buf + l3);
	else
		put_ip6(&frame->tuple, payload, buf + l3);
	return l4 + payload;
}
