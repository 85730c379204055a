// SPDX-License-Identifier: GPL-2.0-or-later
/* Clashes: connections with different frontends that would have one tuple at the backend (B5, B6). */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP  "10.96.0.10"
#define VIP2 "10.96.0.20"

/*
 * B5: pod A sends to two destinations, one after the other. Pod B, the backend of both, must see
 * two source ports, and each of its answers must come back from the destination that was asked.
 */
struct clash {
	const char *dst;
	uint16_t dport;
};

static struct packet request_to(const struct clash *to, uint8_t proto)
{
	return (struct packet){ .src = "10.1.0.2",
				.dst = to->dst,
				.sport = 5555,
				.dport = to->dport,
				.proto = proto,
				.tcp_flags = proto == IPPROTO_TCP ? SYN : 0,
				.dmac = pod_mac[POD_B] };
}

/* Returns the source port that the backend sees, from the entry. */
static uint16_t send_one(struct env *env, const struct clash *to, uint8_t proto)
{
	struct packet request = request_to(to, proto);
	struct nb_conn conn;
	int verdict = env_run(env, FROM_POD, POD_A, &request, NULL, NULL);

	assert_true(env_conn(env, &request, &conn));
	assert_int_equal(verdict, conn.flags & NB_CONN_NAT ? TC_ACT_REDIRECT : TC_ACT_UNSPEC);
	return ntohs(conn.sport);
}

static void answer_one(struct env *env, const struct clash *to, uint8_t proto, uint16_t seen_port)
{
	struct packet answer = { .src = "10.1.0.3",
				 .dst = "10.1.0.2",
				 .sport = 8080,
				 .dport = seen_port,
				 .proto = proto,
				 .tcp_flags = proto == IPPROTO_TCP ? SYN | ACK : 0,
				 .dmac = pod_mac[POD_A],
				 .payload = "answer" };
	struct packet received = answer;
	bool direct = strcmp(to->dst, "10.1.0.3") == 0;

	received.src = to->dst;
	received.sport = to->dport;
	received.dport = 5555;
	env_expect(env, FROM_POD, POD_B, &answer,
		   direct && seen_port == 5555 ? TC_ACT_UNSPEC : TC_ACT_REDIRECT, &received);
}

static void clash(struct env *env, const struct clash *first, const struct clash *second, uint8_t proto)
{
	uint16_t port1, port2;
	struct nb_error err = { 0 };

	assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
	port1 = send_one(env, first, proto);
	port2 = send_one(env, second, proto);
	assert_int_equal(port1, 5555);
	assert_int_not_equal(port2, 5555);
	assert_in_range(port2, 1024, 65535);
	answer_one(env, first, proto, port1);
	answer_one(env, second, proto, port2);
	answer_one(env, first, proto, port1);
	assert_int_equal(send_one(env, second, proto), port2);
}

static void test_clashes(void **state)
{
	static const struct clash vip = { VIP, 80 }, vip2 = { VIP2, 80 }, direct = { "10.1.0.3", 8080 };
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(protos); i++) {
		env_services_clear(env);
		env_service(env, "default/one", VIP ":80", protos[i],
			    (const char *[]){ "10.1.0.3:8080", NULL });
		env_service(env, "default/two", VIP2 ":80", protos[i],
			    (const char *[]){ "10.1.0.3:8080", NULL });
		clash(env, &vip, &direct, protos[i]);
		clash(env, &direct, &vip, protos[i]);
		clash(env, &vip, &vip2, protos[i]);
		clash(env, &vip2, &vip, protos[i]);
	}
}

/* The new port is of the old one's class: a privileged port stays one. */
static void test_port_class(void **state)
{
	struct env *env = *state;
	struct packet low = { .src = "10.1.0.2", .dst = VIP, .sport = 700, .dport = 80, .tcp_flags = SYN };
	struct nb_conn conn;

	env_service(env, "default/one", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/two", VIP2 ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_run(env, FROM_POD, POD_A, &low, NULL, NULL);
	low.dst = VIP2;
	env_run(env, FROM_POD, POD_A, &low, NULL, NULL);
	assert_true(env_conn(env, &low, &conn));
	assert_in_range(ntohs(conn.sport), 600, 1023);
	assert_int_not_equal(ntohs(conn.sport), 700);
}

/* The mirror image of a connection is no clash (the kernel's conntrack_reverse_clash selftest). */
static void test_mirror(void **state)
{
	struct env *env = *state;
	struct packet out = {
		.src = "10.1.0.2", .dst = "10.1.0.3", .sport = 9000, .dport = 8080, .proto = IPPROTO_UDP
	};
	struct packet back = {
		.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080, .dport = 9000, .proto = IPPROTO_UDP
	};

	env_service(env, "default/b", VIP ":80", IPPROTO_UDP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/a", VIP2 ":80", IPPROTO_UDP, (const char *[]){ "10.1.0.2:9000", NULL });
	env_expect_untouched(env, FROM_POD, POD_A, &out);
	env_expect_untouched(env, FROM_POD, POD_B, &back);
	env_expect_untouched(env, FROM_POD, POD_A, &out);
	assert_int_equal(env_counter(env, NB_COUNT_PORT_CHANGED), 0);
}

/* B6: without a free port the packet is dropped and counted, and not sent with another connection's. */
/* All ports of a class to one backend are taken; then one more connection begins. Its verdict. */
static int begin_behind(struct env *env, bool assured)
{
	struct packet syn = { .src = "10.1.0.2", .dst = VIP, .dport = 80, .tcp_flags = SYN }, ack;
	struct packet answer = { .src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080 };

	answer.tcp_flags = SYN | ACK;
	env_service(env, "default/one", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/two", VIP2 ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	for (syn.sport = 1; syn.sport < 512; syn.sport++) {
		assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
		answer.dport = syn.sport;
		assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_REDIRECT);
		ack = syn;
		ack.tcp_flags = ACK;
		if (assured)
			assert_int_equal(env_run(env, FROM_POD, POD_A, &ack, NULL, NULL), TC_ACT_REDIRECT);
	}
	syn.dst = VIP2;
	syn.sport = 99;
	return env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
}

static void test_no_free_port(void **state)
{
	assert_int_equal(begin_behind(*state, true), TC_ACT_SHOT);
	assert_int_equal(env_counter(*state, NB_DROP_NO_PORT), 1);
}

/* As where the table is full: a connection that is not assured gives way. */
static void test_unassured_gives_port(void **state)
{
	assert_int_equal(begin_behind(*state, false), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(*state, NB_DROP_NO_PORT), 0);
	assert_int_equal(env_conn_count(*state), 511);
}

int suite_clash(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_clashes),      ENV_TEST(test_port_class),           ENV_TEST(test_mirror),
		ENV_TEST(test_no_free_port), ENV_TEST(test_unassured_gives_port),
	};

	return cmocka_run_group_tests_name("clash", tests, NULL, NULL);
}
