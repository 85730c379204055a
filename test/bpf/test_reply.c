// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers of backends: who may send them (B23), lost entries (B25), checksums (B17), IP options (B21). */
#include "env.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

static const struct packet request = {
	.src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80, .tcp_flags = SYN
};
static const struct packet answer = {
	.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080, .dport = 40000, .tcp_flags = SYN | ACK
};

static void connect_a_to_b(struct env *env)
{
	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
}

/* B23: an answer from another port than the backend's is dropped, whatever its addresses. */
static void test_forged_answer(void **state)
{
	struct env *env = *state;

	connect_a_to_b(env);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &answer, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), 1);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_REDIRECT);
}

/* The same for a backend off the bridge, to which the host has no route through the bridge. */
static void test_forged_answer_off_bridge(void **state)
{
	struct env *env = *state;
	struct packet forged = answer;

	env_service(env, "default/far", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.9.0.9:8080", NULL });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_UNSPEC);
	forged.src = "10.9.0.9";
	assert_int_equal(env_run(env, FROM_POD, POD_C, &forged, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NOT_ITS_PORT), 1);
}

/* B25: the index lost the backend's entry: the client's next packet inserts it again. */
static void test_reply_half_lost(void **state)
{
	struct env *env = *state;
	struct packet received = answer;

	connect_a_to_b(env);
	env_conn_lose(env, &answer);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_COUNT_REPAIRED), 1);
	received.src = VIP;
	received.sport = 80;
	received.dmac = pod_mac[POD_A];
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_REDIRECT, &received);
}

/* B25: the index lost the client's entry: answers are translated, its next packet inserts it again. */
static void test_client_half_lost(void **state)
{
	struct env *env = *state;
	struct packet received = answer;
	struct nb_conn conn;

	connect_a_to_b(env);
	env_conn_lose(env, &request);
	received.src = VIP;
	received.sport = 80;
	received.dmac = pod_mac[POD_A];
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_REDIRECT, &received);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_COUNT_REPAIRED), 1);
	assert_true(env_conn(env, &request, &conn));
	assert_int_equal(conn.in_ifindex, env->ifindex[POD_A]);
	assert_false(conn.flags & NB_CONN_REPLY);
}

/* B17: a wrong checksum stays wrong; a UDP checksum of 0 stays 0. */
static void test_checksums(void **state)
{
	struct env *env = *state;
	struct packet in = {
		.src = "10.1.0.2", .dst = VIP, .sport = 9, .dport = 53, .proto = IPPROTO_UDP, .payload = "x"
	};
	struct packet out;

	env_service(env, "default/dns", VIP ":53", IPPROTO_UDP, (const char *[]){ "10.1.0.3:5353", NULL });
	in.no_csum = true;
	out = in;
	out.dst = "10.1.0.3";
	out.dport = 5353;
	out.dmac = pod_mac[POD_B];
	env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
	in.no_csum = out.no_csum = false;
	in.bad_csum = out.bad_csum = true;
	env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
}

/* B21: IPv4 options move the ports; nothing but addresses, ports and checksums changes. */
static void test_ip_options(void **state)
{
	struct env *env = *state;
	struct packet in = request, out;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	for (uint8_t words = 0; words <= 10; words += 5) {
		in.ip_options = words;
		in.sport++;
		out = in;
		out.dst = "10.1.0.3";
		out.dport = 8080;
		out.dmac = pod_mac[POD_B];
		env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
	}
}

int suite_reply(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_forged_answer),   ENV_TEST(test_forged_answer_off_bridge),
		ENV_TEST(test_reply_half_lost), ENV_TEST(test_client_half_lost),
		ENV_TEST(test_checksums),       ENV_TEST(test_ip_options),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
