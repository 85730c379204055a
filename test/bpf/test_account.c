// SPDX-License-Identifier: GPL-2.0-or-later
/* B34: what connections carry: each packet that is sent on counts once, for the connection that it belongs
 * to. */
#include "env.h"

#include "lib/maps/conn_account.h"
#include "lib/maps/conntrack.h"
#include "lib/util/error.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP4 "10.96.0.10"
#define VIP6 "fd00:96::10"
#define FAR4 "10.9.0.9"

struct counts {
	uint64_t packets, bytes;
};

/* What all connections have carried. */
struct both {
	struct counts dir[2];
	unsigned int n;
};

static int take(const struct nb_conn_info *info, void *arg)
{
	struct both *both = arg;

	both->n++;
	for (int dir = 0; dir < 2; dir++) {
		both->dir[dir].packets += nb_account_packets(&info->accounts[dir]);
		both->dir[dir].bytes += nb_account_bytes(&info->accounts[dir]);
	}
	return 0;
}

/* The counts of the only connection. */
static void expect(struct env *env, uint64_t packets, uint64_t bytes, uint64_t answers, uint64_t answer_bytes)
{
	struct nb_error err = { 0 };
	struct both both = { 0 };

	assert_int_equal(nb_conntrack_each(&env->dp, take, &both, &err), 0);
	assert_int_equal(both.n, 1);
	assert_int_equal(both.dir[0].packets, packets);
	assert_int_equal(both.dir[0].bytes, bytes);
	assert_int_equal(both.dir[1].packets, answers);
	assert_int_equal(both.dir[1].bytes, answer_bytes);
}

/* Bytes from the IP header on. */
static uint64_t length(const struct packet *packet)
{
	uint8_t frame[FRAME_MAX];

	return packet_build(packet, frame) - ETH_HLEN;
}

static void serve(struct env *env, uint8_t proto)
{
	env_service(env, "default/web4", VIP4 ":80", proto, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/web6", "[" VIP6 "]:80", proto,
		    (const char *[]){ "[fd00:1::3]:8080", NULL });
	env_service(env, "default/far", VIP4 ":81", proto, (const char *[]){ FAR4 ":8080", NULL });
}

static struct packet request(bool v6, uint8_t proto, const char *payload)
{
	return (struct packet){ .src = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A],
				.dst = v6 ? VIP6 : VIP4,
				.sport = 40000,
				.dport = 80,
				.proto = proto,
				.tcp_flags = ACK,
				.payload = payload };
}

static struct packet answer(const struct packet *to, const char *from, const char *payload)
{
	struct packet made = *to;

	made.src = from;
	made.dst = to->src;
	made.sport = 8080;
	made.dport = to->sport;
	made.payload = payload;
	return made;
}

static void run(struct env *env, enum hook hook, enum pod pod, const struct packet *packet, int verdict)
{
	assert_int_equal(env_run(env, hook, pod, packet, NULL, NULL), verdict);
}

/* From pod to pod, for each family and protocol. */
static void test_direct(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct env *env = *state;
	struct nb_error err = { 0 };

	for (int i = 0; i < 4; i++) {
		const bool v6 = i & 1;
		struct packet syn = request(v6, protos[i / 2], ""), more = syn, back;

		env_services_clear(env);
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
		serve(env, protos[i / 2]);
		syn.tcp_flags = SYN;
		more.payload = "hello";
		back = answer(&syn, v6 ? pod_addr6[POD_B] : pod_addr4[POD_B], "good day");
		back.tcp_flags = SYN | ACK;
		run(env, FROM_POD, POD_A, &syn, TC_ACT_REDIRECT);
		expect(env, 1, length(&syn), 0, 0);
		run(env, FROM_POD, POD_B, &back, TC_ACT_REDIRECT);
		expect(env, 1, length(&syn), 1, length(&back));
		back.tcp_flags = ACK;
		for (int n = 0; n < 3; n++)
			run(env, FROM_POD, POD_A, &more, TC_ACT_REDIRECT);
		run(env, FROM_POD, POD_B, &back, TC_ACT_REDIRECT);
		expect(env, 4, length(&syn) + 3 * length(&more), 2, 2 * length(&back));
	}
}

/* Bytes behind the IP packet are none of it. */
static void test_padding(void **state)
{
	struct env *env = *state;
	struct packet packet = request(false, IPPROTO_UDP, "x");
	uint8_t frame[FRAME_MAX] = { 0 }, out[FRAME_MAX + 256];
	size_t len;

	serve(env, IPPROTO_UDP);
	packet_build(&packet, frame);
	for (int i = 0; i < 2; i++)
		assert_int_equal(env_run_frame(env, FROM_POD, POD_A, frame, 60, out, &len), TC_ACT_REDIRECT);
	expect(env, 2, 2 * length(&packet), 0, 0);
}

/* Through the host, an answer passes two ports. */
static void test_via_host(void **state)
{
	struct env *env = *state;
	struct packet out = request(false, IPPROTO_UDP, "one"), back = answer(&out, pod_addr4[POD_B], "two");
	struct packet arrives = back;

	serve(env, IPPROTO_UDP);
	env_port_flags(env, POD_B, NB_PORT_NO_FAST_PATH);
	arrives.dmac = pod_mac[POD_A];
	run(env, FROM_POD, POD_A, &out, TC_ACT_UNSPEC);
	run(env, FROM_POD, POD_B, &back, TC_ACT_UNSPEC);
	run(env, TO_POD, POD_A, &arrives, TC_ACT_UNSPEC);
	expect(env, 1, length(&out), 1, length(&back));
}

/* A backend beyond the node: its answer is met where it enters the client. */
static void test_far(void **state)
{
	struct env *env = *state;
	struct packet out = request(false, IPPROTO_UDP, "one"), back = answer(&out, FAR4, "two");

	serve(env, IPPROTO_UDP);
	out.dport = 81;
	back.dmac = pod_mac[POD_A];
	run(env, FROM_POD, POD_A, &out, TC_ACT_UNSPEC);
	run(env, TO_POD, POD_A, &back, TC_ACT_UNSPEC);
	run(env, TO_POD, POD_A, &back, TC_ACT_UNSPEC);
	expect(env, 1, length(&out), 2, 2 * length(&back));
}

/* What is not sent on does not count: another pod in the backend's place. */
static void test_dropped(void **state)
{
	struct env *env = *state;
	struct packet out = request(false, IPPROTO_UDP, "one"), back = answer(&out, pod_addr4[POD_B], "two");

	serve(env, IPPROTO_UDP);
	run(env, FROM_POD, POD_A, &out, TC_ACT_REDIRECT);
	run(env, FROM_POD, POD_C, &back, TC_ACT_SHOT);
	expect(env, 1, length(&out), 0, 0);
}

/* Fragments count one by one, as they are sent. */
static void test_fragments(void **state)
{
	struct env *env = *state;
	struct packet packet = request(false, IPPROTO_UDP, "0123456789abcdef0123456789abcdef");
	struct packet first = packet, last = packet;

	serve(env, IPPROTO_UDP);
	first.id = last.id = 7;
	first.frag = 0x2000;
	first.slice_len = 24;
	last.frag = 3;
	last.slice_from = 24;
	last.slice_len = 16;
	run(env, FROM_POD, POD_A, &first, TC_ACT_REDIRECT);
	run(env, FROM_POD, POD_A, &last, TC_ACT_REDIRECT);
	expect(env, 2, length(&first) + length(&last), 0, 0);
}

/* A new connection in the place of an old one begins at nothing: renewed, and in a table that is full. */
static void test_renewed(void **state)
{
	struct env *env = *state;
	struct packet syn = request(false, IPPROTO_TCP, ""), reset = syn;

	serve(env, IPPROTO_TCP);
	syn.tcp_flags = SYN;
	reset.tcp_flags = RST;
	for (int i = 0; i < 3; i++) {
		run(env, FROM_POD, POD_A, &syn, TC_ACT_REDIRECT);
		expect(env, 1, length(&syn), 0, 0);
		run(env, FROM_POD, POD_A, &syn, TC_ACT_REDIRECT);
		expect(env, 2, 2 * length(&syn), 0, 0);
		run(env, FROM_POD, POD_A, &reset, TC_ACT_REDIRECT);
	}
}

static void test_reused(void **state)
{
	struct env *env = *state;
	struct packet packet = request(false, IPPROTO_UDP, "x");
	struct nb_error err = { 0 };

	serve(env, IPPROTO_UDP);
	for (int i = 0; i < 40; i++) {
		packet.sport = 40000 + i;
		run(env, FROM_POD, POD_A, &packet, TC_ACT_REDIRECT);
		run(env, FROM_POD, POD_A, &packet, TC_ACT_REDIRECT);
		expect(env, 2, 2 * length(&packet), 0, 0);
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
	}
}

/* All elements belong to one entry each: no two connections count in one, and all are read. */
static void apart(struct env *env, int n)
{
	struct packet packet = request(false, IPPROTO_UDP, "x");
	struct nb_error err = { 0 };
	struct both both = { 0 };

	serve(env, IPPROTO_UDP);
	for (int i = 0; i < n; i++) {
		struct packet back;

		packet.sport = 10000 + i;
		back = answer(&packet, pod_addr4[POD_B], "yz");
		run(env, FROM_POD, POD_A, &packet, TC_ACT_REDIRECT);
		for (int k = 0; k < 2; k++)
			run(env, FROM_POD, POD_B, &back, TC_ACT_REDIRECT);
	}
	assert_int_equal(nb_conntrack_each(&env->dp, take, &both, &err), 0);
	assert_int_equal(both.n, n);
	assert_int_equal(both.dir[0].packets, n);
	assert_int_equal(both.dir[1].packets, 2 * n);
}

/* Both halves of a table. */
static void test_apart(void **state)
{
	apart(*state, 1000);
}

/* More of a table than userspace maps at once. */
static void test_many(void **state)
{
	apart(*state, 9000);
}

int suite_account(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_direct),
		ENV_TEST(test_padding),
		ENV_TEST(test_via_host),
		ENV_TEST(test_far),
		ENV_TEST(test_dropped),
		ENV_TEST(test_fragments),
		ENV_TEST(test_renewed),
		cmocka_unit_test_setup_teardown(test_reused, env_setup_8, env_teardown),
		ENV_TEST_SMALL(test_apart),
		ENV_TEST(test_many),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
