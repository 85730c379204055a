// SPDX-License-Identifier: GPL-2.0-or-later
/* How long connections live (B8), and that both entries do so together. */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/maps/settings.h"
#include "lib/maps/tick.h"
#include "lib/util/error.h"

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

static const struct packet query = {
	.src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 53, .proto = IPPROTO_UDP
};
static const struct packet reply = {
	.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 5353, .dport = 40000, .proto = IPPROTO_UDP
};
static const struct packet segment = { .src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80 };
static const struct packet answer = { .src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080, .dport = 40000 };

static void serve(struct env *env)
{
	env_service(env, "default/dns", VIP ":53", IPPROTO_UDP, (const char *[]){ "10.1.0.3:5353", NULL });
	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
}

/* Seconds that the client's entry has left. It may be written a second late. */
static unsigned int left(struct env *env, const struct packet *client)
{
	struct nb_conn conn;

	assert_true(env_conn(env, client, &conn));
	return nb_seconds_from_ticks(nb_life_expires(conn.life) - env_now(env));
}

static void run_tcp(struct env *env, bool backend, uint8_t flags, int verdict)
{
	struct packet packet = backend ? answer : segment;

	packet.tcp_flags = flags;
	assert_int_equal(env_run(env, FROM_POD, backend ? POD_B : POD_A, &packet, NULL, NULL), verdict);
}

static void expect_left(struct env *env, const struct packet *client, unsigned int seconds)
{
	assert_in_range(left(env, client), seconds - 1, seconds + 1);
}

/* B8: a UDP flow lives 30 s, and 120 s once it was answered and is older than 2 s. */
static void test_udp(void **state)
{
	struct env *env = *state;
	struct nb_conn conn;

	serve(env);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_left(env, &query, 30);
	env_run(env, FROM_POD, POD_B, &reply, NULL, NULL);
	expect_left(env, &query, 30);
	assert_true(env_conn(env, &query, &conn));
	assert_true(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY);
	assert_false(nb_life_flags(conn.life) & NB_LIFE_ASSURED);
	env_advance(env, 3);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_left(env, &query, 120);
	assert_true(env_conn(env, &query, &conn));
	assert_true(nb_life_flags(conn.life) & NB_LIFE_ASSURED);
}

/* B8: the timeouts of the TCP states that a connection passes through. */
static void test_tcp(void **state)
{
	struct env *env = *state;

	serve(env);
	run_tcp(env, false, SYN, TC_ACT_REDIRECT);
	expect_left(env, &segment, 120);
	run_tcp(env, true, SYN | ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 60);
	run_tcp(env, false, ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 432000);
	run_tcp(env, false, FIN | ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 120);
	run_tcp(env, true, ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 60);
	run_tcp(env, true, FIN | ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 30);
	run_tcp(env, false, ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 120);
}

/* A repeated SYN does not prolong an unanswered connection. */
static void test_syn_again(void **state)
{
	struct env *env = *state;

	serve(env);
	run_tcp(env, false, SYN, TC_ACT_REDIRECT);
	env_advance(env, 50);
	run_tcp(env, false, SYN, TC_ACT_REDIRECT);
	expect_left(env, &segment, 70);
}

/* A connection that is picked up in the middle lives 300 s until it is answered. */
static void test_picked_up(void **state)
{
	struct env *env = *state;

	serve(env);
	run_tcp(env, false, ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 300);
	run_tcp(env, true, ACK, TC_ACT_REDIRECT);
	expect_left(env, &segment, 432000);
}

/* Timeouts set at run time count from the next packet on, longer and shorter ones. */
static void test_set_at_run_time(void **state)
{
	struct env *env = *state;
	struct nb_settings settings;
	struct nb_error err = { 0 };

	serve(env);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.timeouts[NB_TIMEOUT_UDP] = nb_ticks_from_seconds(77);
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_left(env, &query, 77);
	settings.timeouts[NB_TIMEOUT_UDP] = nb_ticks_from_seconds(11);
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_left(env, &query, 11);
}

/* An expired entry is not used: the packet begins a new connection, and the old one ends. */
static void test_expired(void **state)
{
	struct env *env = *state;
	struct nb_conn conn;

	serve(env);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	env_run(env, FROM_POD, POD_B, &reply, NULL, NULL);
	env_advance(env, 32);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	assert_true(env_conn(env, &query, &conn));
	assert_false(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY);
	assert_int_equal(env_conn_count(env), 1);
	env_advance(env, 32);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &reply, NULL, NULL), TC_ACT_UNSPEC);
	assert_int_equal(env_conn_count(env), 0);
}

/* Packets of one direction keep both entries of an answered connection alive. */
static void test_one_way_traffic(void **state)
{
	struct env *env = *state;

	serve(env);
	run_tcp(env, false, SYN, TC_ACT_REDIRECT);
	run_tcp(env, true, SYN | ACK, TC_ACT_REDIRECT);
	run_tcp(env, false, ACK, TC_ACT_REDIRECT);
	for (int i = 0; i < 3; i++) {
		env_advance(env, 400000);
		run_tcp(env, false, ACK, TC_ACT_REDIRECT);
	}
	run_tcp(env, true, ACK, TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_COUNT_INSERT), 1);
}

static int count_one(const struct nb_conn_info *info, void *arg)
{
	unsigned int *seconds = arg;

	*seconds = info->remaining;
	return 0;
}

/* B8: an established connection whose last segment is not acknowledged is not listed after 300 s. */
static void test_unacknowledged(void **state)
{
	struct env *env = *state;
	struct packet data = segment, syn_ack = answer, syn = segment;
	struct nb_error err = { 0 };
	unsigned int seconds = 0;

	serve(env);
	syn.tcp_flags = SYN;
	syn.seq = 99;
	env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
	syn_ack.tcp_flags = SYN | ACK;
	syn_ack.seq = 499;
	syn_ack.ack = 100;
	env_run(env, FROM_POD, POD_B, &syn_ack, NULL, NULL);
	data.tcp_flags = ACK;
	data.seq = 100;
	data.ack = 500;
	env_run(env, FROM_POD, POD_A, &data, NULL, NULL);
	assert_int_equal(nb_conntrack_each(&env->dp, count_one, &seconds, &err), 0);
	assert_in_range(seconds, 431998, 432001);
	data.payload = "lost";
	env_run(env, FROM_POD, POD_A, &data, NULL, NULL);
	assert_int_equal(nb_conntrack_each(&env->dp, count_one, &seconds, &err), 0);
	assert_in_range(seconds, 298, 301);
	env_advance(env, 303);
	seconds = 0;
	assert_int_equal(nb_conntrack_each(&env->dp, count_one, &seconds, &err), 0);
	assert_int_equal(seconds, 0);
}

int suite_lifetime(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_udp),
		ENV_TEST(test_tcp),
		ENV_TEST(test_syn_again),
		ENV_TEST(test_picked_up),
		ENV_TEST(test_expired),
		ENV_TEST(test_set_at_run_time),
		ENV_TEST(test_one_way_traffic),
		ENV_TEST(test_unacknowledged),
	};

	return cmocka_run_group_tests_name("lifetime", tests, NULL, NULL);
}
