// SPDX-License-Identifier: GPL-2.0-or-later
/* Packets that are tried: their headers say what was asked for, and every checksum is right. */
#include "lib/trial/frame.h"

#include "lib/monitor/head.h"
#include "lib/util/addr.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ETH = 14, IP4 = 20, IP6 = 40 };

static const char *const ends[2][2] = { { "10.244.0.2", "10.96.0.10" }, { "fd00:10:244::2", "fd00:96::a" } };

static struct nb_frame make(int family, uint8_t proto, enum nb_frame_kind kind)
{
	struct nb_frame frame = {
		.src_mac = { 2, 0, 0, 0, 0, 1 },
		.dst_mac = { 2, 0, 0, 0, 0, 2 },
		.tuple = { .sport = htons(40001), .dport = htons(80), .proto = proto },
		.kind = kind,
	};

	assert_true(nb_addr_parse(ends[family][0], &frame.tuple.src));
	assert_true(nb_addr_parse(ends[family][1], &frame.tuple.dst));
	return frame;
}

/* The sum of 16-bit words, folded: 0xffff over data with its checksum. */
static uint32_t folded(uint32_t sum, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo(const unsigned char *packet, int family, uint8_t proto, size_t len)
{
	const size_t addrs = family ? 8 : 12, bytes = family ? 32 : 8;

	return folded(proto + (uint32_t)len, packet + ETH + addrs, bytes);
}

/* Bit by bit, from the definition (RFC 9260, appendix A). */
static uint32_t crc32c(const unsigned char *bytes, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < 8 * len; i++) {
		const uint32_t bit = (bytes[i / 8] >> i % 8 ^ crc) & 1;

		crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void check(int family, uint8_t proto, enum nb_frame_kind kind)
{
	const struct nb_frame frame = make(family, proto, kind);
	const size_t l4 = ETH + (family ? IP6 : IP4);
	unsigned char bytes[NB_FRAME_MAX];
	const size_t len = nb_frame_build(&frame, bytes), payload = len - l4;
	struct nb_tuple tuple;
	uint32_t crc;

	assert_in_range(len, l4 + 8, NB_FRAME_MAX);
	assert_memory_equal(bytes, frame.dst_mac, 6);
	assert_memory_equal(bytes + 6, frame.src_mac, 6);
	assert_true(nb_head_tuple(bytes, len, &tuple));
	assert_memory_equal(&tuple.src, &frame.tuple.src, sizeof(tuple.src));
	assert_memory_equal(&tuple.dst, &frame.tuple.dst, sizeof(tuple.dst));
	assert_int_equal(tuple.proto, proto);
	if (family) {
		assert_int_equal(bytes[ETH + 4] << 8 | bytes[ETH + 5], payload);
	} else {
		assert_int_equal(bytes[ETH + 2] << 8 | bytes[ETH + 3], len - ETH);
		assert_int_equal(folded(0, bytes + ETH, IP4), 0xffff);
	}
	if (proto == IPPROTO_SCTP) {
		crc = bytes[l4 + 8] | bytes[l4 + 9] << 8 | bytes[l4 + 10] << 16 |
		      (uint32_t)bytes[l4 + 11] << 24;
		memset(bytes + l4 + 8, 0, 4);
		assert_int_equal(crc32c(bytes + l4, payload), crc);
		return;
	}
	assert_int_equal(folded(proto == IPPROTO_ICMP ? 0 : pseudo(bytes, family, proto, payload), bytes + l4,
				payload),
			 0xffff);
	if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return;
	assert_int_equal(tuple.sport, frame.tuple.sport);
	assert_int_equal(tuple.dport, frame.tuple.dport);
}

static void test_frames(void **state)
{
	static const uint8_t protos[2][4] = { { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP },
					      { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMPV6 } };

	(void)state;
	for (int family = 0; family < 2; family++)
		for (size_t i = 0; i < 4; i++)
			for (enum nb_frame_kind kind = NB_FRAME_FIRST; kind <= NB_FRAME_LATER; kind++)
				check(family, protos[family][i], kind);
}

/* What makes a packet the first of a connection, its answer, or a later one. */
static void test_kinds(void **state)
{
	static const struct {
		uint8_t proto, at; /* the byte behind the header of IPv4 */
		uint8_t values[3]; /* of each kind */
	} rows[] = {
		{ IPPROTO_TCP, 13, { 0x02, 0x12, 0x10 } }, /* SYN; SYN and ACK; ACK */
		{ IPPROTO_SCTP, 12, { 1, 2, 4 } },         /* INIT, INIT ACK, HEARTBEAT */
		{ IPPROTO_ICMP, 0, { 8, 0, 8 } },
	};
	unsigned char bytes[NB_FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (enum nb_frame_kind kind = NB_FRAME_FIRST; kind <= NB_FRAME_LATER; kind++) {
			const struct nb_frame frame = make(0, rows[i].proto, kind);

			nb_frame_build(&frame, bytes);
			assert_int_equal(bytes[ETH + IP4 + rows[i].at], rows[i].values[kind]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
