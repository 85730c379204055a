// SPDX-License-Identifier: GPL-2.0-or-later
/* D13: drops by Service: under which frontend a packet counts that is dropped, and which count under none. */
#include "env.h"

#include "lib/maps/map.h"
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
				.tcp_flags = SYN };
}

/* port and proto 0: of the address. */
static void expect(struct env *env, const char *addr, uint8_t proto, uint16_t port, enum nb_counter reason,
		   uint64_t count)
{
	const struct nb_service_drop_key key = { .frontend.addr = env_addr(addr),
						 .frontend.port = htons(port),
						 .frontend.proto = proto,
						 .reason = reason };
	struct nb_error err = { 0 };
	__u64 found = 0;

	assert_in_range(nb_map_get(&env->dp, NB_MAP_SERVICE_DROPS, &key, &found, &err), 0, 1);
	assert_int_equal(found, count);
}

static int sum(const void *keys, const void *values, __u32 n, void *arg)
{
	(void)keys;
	for (__u32 i = 0; i < n; i++)
		*(uint64_t *)arg += ((const __u64 *)values)[i];
	return 0;
}

static void expect_all(struct env *env, uint64_t count)
{
	struct nb_error err = { 0 };
	uint64_t all = 0;

	assert_int_equal(nb_map_walk(&env->dp, NB_MAP_SERVICE_DROPS, sum, &all, &err), 0);
	assert_int_equal(all, count);
}

static void serve(struct env *env)
{
	env_service(env, "default/none4", "10.96.0.10:80", IPPROTO_TCP, (const char *[]){ NULL });
	env_service(env, "default/none6", "[fd00:96::10]:80", IPPROTO_TCP, (const char *[]){ NULL });
	env_service(env, "default/udp4", "10.96.0.10:53", IPPROTO_UDP, (const char *[]){ NULL });
	env_service(env, "default/udp6", "[fd00:96::10]:53", IPPROTO_UDP, (const char *[]){ NULL });
	env_service(env, "default/web", "10.96.0.11:80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:8080", NULL });
}

static void submit(struct env *env, enum hook hook, const struct packet *packet, unsigned int times)
{
	while (times--)
		env_run(env, hook, POD_A, packet, NULL, NULL);
}

static void test_without_backend(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet tcp = to_vip(v6, IPPROTO_TCP, 80), udp = to_vip(v6, IPPROTO_UDP, 53);

		submit(env, FROM_POD, &tcp, 3);
		submit(env, FROM_POD, &udp, 2);
		expect(env, vips[v6], IPPROTO_TCP, 80, NB_DROP_NO_BACKEND, 3);
		expect(env, vips[v6], IPPROTO_UDP, 53, NB_DROP_NO_BACKEND, 2);
		/* Another reason counts apart. */
		tcp.tcp_flags = RST;
		submit(env, FROM_POD, &tcp, 1);
		expect(env, vips[v6], IPPROTO_TCP, 80, NB_DROP_INVALID, 1);
		expect(env, vips[v6], IPPROTO_TCP, 80, NB_DROP_NO_BACKEND, 3);
	}
	expect_all(env, 12);
}

/* Whatever ports somebody tries, they are one element. */
static void test_other_ports(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		for (uint16_t port = 1000; port < 1010; port++) {
			struct packet packet = to_vip(v6, IPPROTO_TCP, port);

			submit(env, FROM_POD, &packet, 1);
		}
		expect(env, vips[v6], 0, 0, NB_DROP_NO_SERVICE, 10);
	}
	expect_all(env, 20);
}

/* What is sent on is none; nor is a drop of an answer, which is for no Service. */
static void test_others(void **state)
{
	struct env *env = *state;
	struct packet syn = to_vip(0, IPPROTO_TCP, 80);
	struct packet answer = { .src = pod_addr4[POD_B],
				 .dst = pod_addr4[POD_A],
				 .sport = 8080,
				 .dport = 40000,
				 .tcp_flags = SYN | ACK };

	serve(env);
	syn.dst = "10.96.0.11";
	submit(env, FROM_POD, &syn, 5);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &answer, NULL, NULL), TC_ACT_SHOT);
	expect_all(env, 0);
}

/* The node's own packets. */
static void test_node(void **state)
{
	struct env *env = *state;
	struct packet packet = to_vip(0, IPPROTO_TCP, 80);

	serve(env);
	packet.src = "192.0.2.1";
	assert_int_equal(env_run(env, NB0_OUT, NB0, &packet, NULL, NULL), TC_ACT_REDIRECT);
	packet.dport = 81;
	assert_int_equal(env_run(env, NB0_OUT, NB0, &packet, NULL, NULL), TC_ACT_REDIRECT);
	expect(env, vips[0], IPPROTO_TCP, 80, NB_DROP_NO_BACKEND, 1);
	expect(env, vips[0], 0, 0, NB_DROP_NO_SERVICE, 1);
	expect_all(env, 2);
}

int suite_service_drops(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_without_backend),
		ENV_TEST(test_other_ports),
		ENV_TEST(test_others),
		ENV_TEST_NODE(test_node),
	};

	return cmocka_run_group_tests_name("service_drops", tests, NULL, NULL);
}
