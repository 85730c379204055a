// SPDX-License-Identifier: GPL-2.0-or-later
/* The smallest range that holds several. */
#include "lib/maps/prefix.h"
#include "lib/util/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct nb_prefix prefix(const char *text)
{
	struct nb_addr addr;
	unsigned int len;

	assert_true(nb_cidr_parse(text, &addr, &len));
	return nb_prefix_make(&addr, len);
}

/* Ones, which must stand together, and the value: "10.96.0.0/12". */
static const char *format(const struct nb_prefix *range)
{
	static char text[NB_ADDR_STRLEN + 8];
	char addr[NB_ADDR_STRLEN];
	unsigned int ones = 0;

	for (int i = 0; i < 4; i++)
		ones += (unsigned int)__builtin_popcount(range->mask.w[i]);
	for (unsigned int i = 0; i < 128; i++) {
		bool one = ntohl(range->mask.w[i / 32]) >> (31 - i % 32) & 1;

		assert_int_equal(one, i < ones);
		if (!one)
			assert_int_equal(ntohl(range->value.w[i / 32]) >> (31 - i % 32) & 1, 0);
	}
	snprintf(text, sizeof(text), "%s/%u", nb_addr_format(&range->value, addr),
		 nb_addr_is_v4(&range->value) ? ones - 96 : ones);
	return text;
}

static void test_cover(void **state)
{
	static const struct {
		const char *one, *other, *both;
	} rows[] = {
		{ "10.96.0.10/32", "10.96.0.10/32", "10.96.0.10/32" },
		{ "10.96.0.10/32", "10.96.0.11/32", "10.96.0.10/31" },
		{ "10.96.0.10/32", "10.96.0.1/32", "10.96.0.0/28" },
		{ "10.96.0.0/12", "10.96.0.1/32", "10.96.0.0/12" },
		{ "10.96.0.0/12", "10.112.0.1/32", "10.96.0.0/11" },
		{ "10.0.0.1/32", "192.0.2.1/32", "0.0.0.0/0" },
		{ "fd00:96::10/128", "fd00:96::11/128", "fd00:96::10/127" },
		{ "fd00:96::10/128", "fd00:96:0:1::/64", "fd00:96::/63" },
		{ "fd00:96::/32", "fd00:96:0:1::/64", "fd00:96::/32" },
		{ "fd00::/8", "2001:db8::1/128", "::/0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct nb_prefix one = prefix(rows[i].one), there = one, back = prefix(rows[i].other),
				 none = nb_prefix_none();

		nb_prefix_cover(&there, &back);
		nb_prefix_cover(&back, &one);
		assert_string_equal(format(&there), rows[i].both);
		assert_string_equal(format(&back), rows[i].both);
		nb_prefix_cover(&there, &none);
		nb_prefix_cover(&none, &there);
		assert_string_equal(format(&none), rows[i].both);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cover) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
