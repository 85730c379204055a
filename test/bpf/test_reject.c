// SPDX-License-Identifier: GPL-2.0-or-later
/* Services without a backend, and addresses without a Service (A5, A6): how packets to them are rejected. */
#include "env.h"

#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

static const char *const vips[] = { "10.96.0.10", "fd00:96::10" };

static struct packet to_vip(int v6, uint8_t proto, uint16_t port)
{
	return (struct packet){ .src = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A],
				.dst = vips[v6],
				.sport = 40000,
				.dport = port,
				.proto = proto,
				.tcp_flags = SYN,
				.seq = 1000,
				.smac = pod_mac[POD_A] };
}

/* The answer to in from this address, with the Ethernet header turned round. */
static struct packet back(const struct packet *in, const char *from)
{
	return (struct packet){ .src = from, .dst = in->src, .smac = BRIDGE_MAC, .dmac = in->smac };
}

static void expect_reset(struct env *env, const struct packet *in, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct packet out = back(in, in->dst);

	out.sport = in->dport;
	out.dport = in->sport;
	out.tcp_flags = flags;
	out.seq = seq;
	out.ack = ack;
	out.frag = 0x4000;
	env_expect(env, FROM_POD, POD_A, in, TC_ACT_REDIRECT, &out);
}

static void expect_unreachable(struct env *env, const struct packet *in, const char *from)
{
	bool v6 = strchr(in->src, ':');
	struct packet out = back(in, from);

	out.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	out.icmp_type = v6 ? 1 : 3;
	out.icmp_code = v6 ? 4 : 3;
	out.tos = v6 ? 0 : 0xc0;
	out.quoted = in;
	out.quoted_len = v6 ? 1280 - 40 - 8 - 40 : 576 - 20 - 8 - 20;
	env_expect(env, FROM_POD, POD_A, in, TC_ACT_REDIRECT, &out);
}

static void no_backends(struct env *env)
{
	env_service(env, "default/web", "10.96.0.10:80", IPPROTO_TCP, (const char *[]){ NULL });
	env_service(env, "default/web6", "[fd00:96::10]:80", IPPROTO_TCP, (const char *[]){ NULL });
	env_service(env, "default/dns", "10.96.0.10:53", IPPROTO_UDP, (const char *[]){ NULL });
	env_service(env, "default/dns6", "[fd00:96::10]:53", IPPROTO_UDP, (const char *[]){ NULL });
}

static void test_resets(void **state)
{
	struct env *env = *state;

	no_backends(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet in = to_vip(v6, IPPROTO_TCP, 80);

		expect_reset(env, &in, RST | ACK, 0, 1001);
		in.payload = "fast open";
		expect_reset(env, &in, RST | ACK, 0, 1010);
		in.tcp_flags = ACK;
		in.ack = 4711;
		expect_reset(env, &in, RST, 4711, 0);
		in.ip_options = 2;
		expect_reset(env, &in, RST, 4711, 0);
		/* A reset is never answered with a reset. */
		in.tcp_flags = RST;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
	}
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), 8);
	assert_int_equal(env_counter(env, NB_DROP_INVALID), 2);
	assert_int_equal(env_conn_count(env), 0);
}

static void test_unreachable(void **state)
{
	static char large[1400];
	static const size_t sizes[] = { 0, 1, 5, 100, 519, 520, 521, 1183, 1184, 1185, 1399 };
	struct env *env = *state;

	no_backends(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet in = to_vip(v6, IPPROTO_UDP, 53);

		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			memset(large, 'x', sizes[i]);
			large[sizes[i]] = 0;
			in.payload = large;
			expect_unreachable(env, &in, v6 ? GATEWAY6 : GATEWAY4);
			memset(large, 0, sizeof(large));
		}
		in.ip_options = v6 ? 1 : 3;
		expect_unreachable(env, &in, v6 ? GATEWAY6 : GATEWAY4);
		/* A client without a gateway gets the error from the VIP. */
		in = to_vip(v6, IPPROTO_UDP, 53);
		in.src = v6 ? "fd00:7::7" : "10.7.0.7";
		expect_unreachable(env, &in, in.dst);
	}
	assert_int_equal(env_conn_count(env), 0);
}

/* A6: another port of a VIP, and addresses of a service range. */
static void test_no_service(void **state)
{
	struct env *env = *state;
	struct packet in = to_vip(0, IPPROTO_TCP, 81), in6 = to_vip(1, IPPROTO_UDP, 81);
	struct nb_settings settings;
	struct nb_error err = { 0 };

	env_service(env, "default/web", "10.96.0.10:80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:80", NULL });
	env_service(env, "default/web6", "[fd00:96::10]:80", IPPROTO_TCP,
		    (const char *[]){ "[fd00:1::3]:80", NULL });
	expect_reset(env, &in, RST | ACK, 0, 1001);
	expect_unreachable(env, &in6, GATEWAY6);
	assert_int_equal(env_counter(env, NB_DROP_NO_SERVICE), 2);
	in.dst = "10.96.0.11";
	in6.dst = "fd00:96::11";
	env_expect_untouched(env, FROM_POD, POD_A, &in);
	env_expect_untouched(env, FROM_POD, POD_A, &in6);

	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.n_service_cidrs = 1;
	assert_true(nb_addr_parse("10.96.0.0", &settings.service_cidrs[0].value));
	assert_true(nb_addr_parse("255.240.0.0", &settings.service_cidrs[0].mask));
	memset(settings.service_cidrs[0].mask.w, 0xff, 12);
	settings.vips[1] = settings.service_cidrs[0];
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &in, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NO_VIP), 1);
	in.dst = "10.112.0.1";
	env_expect_untouched(env, FROM_POD, POD_A, &in);
	env_expect_untouched(env, FROM_POD, POD_A, &in6);
}

int suite_reject(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_resets),
		ENV_TEST(test_unreachable),
		ENV_TEST(test_no_service),
	};

	return cmocka_run_group_tests_name("reject", tests, NULL, NULL);
}
