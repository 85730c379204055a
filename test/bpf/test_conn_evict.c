// SPDX-License-Identifier: GPL-2.0-or-later
/* A full table: which connections give way, and what a new one gets. */
#include "env.h"

#include "lib/maps/endpoint.h"
#include "lib/maps/settings.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

	return env_conn(env, &packet, &conn) && nb_life_state(conn.life) == NB_TCP_ESTABLISHED &&
	       nb_life_flags(conn.life) & NB_LIFE_ASSURED;
}

/* B24: a flood of half-open connections evicts half-open ones, and no established one. */
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
	assert_in_range(env_conn_count(env), TABLE / 2, TABLE);
	assert_in_range(env_counter(env, NB_COUNT_EARLY_DROP), 19 * TABLE, 20 * TABLE);
	assert_int_equal(env_counter(env, NB_DROP_TABLE_FULL), 0);
}

/* B24: if all are established, a new one is refused and counted, and none is lost. */
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
	assert_int_equal(env_conn_count(env), TABLE);
}

/* Connections of a pod that is gone give way at once, whether it was client or backend. */
static void test_gone_client(void **state)
{
	struct env *env = *state;
	struct packet syn = { .src = pod_addr4[POD_C], .dst = VIP, .dport = 80, .tcp_flags = SYN };
	struct nb_error err = { 0 };

	serve(env);
	for (uint32_t i = 0; i < TABLE; i++)
		establish(env, i);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_A], "eth0", &err), 0);
	for (syn.sport = 1; syn.sport <= 1000; syn.sport++)
		assert_int_equal(env_run(env, FROM_POD, POD_C, &syn, NULL, NULL), TC_ACT_REDIRECT);
}

struct storm {
	struct env *env;
	enum pod pod;
	int cpu;
	unsigned long sent;
};

static void *storm(void *arg)
{
	struct storm *s = arg;
	struct packet syn = { .src = pod_addr4[s->pod], .dst = VIP, .dport = 80, .tcp_flags = SYN };
	struct timespec start, now;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(s->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		syn.sport = 2048 + s->sent++ % 60000;
		env_run(s->env, FROM_POD, s->pod, &syn, NULL, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < 3);
	return NULL;
}

/* Two CPUs in an almost full table: no pair is used twice, and none is lost. */
static void test_two_cpus(void **state)
{
	struct env *env = *state;
	struct storm a = { .env = env, .pod = POD_A, .cpu = 0 }, c = { .env = env, .pod = POD_C, .cpu = 1 };
	pthread_t threads[2];

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		print_message("# SKIP there is one CPU only\n");
		skip();
	}
	serve(env);
	for (uint32_t i = 0; i < TABLE - 14; i++)
		establish(env, i);
	assert_int_equal(pthread_create(&threads[0], NULL, storm, &a), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, storm, &c), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	env_expect_whole(env);
	assert_in_range(env_conn_count(env), TABLE - 14, TABLE);
	for (uint32_t i = 0; i < TABLE - 14; i++)
		assert_true(is_established(env, i));
}

/* Pairs of expired connections are reclaimed without a scan. */
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
	assert_int_equal(env_conn_count(env), TABLE);
}

static void flood(struct env *env, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++) {
		struct packet syn = client(i);

		env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
	}
}

static void client_fin(struct env *env, uint32_t i)
{
	struct packet fin = client(i);

	fin.tcp_flags = FIN | ACK;
	env_run(env, FROM_POD, POD_A, &fin, NULL, NULL);
}

static void live_and_close(struct env *env, uint32_t i)
{
	struct packet out = client(i);
	struct packet back = {
		.src = "10.1.0.3", .dst = out.src, .sport = 8080, .dport = out.sport, .tcp_flags = FIN | ACK
	};

	establish(env, i);
	client_fin(env, i);
	env_run(env, FROM_POD, POD_B, &back, NULL, NULL);
	out.tcp_flags = ACK;
	env_run(env, FROM_POD, POD_A, &out, NULL, NULL);
}

/* Closed connections give way, established ones between them do not. */
static void test_storm(void **state)
{
	struct env *env = *state;

	serve(env);
	for (uint32_t i = 0; i < 100; i++)
		establish(env, i);
	for (uint32_t i = 1000; i < 1000 + 5 * TABLE; i++)
		live_and_close(env, i);
	for (uint32_t i = 0; i < 100; i++)
		assert_true(is_established(env, i));
	assert_int_equal(env_counter(env, NB_DROP_TABLE_FULL), 0);
}

/* A renewed connection is half-open, but does not give way: its answer is on its way. */
static void test_begun_again(void **state)
{
	struct env *env = *state;
	struct packet syn, other;
	struct packet back = { .src = "10.1.0.3", .sport = 8080, .tcp_flags = SYN | ACK };

	serve(env);
	for (uint32_t i = 0; i < TABLE; i++)
		live_and_close(env, i);
	syn = client(0);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
	other = client(100000);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &other, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_COUNT_EARLY_DROP), 1);
	back.dst = syn.src;
	back.dport = syn.sport;
	assert_int_equal(env_run(env, FROM_POD, POD_B, &back, NULL, NULL), TC_ACT_REDIRECT);
}

/* B24: a flood does not evict a connection of which one side still sends. */
static void test_half_closed(void **state)
{
	struct env *env = *state;
	struct nb_conn conn;

	serve(env);
	for (uint32_t i = 0; i < TABLE / 2; i++) {
		establish(env, i);
		client_fin(env, i);
	}
	flood(env, 100000, 5 * TABLE);
	for (uint32_t i = 0; i < TABLE / 2; i++) {
		struct packet packet = client(i);

		assert_true(env_conn(env, &packet, &conn));
		assert_int_equal(nb_life_state(conn.life), NB_TCP_FIN_WAIT);
	}
	assert_int_equal(env_counter(env, NB_DROP_TABLE_FULL), 0);
}

static void set_max(struct env *env, unsigned int max)
{
	struct nb_settings settings;

	assert_int_equal(nb_settings_read(&env->dp, &settings, NULL), 0);
	nb_setting_put(&settings, NB_SETTING_MAX, max);
	assert_int_equal(nb_settings_write(&env->dp, &settings, NULL), 0);
}

/* Lowering the maximum while the table is in use limits new connections, and ends none. */
static void test_max(void **state)
{
	struct env *env = *state;
	unsigned int before;

	serve(env);
	for (uint32_t i = 0; i < TABLE / 2; i++)
		establish(env, i);
	set_max(env, TABLE / 4);
	before = env_conn_count(env);
	flood(env, 100000, 2 * TABLE);
	assert_in_range(env_conn_count(env), before, before + TABLE / 4);
	for (uint32_t i = 0; i < TABLE / 2; i++)
		assert_true(is_established(env, i));
	set_max(env, TABLE);
	flood(env, 200000, 4 * TABLE);
	assert_in_range(env_conn_count(env), TABLE - TABLE / 8, TABLE);
	for (uint32_t i = 0; i < TABLE / 2; i++)
		assert_true(is_established(env, i));
}

int suite_conn_evict(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST_SMALL(test_syn_flood),   ENV_TEST_SMALL(test_full),
		ENV_TEST_SMALL(test_gone_client), ENV_TEST_SMALL(test_two_cpus),
		ENV_TEST_SMALL(test_reclaim),     ENV_TEST_SMALL(test_storm),
		ENV_TEST_SMALL(test_begun_again), ENV_TEST_SMALL(test_half_closed),
		ENV_TEST_SMALL(test_max),
	};

	return cmocka_run_group_tests_name("conn_evict", tests, NULL, NULL);
}
