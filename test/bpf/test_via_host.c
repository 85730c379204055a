// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections through the host's IP stack, and ports that are shaped, isolated or replaced. */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/maps/endpoint.h"
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

#define VIP4 "10.96.0.10"
#define VIP6 "fd00:96::10"

static void serve(struct env *env)
{
	env_service(env, "default/web4", VIP4 ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_service(env, "default/web6", "[" VIP6 "]:80", IPPROTO_TCP,
		    (const char *[]){ "[fd00:1::3]:8080", NULL });
}

/*
 * A backend of this bridge through the host, whose qdiscs see every packet. The host sees both
 * directions as one connection between client and backend; the client's port translates the answer.
 */
static void both_ways(struct env *env, const char *vip, const char *client, const char *backend)
{
	struct packet request = { .src = client,
				  .dst = vip,
				  .sport = 40000,
				  .dport = 80,
				  .tcp_flags = SYN,
				  .smac = pod_mac[POD_A],
				  .dmac = pod_mac[POD_C] };
	struct packet routed = request, answer, to_host, arriving, received;

	routed.dst = backend;
	routed.dport = 8080;
	routed.dmac = BRIDGE_MAC;
	answer = (struct packet){ .src = backend,
				  .dst = client,
				  .sport = 8080,
				  .dport = 40000,
				  .tcp_flags = SYN | ACK,
				  .smac = pod_mac[POD_B],
				  .dmac = pod_mac[POD_A] };
	to_host = answer;
	to_host.dmac = BRIDGE_MAC;
	arriving = answer;
	arriving.smac = BRIDGE_MAC;
	arriving.ttl = 63;
	received = arriving;
	received.src = vip;
	received.sport = 80;
	env_expect(env, FROM_POD, POD_A, &request, TC_ACT_UNSPEC, &routed);
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_UNSPEC, &to_host);
	env_expect(env, TO_POD, POD_A, &arriving, TC_ACT_UNSPEC, &received);
	/* Another pod cannot answer in the backend's place. */
	assert_int_equal(env_run(env, FROM_POD, POD_C, &answer, NULL, NULL), TC_ACT_SHOT);
}

static void test_fast_path_off(void **state)
{
	struct env *env = *state;
	struct nb_settings settings;
	struct nb_error err = { 0 };

	assert_int_equal(nb_settings_read(&env->dp, &settings, &err), 0);
	settings.flags &= ~NB_SETTINGS_FAST_PATH;
	assert_int_equal(nb_settings_write(&env->dp, &settings, &err), 0);
	serve(env);
	both_ways(env, VIP4, pod_addr4[POD_A], pod_addr4[POD_B]);
	both_ways(env, VIP6, pod_addr6[POD_A], pod_addr6[POD_B]);
}

/* A shaped pod, as client or as backend. */
static void test_shaped_pod(void **state)
{
	struct env *env = *state;
	struct nb_error err = { 0 };

	serve(env);
	for (enum pod pod = POD_A; pod <= POD_B; pod++) {
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
		env_port_flags(env, POD_A, pod == POD_A ? NB_PORT_NO_FAST_PATH : 0);
		env_port_flags(env, POD_B, pod == POD_B ? NB_PORT_NO_FAST_PATH : 0);
		both_ways(env, VIP4, pod_addr4[POD_A], pod_addr4[POD_B]);
	}
}

/* A reset is translated, although it ends the connection at the backend's port already. */
static void test_refused(void **state)
{
	struct env *env = *state;
	struct packet syn = {
		.src = pod_addr4[POD_A], .dst = VIP4, .sport = 40000, .dport = 80, .tcp_flags = SYN
	};
	struct packet reset = { .src = pod_addr4[POD_B],
				.dst = pod_addr4[POD_A],
				.sport = 8080,
				.dport = 40000,
				.tcp_flags = RST | ACK,
				.smac = BRIDGE_MAC,
				.ttl = 63 };
	struct packet received = reset;

	serve(env);
	env_port_flags(env, POD_B, NB_PORT_NO_FAST_PATH);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_UNSPEC);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &reset, NULL, NULL), TC_ACT_UNSPEC);
	received.src = VIP4;
	received.sport = 80;
	env_expect(env, TO_POD, POD_A, &reset, TC_ACT_UNSPEC, &received);
}

/* B25: the index lost the entry of the client, whose next packet inserts it again, through the host. */
static void test_repair(void **state)
{
	struct env *env = *state;
	struct packet request = {
		.src = pod_addr4[POD_A], .dst = VIP4, .sport = 40000, .dport = 80, .tcp_flags = SYN
	};
	struct packet answer = { .src = pod_addr4[POD_B],
				 .dst = pod_addr4[POD_A],
				 .sport = 8080,
				 .dport = 40000,
				 .tcp_flags = SYN | ACK };
	struct nb_conn before, after;

	serve(env);
	env_port_flags(env, POD_B, NB_PORT_NO_FAST_PATH);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_UNSPEC);
	assert_true(env_conn(env, &request, &before));
	env_conn_lose(env, &request);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_UNSPEC);
	assert_true(env_conn(env, &request, &after));
	assert_int_equal(after.out_slot, NB_SLOT_HOST);
	assert_int_equal(after.out_gen, before.out_gen);
	assert_int_equal(after.in_ifindex, before.in_ifindex);
	assert_int_equal(after.csum_addr, before.csum_addr);
	assert_int_equal(after.csum_port, before.csum_port);
	/* The same for the backend's entry, which is looked up once a second. */
	env_advance(env, 2);
	assert_true(env_conn(env, &answer, &before));
	env_conn_lose(env, &answer);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_UNSPEC);
	assert_true(env_conn(env, &answer, &after));
	assert_int_equal(after.out_slot, before.out_slot);
	assert_int_equal(after.out_gen, before.out_gen);
	assert_int_equal(after.in_ifindex, before.in_ifindex);
}

/* Isolated ports do not reach each other through a Service either. */
static void test_isolated(void **state)
{
	struct env *env = *state;
	struct packet syn = {
		.src = pod_addr4[POD_A], .dst = VIP4, .sport = 1, .dport = 80, .tcp_flags = SYN
	};

	serve(env);
	env_port_flags(env, POD_A, NB_PORT_ISOLATED);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
	syn.sport++;
	env_port_flags(env, POD_B, NB_PORT_ISOLATED);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_ISOLATED), 1);
}

/* DEL, and an ADD of another pod with the same address at another port. */
static void test_port_replaced(void **state)
{
	struct env *env = *state;
	struct packet syn = {
		.src = pod_addr4[POD_A], .dst = VIP4, .sport = 1, .dport = 80, .tcp_flags = SYN
	};
	struct nb_endpoint_spec spec = { .container_id = "new", .ifname = "eth0", .n_addrs = 1 };
	struct packet to_c = syn;
	struct nb_error err = { 0 };
	struct nb_conn conn;

	serve(env);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_B], "eth0", &err), 0);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_C], "eth0", &err), 0);
	/* B26: no packet of the old connection reaches the next owner of the address. */
	spec.ifindex = env->ifindex[POD_C];
	assert_true(nb_mac_parse(pod_mac[POD_C], spec.mac));
	assert_true(nb_addr_parse(pod_addr4[POD_B], &spec.addrs[0].addr));
	assert_int_equal(nb_endpoint_add(&env->dp, &spec, &err), 0);
	syn.tcp_flags = FIN | ACK;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL),
			 TC_ACT_REDIRECT); /* a reset, to A */
	assert_int_equal(env_counter(env, NB_DROP_BACKEND_GONE), 1);
	assert_false(env_conn(env, &syn, &conn));
	/* A new connection does. */
	syn.tcp_flags = SYN;
	to_c.dst = pod_addr4[POD_B];
	to_c.dport = 8080;
	to_c.dmac = pod_mac[POD_C];
	env_expect(env, FROM_POD, POD_A, &syn, TC_ACT_REDIRECT, &to_c);
}

int suite_via_host(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_fast_path_off), ENV_TEST(test_shaped_pod), ENV_TEST(test_refused),
		ENV_TEST(test_repair),        ENV_TEST(test_isolated),   ENV_TEST(test_port_replaced),
	};

	return cmocka_run_group_tests_name("via_host", tests, NULL, NULL);
}
