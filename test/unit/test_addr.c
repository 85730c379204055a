// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses, ports, MACs and numbers from text: what is accepted, what is refused, and that a
 * refusal writes nothing.
 */
#include "lib/util/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_addr(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} rows[] = {
		{ "10.96.0.10", "10.96.0.10" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "fd00::3", "fd00::3" },
		{ "FD00:0:0:0::3", "fd00::3" },
		{ "::", "::" },
		{ "2001:db8::1.2.3.4", "2001:db8::102:304" },
		{ "", NULL },
		{ "10.96.0", NULL },
		{ "10.96.0.256", NULL },
		{ "10.96.0.010", NULL },
		{ " 10.96.0.1", NULL },
		{ "10.96.0.1 ", NULL },
		{ "10.96.0.1/24", NULL },
		{ "::ffff:1.2.3.4", NULL },
		{ "::ffff:102:304", NULL },
		{ "fe80::1%eth0", NULL },
		{ "[fd00::3]", NULL },
		{ "fd00:::3", NULL },
		{ "None", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_addr addr, before;
		char buf[NB_ADDR_STRLEN];

		memset(&addr, 0x5a, sizeof(addr));
		before = addr;
		print_message("%s\n", rows[i].text);
		assert_int_equal(nb_addr_parse(rows[i].text, &addr), rows[i].canonical != NULL);
		if (rows[i].canonical)
			assert_string_equal(nb_addr_format(&addr, buf), rows[i].canonical);
		else
			assert_memory_equal(&addr, &before, sizeof(addr));
	}
}

/* Expected values: net.ParseIP() of Go 1.16, which ParseIPSloppy() is a copy of. */
static void test_addr_kubernetes(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: refused */
	} rows[] = {
		{ "10.96.0.10", "10.96.0.10" },
		{ "010.096.000.0010", "10.96.0.10" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "00.00.00.00", "0.0.0.0" },
		{ "10.96.0.0255", "10.96.0.255" },
		{ "10.100.200.1", "10.100.200.1" },
		{ "::ffff:10.96.0.1", "10.96.0.1" },
		{ "::ffff:0a60:0001", "10.96.0.1" },
		{ "0000:0000:0000:0000:0000:ffff:010.096.000.001", "10.96.0.1" },
		{ "FD00:00000::0003", "fd00::3" },
		{ "::", "::" },
		{ "", NULL },
		{ "10.96.0.0256", NULL },
		{ "10.96.0", NULL },
		{ "10.96..1", NULL },
		{ "0x10.96.0.1", NULL },
		{ "0a.96.0.1", NULL },
		{ "10.96.0.1 ", NULL },
		{ "10.96.0.1/24", NULL },
		{ "fd00::10000", NULL },
		{ "fe80::1%eth0", NULL },
		{ "1111:2222:3333:4444:5555:6666:123.123.123.1234", NULL },
		{ "11111111111111111111111111111111111111111111111", NULL },
		{ "None", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_addr addr, before;
		char buf[NB_ADDR_STRLEN];

		memset(&addr, 0x5a, sizeof(addr));
		before = addr;
		print_message("%s\n", rows[i].text);
		assert_int_equal(nb_addr_parse_kubernetes(rows[i].text, &addr), rows[i].canonical != NULL);
		if (rows[i].canonical)
			assert_string_equal(nb_addr_format(&addr, buf), rows[i].canonical);
		else
			assert_memory_equal(&addr, &before, sizeof(addr));
	}
}

static void test_addr_bytes(void **state)
{
	struct nb_addr v4, v6;
	unsigned int len;

	(void)state;
	assert_true(nb_addr_parse("1.2.3.4", &v4));
	assert_true(nb_addr_parse("fd00::1", &v6));
	assert_true(nb_addr_is_v4(&v4));
	assert_false(nb_addr_is_v4(&v6));
	assert_int_equal(nb_addr_family(&v4), AF_INET);
	assert_int_equal(nb_addr_family(&v6), AF_INET6);
	assert_memory_equal(nb_addr_bytes(&v4, &len), "\x01\x02\x03\x04", 4);
	assert_int_equal(len, 4);
	assert_memory_equal(nb_addr_bytes(&v6, &len), "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	assert_int_equal(len, 16);
	assert_memory_equal(&v4, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04", 16);
}

static void test_cidr(void **state)
{
	static const struct {
		const char *text, *network; /* NULL: refused */
		unsigned int len;
	} rows[] = {
		{ "10.244.1.2/24", "10.244.1.0", 24 },
		{ "10.244.1.2/0", "0.0.0.0", 0 },
		{ "10.244.1.2/32", "10.244.1.2", 32 },
		{ "10.244.1.255/25", "10.244.1.128", 25 },
		{ "fd00:1:2:3:4:5:6:7/64", "fd00:1:2:3::", 64 },
		{ "fd00:1:2:3:4:5:6:7/128", "fd00:1:2:3:4:5:6:7", 128 },
		{ "fd00:1:2:3:4:5:6:7/0", "::", 0 },
		{ "fd00:ffff:ffff::/33", "fd00:ffff:8000::", 33 },
		{ "10.244.1.2", NULL, 0 },
		{ "10.244.1.2/", NULL, 0 },
		{ "10.244.1.2/33", NULL, 0 },
		{ "10.244.1.2/024", NULL, 0 },
		{ "10.244.1.2/-1", NULL, 0 },
		{ "fd00::/129", NULL, 0 },
		{ "/24", NULL, 0 },
		{ "1111111111111111111111111111111111111111111111111111111111/24", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		unsigned int len = 4711;
		struct nb_addr addr;
		char buf[NB_ADDR_STRLEN];

		print_message("%s\n", rows[i].text);
		assert_int_equal(nb_cidr_parse(rows[i].text, &addr, &len), rows[i].network != NULL);
		assert_int_equal(len, rows[i].network ? rows[i].len : 4711);
		if (!rows[i].network)
			continue;
		addr = nb_addr_network(&addr, len);
		assert_string_equal(nb_addr_format(&addr, buf), rows[i].network);
	}
}

static void test_addr_port(void **state)
{
	static const struct {
		const char *text, *addr; /* NULL: refused */
		unsigned int port;
	} rows[] = {
		{ "10.244.0.3:8080", "10.244.0.3", 8080 },
		{ "[fd00::3]:1", "fd00::3", 1 },
		{ "10.244.0.3:65535", "10.244.0.3", 65535 },
		{ "10.244.0.3", NULL, 0 },
		{ "10.244.0.3:", NULL, 0 },
		{ "10.244.0.3:0", NULL, 0 },
		{ "10.244.0.3:65536", NULL, 0 },
		{ "10.244.0.3:080", NULL, 0 },
		{ "10.244.0.3:80:80", NULL, 0 },
		{ "[10.244.0.3]:80", NULL, 0 },
		{ "fd00::3:80", NULL, 0 },
		{ "[fd00::3]", NULL, 0 },
		{ "[fd00::3]80", NULL, 0 },
		{ "[fd00::3:80", NULL, 0 },
		{ ":80", NULL, 0 },
		{ "", NULL, 0 },
		{ "[", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char buf[NB_ADDR_STRLEN];
		struct nb_addr addr;
		__be16 port = 7;

		print_message("%s\n", rows[i].text);
		assert_int_equal(nb_addr_port_parse(rows[i].text, &addr, &port), rows[i].addr != NULL);
		assert_int_equal(port, rows[i].addr ? htons(rows[i].port) : 7);
		if (rows[i].addr)
			assert_string_equal(nb_addr_format(&addr, buf), rows[i].addr);
	}
}

static void test_routable(void **state)
{
	static const struct {
		const char *text;
		bool routable;
	} rows[] = {
		{ "10.96.0.1", true },
		{ "0.0.0.0", false },
		{ "0.1.2.3", false },
		{ "127.0.0.1", false },
		{ "169.254.169.254", false },
		{ "169.253.0.1", true },
		{ "223.255.0.1", true },
		{ "224.0.0.1", false },
		{ "255.255.255.255", false },
		{ "fd00::1", true },
		{ "::", false },
		{ "::1", false },
		{ "fe80::1", false },
		{ "febf::1", false },
		{ "fec0::1", true },
		{ "2001:db8::1", true },
		{ "ff02::1", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_addr addr;

		print_message("%s\n", rows[i].text);
		assert_true(nb_addr_parse(rows[i].text, &addr));
		assert_int_equal(nb_addr_is_routable(&addr), rows[i].routable);
	}
}

static void test_mac(void **state)
{
	static const char *const refused[] = {
		"",
		"0a:58:0a:f4:00",
		"0a:58:0a:f4:00:0g",
		"0a-58-0a-f4-00-02",
		"00:00:00:00:00:00",
		"01:00:5e:00:00:01",
		"ff:ff:ff:ff:ff:ff",
		"0a:58:0a:f4:00:02:",
		"a:58:0a:f4:00:02",
	};
	unsigned char mac[6] = { 1, 2, 3, 4, 5, 6 };
	char buf[NB_MAC_STRLEN];

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		print_message("%s\n", refused[i]);
		assert_false(nb_mac_parse(refused[i], mac));
		assert_memory_equal(mac, "\1\2\3\4\5\6", 6);
	}
	assert_true(nb_mac_parse("0A:58:0a:F4:00:02", mac));
	assert_string_equal(nb_mac_format(mac, buf), "0a:58:0a:f4:00:02");
}

static void test_uint(void **state)
{
	static const char *const refused[] = { "",
					       "+1",
					       "-1",
					       " 1",
					       "1 ",
					       "01",
					       "0x1",
					       "1e3",
					       "1.0",
					       "18446744073709551616",
					       "99999999999999999999999",
					       "\xb2" };
	unsigned long long value = 42;

	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		print_message("%s\n", refused[i]);
		assert_false(nb_uint_parse(refused[i], 0, ~0ULL, &value));
		assert_int_equal(value, 42);
	}
	assert_true(nb_uint_parse("18446744073709551615", 0, ~0ULL, &value));
	assert_true(value == ~0ULL);
	assert_true(nb_uint_parse("0", 0, 1, &value));
	assert_int_equal(value, 0);
	assert_false(nb_uint_parse("0", 1, 65535, &value));
	assert_false(nb_uint_parse("65536", 1, 65535, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addr),       cmocka_unit_test(test_addr_kubernetes),
		cmocka_unit_test(test_addr_bytes), cmocka_unit_test(test_cidr),
		cmocka_unit_test(test_addr_port),  cmocka_unit_test(test_routable),
		cmocka_unit_test(test_mac),        cmocka_unit_test(test_uint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
