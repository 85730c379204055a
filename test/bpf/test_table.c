// SPDX-License-Identifier: GPL-2.0-or-later
#include "env.h"

#include <natbridge/conntrack.h>

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

enum { TABLE = 1024 };

static void serve(struct env *env)
{
	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
}

static struct packet client(uint32_t i)
{
	static char src[4][16];
	static unsigned int next;
	char *text = src[next++ % 4];

	/* Several addresses: more tuples than there are ports. */
	snprintf(text, sizeof(src[0]), "10.1.%u.2", i >> 14);
	return (struct packet){
		.src = text, .dst = VIP, .sport = 1024 + (i & 0x3fff), .dport = 80, .tcp_flags = SYN
	};
}

static void establish(struct env *env, uint32_t i)
{
	struct packet out = client(i);
	struct packet back = {
		.src = "10.1.0.3", .dst = out.src, .sport = 8080, .dport = out.sport, .tcp_flags = SYN | ACK
	};

	assert_int_equal(env_run(env, FROM_POD, POD_A, &out, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &back, NULL, NULL), TC_ACT_REDIRECT);
	out.tcp_flags = ACK;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &out, NULL, NULL), TC_ACT_REDIRECT);
}

static bool is_established(struct env *env, uint32_t i)
{
	struct packet packet = client(i);
	struct nb_conn conn;

	return env_conn(env, &packet, &conn) && conn.state == NB_TCP_ESTABLISHED &&
	       conn.flags & NB_CONN_ASSURED;
}

/* B24: a flood of half-open connections pushes out half-open ones and no established one. */
static void test_syn_flood(void **state)
{
	struct env *env = *state;

	serve(env);
	for (uint32_t i = 0; i < TABLE / 2; i++)
		establish(env, i);
	for (uint32_t i = 0; i < 20 * TABLE; i++) {
		struct packet syn = client(100000 + i);

		assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
	}
	for (uint32_t i = 0; i < TABLE / 2; i++)
		assert_true(is_established(env, i));
	assert_in_range(env_conn_count(env), TABLE, 2 * TABLE);
	assert_in_range(env_counter(env, NB_COUNT_EARLY_DROP), 19 * TABLE, 20 * TABLE);
	assert_int_equal(env_counter(env, NB_DROP_TABLE_FULL), 0);
}

/* B24: all are established: a new one is refused and counted, and none is lost. */
static void test_full(void **state)
{
	struct env *env = *state;
	struct packet syn = client(100000);

	serve(env);
	for (uint32_t i = 0; i < TABLE; i++)
		establish(env, i);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_TABLE_FULL), 1);
	for (uint32_t i = 0; i < TABLE; i++)
		assert_true(is_established(env, i));
	assert_int_equal(env_conn_count(env), 2 * TABLE);
}

/* Places of expired connections are found again without a scan. */
static void test_reclaim(void **state)
{
	struct env *env = *state;

	serve(env);
	for (uint32_t i = 0; i < TABLE; i++)
		establish(env, i);
	env_advance(env, 432010);
	for (uint32_t i = TABLE; i < 2 * TABLE; i++)
		establish(env, i);
	assert_int_equal(env_counter(env, NB_COUNT_RECLAIMED), TABLE);
	assert_int_equal(env_counter(env, NB_COUNT_EARLY_DROP), 0);
	assert_int_equal(env_conn_count(env), 2 * TABLE);
}

/* Closed connections give way, established ones between them do not. */
static void test_storm(void **state)
{
	struct env *env = *state;

	serve(env);
	for (uint32_t i = 0; i < 100; i++)
		establish(env, i);
	for (uint32_t i = 1000; i < 1000 + 5 * TABLE; i++) {
		struct packet fin = client(i);
		struct packet back = { .src = "10.1.0.3",
				       .dst = fin.src,
				       .sport = 8080,
				       .dport = fin.sport,
				       .tcp_flags = FIN | ACK };

		establish(env, i);
		fin.tcp_flags = FIN | ACK;
		env_run(env, FROM_POD, POD_A, &fin, NULL, NULL);
		env_run(env, FROM_POD, POD_B, &back, NULL, NULL);
		fin.tcp_flags = ACK;
		env_run(env, FROM_POD, POD_A, &fin, NULL, NULL);
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_true(is_established(env, i));
	assert_int_equal(env_counter(env, NB_DROP_TABLE_FULL), 0);
}

int suite_table(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST_SMALL(test_syn_flood),
		ENV_TEST_SMALL(test_full),
		ENV_TEST_SMALL(test_reclaim),
		ENV_TEST_SMALL(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
