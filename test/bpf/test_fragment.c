// SPDX-License-Identifier: GPL-2.0-or-later
/* Fragments of translated datagrams (B16), and IPv6 extension headers (B20). */
#include "env.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "suites.h"

#define WHOLE "a question that takes more than one fragment, though not many more than two or three of them"

static const char *const vips[] = { "10.96.0.10", "fd00:96::10" };
static const char *const far[] = { "10.9.0.9", "fd00:9::9" };
static const char *const near[] = { "10.1.0.3", "fd00:1::3" };

static void serve(struct env *env)
{
	env_service(env, "default/dns", "10.96.0.10:53", IPPROTO_UDP,
		    (const char *[]){ "10.1.0.3:5353", NULL });
	env_service(env, "default/dns6", "[fd00:96::10]:53", IPPROTO_UDP,
		    (const char *[]){ "[fd00:1::3]:5353", NULL });
	env_service(env, "default/far", "10.96.0.10:54", IPPROTO_UDP,
		    (const char *[]){ "10.9.0.9:5353", NULL });
	env_service(env, "default/far6", "[fd00:96::10]:54", IPPROTO_UDP,
		    (const char *[]){ "[fd00:9::9]:5353", NULL });
}

static struct packet question(int v6, uint16_t port)
{
	return (struct packet){ .src = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A],
				.dst = vips[v6],
				.sport = 40000,
				.dport = port,
				.proto = IPPROTO_UDP,
				.payload = WHOLE,
				.id = 77 };
}

/* What the other side sends back to the source of in. */
static struct packet answer_to(struct packet in)
{
	struct packet out = in;

	out.src = in.dst;
	out.sport = in.dport;
	out.dst = in.src;
	out.dport = in.sport;
	return out;
}

/* All three fragments of a datagram are translated like the whole. */
static void check_all(struct env *env, enum hook hook, enum pod pod, struct packet in, int verdict,
		      struct packet out)
{
	static const uint16_t from[] = { 0, 40, 80 };

	for (int i = 0; i < 3; i++) {
		in.slice_from = out.slice_from = from[i];
		in.slice_len = out.slice_len = 40;
		env_expect(env, hook, pod, &in, verdict, &out);
	}
}

static void test_same_bridge(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet asked = question(v6, 53), seen = asked, answer, answered;

		seen.dst = near[v6];
		seen.dport = 5353;
		answer = answer_to(seen);
		answered = answer_to(asked);
		seen.dmac = pod_mac[POD_B];
		answered.dmac = pod_mac[POD_A];
		check_all(env, FROM_POD, POD_A, asked, TC_ACT_REDIRECT, seen);
		check_all(env, FROM_POD, POD_B, answer, TC_ACT_REDIRECT, answered);
	}
	assert_int_equal(env_conn_count(env), 2);
	assert_int_equal(env_counter(env, NB_DROP_FRAGMENT), 0);
}

static void test_via_host(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet asked = question(v6, 54), routed = asked, answer, answered;

		routed.dst = far[v6];
		routed.dport = 5353;
		answer = answer_to(routed);
		answered = answer_to(asked);
		routed.dmac = BRIDGE_MAC;
		check_all(env, FROM_POD, POD_A, asked, TC_ACT_UNSPEC, routed);
		check_all(env, TO_POD, POD_A, answer, TC_ACT_UNSPEC, answered);
		/* A later fragment of an answer before the first one. */
		answer.id++;
		answer.slice_from = 40;
		answer.slice_len = 200;
		assert_int_equal(env_run(env, TO_POD, POD_A, &answer, NULL, NULL), TC_ACT_SHOT);
	}
	assert_int_equal(env_counter(env, NB_DROP_FRAGMENT), 2);
}

/*
 * A later fragment that comes first is never passed untranslated. Fragments between pods pass in
 * any order.
 */
static void test_order(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet late = question(v6, 53), answer = question(v6, 53), other = late, icmp;

		late.slice_from = 40;
		late.slice_len = 200;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &late, NULL, NULL), TC_ACT_SHOT);
		other = late;
		other.dst = v6 ? pod_addr6[POD_C] : pod_addr4[POD_C];
		env_expect_untouched(env, FROM_POD, POD_A, &other);
		env_expect_untouched(env, TO_POD, POD_A, &other);
		other.slice_from = 0;
		other.slice_len = 40;
		env_expect_untouched(env, FROM_POD, POD_A, &other);
		other.slice_from = 40;
		env_expect_untouched(env, FROM_POD, POD_A, &other);

		/* One from a pod passes until the pod has answered for a Service. */
		answer.src = near[v6];
		answer.dst = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A];
		answer.slice_from = 40;
		answer.slice_len = 200;
		env_expect_untouched(env, FROM_POD, POD_B, &answer);
		late = question(v6, 53);
		assert_int_equal(env_run(env, FROM_POD, POD_A, &late, NULL, NULL), TC_ACT_REDIRECT);
		assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_SHOT);
		icmp = answer;
		icmp.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		env_expect_untouched(env, FROM_POD, POD_B, &icmp);
	}
	assert_int_equal(env_counter(env, NB_DROP_FRAGMENT), 4);
}

/* If the first fragment is rejected, the others are dropped without an error. */
static void test_rejected(void **state)
{
	struct env *env = *state;
	struct packet asked = question(0, 53);

	env_service(env, "default/dns", "10.96.0.10:53", IPPROTO_UDP, (const char *[]){ NULL });
	asked.slice_len = 40;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_REDIRECT);
	asked.slice_from = 40;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &asked, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), 1);
	assert_int_equal(env_counter(env, NB_DROP_FRAGMENT), 1);
}

static void test_extensions(void **state)
{
	struct env *env = *state;
	struct packet in = question(1, 53), out = in;

	serve(env);
	out.dst = near[1];
	out.dport = 5353;
	out.dmac = pod_mac[POD_B];
	for (uint8_t n = 0; n <= 6; n++) {
		in.ip_options = out.ip_options = n;
		env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
	}
	/* More headers than are walked over: dropped if it goes to the VIP, else passed. */
	in.ip_options = 7;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_UNPARSED), 1);
	in.dst = pod_addr6[POD_C];
	env_expect_untouched(env, FROM_POD, POD_A, &in);
	/* A fragment header behind a destination options header. */
	in = question(1, 53);
	in.ip_options = 1;
	out.ip_options = 1;
	check_all(env, FROM_POD, POD_A, in, TC_ACT_REDIRECT, out);
}

int suite_fragment(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_same_bridge), ENV_TEST(test_via_host),   ENV_TEST(test_order),
		ENV_TEST(test_rejected),    ENV_TEST(test_extensions),
	};

	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}
