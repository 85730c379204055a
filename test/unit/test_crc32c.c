// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The checksum of SCTP (A26) after a change of its ports, for every length of a packet: what the programs
 * make of a difference is compared with a CRC that goes through the bits, one by one. Both are linear, so
 * that the differences of one bit stand for all.
 */
#include "bpf/lib/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { HEADER = 12, LENGTHS = 65536 };

/* RFC 9260, appendix A, without the inversions at the beginning and at the end. */
static uint32_t through(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int bit = 0; bit < 8; bit++)
		crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	return crc;
}

static void test_every_length(void **state)
{
	uint32_t crc[32];

	(void)state;
	for (uint32_t len = 0; len < LENGTHS; len++)
		for (int bit = 0; bit < 32; bit++) {
			uint32_t difference = 1U << bit;

			if (len == 4)
				crc[bit] = 0;
			for (int i = 0; len == 4 && i < 4; i++)
				crc[bit] = through(crc[bit], difference >> 8 * i);
			if (len > 4)
				crc[bit] = through(crc[bit], 0);
			if (len >= HEADER && nb_crc32c_shift(difference, len) != crc[bit])
				fail_msg("bit %d, %u bytes", bit, len);
		}
}

/* A multiplication is linear in what it multiplies: by its first bits it is for all, by others it is for
 * these. */
static void test_linear(void **state)
{
	uint32_t a = 0x12345678, b = 0x9abcdef1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		a = a * 1664525 + 1013904223;
		b = b * 22695477 + 1;
		assert_int_equal(nb_crc32c_shift(a, i % LENGTHS) ^ nb_crc32c_shift(b, i % LENGTHS),
				 nb_crc32c_shift(a ^ b, i % LENGTHS));
	}
}

/* A packet as it stands in memory. */
static void test_packet(void **state)
{
	uint8_t packet[] = "sportag.\0\0\0\0a chunk and what is in it";
	const uint32_t len = sizeof(packet) - 1;
	uint32_t before = 0xffffffff, after = 0xffffffff, from, to, check;

	(void)state;
	for (uint32_t i = 0; i < len; i++)
		before = through(before, packet[i]);
	memcpy(&from, packet, sizeof(from));
	packet[0] = 0x1f;
	packet[3] = 0x90;
	for (uint32_t i = 0; i < len; i++)
		after = through(after, packet[i]);
	memcpy(&to, packet, sizeof(to));
	check = nb_crc32c_change(nb_le32(~before), from, to, len);
	assert_int_equal(check, nb_le32(~after));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
