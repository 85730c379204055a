// SPDX-License-Identifier: GPL-2.0-or-later
/* Sets of flows that are copied while programs write them. */
#include "lib/datapath/migrate_flows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { TAG = 0x12345676 };

static struct nb_flow_set full_set(void)
{
	struct nb_flow_set set = { 0 };

	for (int i = 0; i < NB_FLOW_WAYS; i++) {
		set.heads[i].tag = TAG + 2 * i;
		set.heads[i].seen = 1000;
		set.flows[i].key.sport = i + 1;
		set.flows[i].gen = 2 * i;
	}
	return set;
}

static void test_quiet(void **state)
{
	struct nb_flow_set set = full_set(), again = full_set();

	(void)state;
	again.heads[3].seen++; /* a packet was seen in between */
	set.heads[4].tag = again.heads[4].tag = 0;
	nb_migrate_flow_set(&set, &again);
	for (int i = 0; i < NB_FLOW_WAYS; i++)
		assert_int_equal(set.heads[i].tag, i == 4 ? 0 : TAG + 2 * i);
}

/* A CPU inserts into the set meanwhile: the lock is not copied, nor is a flow of which half is. */
static void test_written(void **state)
{
	struct nb_flow_set set = full_set(), again = full_set();

	(void)state;
	set.heads[0].tag |= NB_FLOW_LOCKED;
	set.flows[1].gen = again.flows[1].gen = 3; /* being written at both reads */
	again.flows[2].gen += 2;                   /* replaced in between */
	set.flows[3].key.sport = 77;               /* the first read was in the middle */
	set.flows[5].port[1] = 77;                 /* the state changed: which one is not known */
	nb_migrate_flow_set(&set, &again);
	for (int i = 0; i < NB_FLOW_WAYS; i++)
		assert_int_equal(set.heads[i].tag, i == 1 || i == 2 || i == 3 || i == 5 ? 0 : TAG + 2 * i);
}

/* Up to layout 8, a tag of 1 says that a CPU writes the flow, and bit 0 is one of the hash's. */
static void test_layout_8(void **state)
{
	struct nb_flow_set set = full_set(), again;

	(void)state;
	for (int i = 0; i < NB_FLOW_WAYS; i++) {
		set.heads[i].tag |= 1;
		set.flows[i].gen = 0;
	}
	set.heads[2].tag = 1;
	again = set;
	nb_migrate_flow_set(&set, &again);
	for (int i = 0; i < NB_FLOW_WAYS; i++)
		assert_int_equal(set.heads[i].tag, i == 2 ? 0 : (TAG + 2 * i) | (i ? 1 : 0));
	set.heads[0].tag = again.heads[0].tag = 1;
	nb_migrate_flow_set(&set, &again);
	assert_int_equal(set.heads[0].tag, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_layout_8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
