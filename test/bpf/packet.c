// SPDX-License-Identifier: GPL-2.0-or-later
/* Builds frames from rows of tests. */
#include "packet.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return at + len;
}

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
	return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	return put16(put16(at, value >> 16), value);
}

static uint8_t *put_mac(uint8_t *at, const char *text)
{
	unsigned int b[6] = { 0 };

	sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]);
	for (int i = 0; i < 6; i++)
		*at++ = b[i];
	return at;
}

/* RFC 1071, byte pair by byte pair. */
static uint32_t sum(uint32_t start, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		start += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static bool is_v6(const struct packet *packet)
{
	return strchr(packet->src, ':') != NULL;
}

static uint8_t proto_of(const struct packet *packet)
{
	return packet->proto ? packet->proto : IPPROTO_TCP;
}

static uint32_t pseudo_sum(const struct packet *packet, size_t l4_len)
{
	uint8_t pseudo[40] = { 0 }, *at = pseudo;
	int family = is_v6(packet) ? AF_INET6 : AF_INET;
	size_t len = family == AF_INET6 ? 16 : 4;

	inet_pton(family, packet->src, at);
	inet_pton(family, packet->dst, at + len);
	at = put32(at + 2 * len, l4_len);
	put32(at, proto_of(packet));
	return sum(0, pseudo, sizeof(pseudo));
}

static uint8_t *put_udp(uint8_t *at, const struct packet *packet, size_t data, uint8_t **check)
{
	at = put16(put16(at, packet->sport), packet->dport);
	at = put16(at, 8 + data);
	*check = at;
	return put16(at, 0);
}

static uint8_t *put_tcp(uint8_t *at, const struct packet *packet, uint8_t **check)
{
	at = put16(put16(at, packet->sport), packet->dport);
	at = put32(put32(at, packet->seq), packet->ack);
	at = put16(at, 5 << 12 | packet->tcp_flags);
	at = put16(at, packet->tcp_flags & RST ? 0 : 0x2000);
	*check = at;
	return put32(at, 0);
}

/* RFC 9260, 3: INIT and INIT ACK have 16 bytes of their own, the others the payload alone. */
static uint8_t *put_sctp(uint8_t *at, const struct packet *packet, uint8_t **check)
{
	int n = packet->n_chunks ? packet->n_chunks : 1;

	at = put16(put16(at, packet->sport), packet->dport);
	at = put32(at, packet->seq);
	*check = at;
	at = put32(at, 0);
	for (int i = 0; i < n; i++) {
		bool init = packet->chunks[i] == 1 || packet->chunks[i] == 2;
		const char *payload = i == n - 1 && packet->payload ? packet->payload : "";
		size_t len = strlen(payload);

		*at++ = packet->chunks[i];
		*at++ = packet->chunk_t ? 1 : 0;
		at = put16(at, 4 + (init ? 16 : 0) + len);
		if (init) {
			at = put32(put32(at, packet->ack), 106496);
			at = put32(put16(put16(at, 10), 65535), 4711);
		}
		at = put(at, payload, len);
		at = put(at, "\0\0\0", (4 - len % 4) % 4);
	}
	return at;
}

/* CRC32c (RFC 9260, appendix A), bit by bit, in the order in which it stands in the packet. */
static void put_crc32c(uint8_t *check, const uint8_t *data, size_t len, uint32_t wrong)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	crc = ~crc ^ wrong;
	for (int i = 0; i < 4; i++)
		check[i] = crc >> 8 * i;
}

static uint8_t *put_icmp(uint8_t *at, const struct packet *packet, uint8_t **check)
{
	size_t header = packet->icmp_header ? packet->icmp_header : 8, quoted;
	uint8_t frame[FRAME_MAX], *start = at;

	memset(at, 0, header);
	at[0] = packet->icmp_type;
	at[1] = packet->icmp_code;
	*check = at + 2;
	at += header;
	if (!packet->quoted)
		return at;
	quoted = packet_build(packet->quoted, frame) - ETH_HLEN;
	if (is_v6(packet) && packet->icmp_type == 137) {
		start[40] = 4; /* redirected header option, RFC 4861, 4.6.3 */
		start[41] = (8 + 40 + 8) / 8;
	}
	if (packet->quoted_len <= quoted &&
	    (is_v6(packet) ? 40 : 20) + (packet->quoted_len ?: 8) < (int)quoted)
		quoted = (is_v6(packet) ? 40 : 20) + (packet->quoted_len ?: 8);
	return put(at, frame + ETH_HLEN, quoted);
}

static uint8_t *put_l4(uint8_t *at, const struct packet *packet)
{
	size_t data = packet->payload ? strlen(packet->payload) : 0;
	bool icmp = proto_of(packet) == IPPROTO_ICMP || proto_of(packet) == IPPROTO_ICMPV6;
	uint8_t *start = at, *check;
	uint16_t value;

	if (packet->frag & 0x1fff)
		return put(at, packet->payload, data);
	if (icmp)
		at = put_icmp(at, packet, &check);
	else if (proto_of(packet) == IPPROTO_UDP)
		at = put_udp(at, packet, data, &check);
	else if (proto_of(packet) == IPPROTO_SCTP) {
		at = put_sctp(at, packet, &check);
		if (!packet->no_csum)
			put_crc32c(check, start, at - start, packet->bad_csum ? 1 << 9 : 0);
		return at;
	} else
		at = put_tcp(at, packet, &check);
	at = put(at, packet->payload ? packet->payload : "", data);
	if (packet->no_csum)
		return at;
	value = ~sum(icmp && !is_v6(packet) ? 0 : pseudo_sum(packet, at - start), start, at - start);
	if (!value && proto_of(packet) == IPPROTO_UDP)
		value = 0xffff;
	put16(check, value + (packet->bad_csum ? 1 : 0));
	return at;
}

/* All that follows the IP header, or this fragment's part of it. *more: it is not the last one. */
static uint8_t *put_slice(uint8_t *at, const struct packet *packet, bool *more)
{
	uint8_t whole[FRAME_MAX];
	size_t len;

	*more = false;
	if (!packet->slice_len)
		return put_l4(at, packet);
	len = put_l4(whole, packet) - whole;
	*more = packet->slice_from + packet->slice_len < (int)len;
	return put(at, whole + packet->slice_from, *more ? packet->slice_len : len - packet->slice_from);
}

static uint8_t *put_v4(uint8_t *at, const struct packet *packet)
{
	uint8_t *start = at;
	size_t header = 20 + 4 * packet->ip_options;
	bool more;

	*at++ = 0x40 | header / 4;
	*at++ = packet->tos;
	at = put16(put16(put16(at, 0), packet->id), packet->frag);
	*at++ = packet->ttl ? packet->ttl : 64;
	*at++ = proto_of(packet);
	at = put16(at, 0);
	inet_pton(AF_INET, packet->src, at);
	inet_pton(AF_INET, packet->dst, at + 4);
	memset(at + 8, 1 /* NOP, RFC 791 */, 4 * packet->ip_options);
	at = put_slice(start + header, packet, &more);
	if (packet->slice_len)
		put16(start + 6, packet->slice_from / 8 | (more ? 0x2000 : 0));
	put16(start + 2, at - start);
	put16(start + 10, ~sum(0, start, header));
	return at;
}

/* Destination options headers, each with padding alone (RFC 8200, 4.6). */
static uint8_t *put_extensions(uint8_t *at, const struct packet *packet)
{
	static const uint8_t padding[] = { 1, 4, 0, 0, 0, 0 };
	uint8_t after = packet->slice_len ? IPPROTO_FRAGMENT : proto_of(packet);

	for (int i = 0; i < packet->ip_options; i++) {
		*at++ = i + 1 < packet->ip_options ? IPPROTO_DSTOPTS : after;
		*at++ = 0;
		at = put(at, padding, sizeof(padding));
	}
	return at;
}

static uint8_t *put_v6(uint8_t *at, const struct packet *packet)
{
	uint8_t *start = at, *fragment;
	bool more;

	at = put32(at, 6U << 28 | packet->tos << 20 | (packet->slice_len ? 0 : packet->id));
	at = put16(at, 0);
	*at++ = packet->ip_options  ? IPPROTO_DSTOPTS
		: packet->slice_len ? IPPROTO_FRAGMENT
				    : proto_of(packet);
	*at++ = packet->ttl ? packet->ttl : 64;
	inet_pton(AF_INET6, packet->src, at);
	inet_pton(AF_INET6, packet->dst, at + 16);
	fragment = at = put_extensions(start + 40, packet);
	at = put_slice(at + (packet->slice_len ? 8 : 0), packet, &more);
	if (packet->slice_len) {
		put16(fragment, proto_of(packet) << 8);
		put32(put16(fragment + 2, packet->slice_from | more), packet->id);
	}
	put16(start + 4, at - start - 40);
	return at;
}

size_t packet_build(const struct packet *packet, uint8_t frame[FRAME_MAX])
{
	uint8_t *at = frame;

	at = put_mac(at, packet->dmac ? packet->dmac : "02:00:00:00:00:bb");
	at = put_mac(at, packet->smac ? packet->smac : "02:00:00:00:00:aa");
	if (packet->vlan)
		at = put16(put16(at, ETH_P_8021Q), packet->vlan);
	at = put16(at, is_v6(packet) ? ETH_P_IPV6 : ETH_P_IP);
	at = is_v6(packet) ? put_v6(at, packet) : put_v4(at, packet);
	return at - frame;
}

void packet_dump(const char *what, const uint8_t *frame, size_t len)
{
	fprintf(stderr, "%s (%zu bytes):", what, len);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%s%02x", i % 16 ? " " : "\n    ", frame[i]);
	fputc('\n', stderr);
}
