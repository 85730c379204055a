// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections of map layouts up to 8 in the words of this one. */
#include "lib/datapath/old_conn.h"

#include <natbridge/conn_life.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_words(void **state)
{
	/* Flags of layout 8: the client's, answered, assured, to a Service. */
	const struct nb_old_conn old = { .flags = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 7,
					 .expires = 1000,
					 .use = NB_USE_TAKEN,
					 .state = NB_TCP_ESTABLISHED,
					 .epoch = 7,
					 .seq_end = 77,
					 .ack = 88 };
	struct nb_conn conn = { .flags = (__u16)old.flags };

	(void)state;
	nb_old_conn_take(&old, &conn);
	assert_int_equal(conn.flags, NB_CONN_SERVICE);
	assert_int_equal(nb_life_expires(conn.life), 1000);
	assert_int_equal(nb_life_use(conn.life), NB_USE_TAKEN);
	assert_int_equal(nb_life_state(conn.life), NB_TCP_ESTABLISHED);
	assert_int_equal(nb_life_flags(conn.life), NB_LIFE_SEEN_REPLY | NB_LIFE_ASSURED | NB_LIFE_STEADY);
}

/* The programs add 16 bits. A sum of 0 says that nothing changes, and no other sum becomes 0. */
static void test_checksums(void **state)
{
	static const struct {
		__u32 old, folded;
	} rows[] = {
		{ 0, 0 },           { 0x1234, 0x1234 },     { 0x00020003, 5 },      { 0xffff0001, 1 },
		{ 0xffff, 0xffff }, { 0xffff0000, 0xffff }, { 0xffffffff, 0xffff }, { 0x8000ffff, 0x8000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct nb_old_conn old = { .use = NB_USE_TAKEN };
		struct nb_conn conn = { .csum_addr = rows[i].old, .csum_port = rows[i].old };

		nb_old_conn_take(&old, &conn);
		assert_int_equal(conn.csum_addr, rows[i].folded);
		assert_int_equal(conn.csum_port, rows[i].folded);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
