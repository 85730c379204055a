// SPDX-License-Identifier: GPL-2.0-or-later
/* Backends that are not pods of this network, not yet, or no longer. */
#include "env.h"

#include "lib/maps/endpoint.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

static void remove_pod(struct env *env, enum pod pod)
{
	struct nb_error err = { 0 };

	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[pod], "eth0", &err), 0);
}

/* Adds a new pod with this address at a port. */
static void add_pod_at(struct env *env, enum pod port, const char *address)
{
	struct nb_endpoint_spec spec = { .container_id = "new", .ifname = "eth0", .n_addrs = 1 };
	struct nb_error err = { 0 };

	spec.ifindex = env->ifindex[port];
	assert_true(nb_mac_parse(pod_mac[port], spec.mac));
	assert_true(nb_addr_parse(address, &spec.addrs[0].addr));
	assert_int_equal(nb_endpoint_add(&env->dp, &spec, &err), 0);
}

/* A3, C18: a backend on this bridge that natbridge did not add: the bridge switches its answers. */
static void test_neighbour(void **state)
{
	struct env *env = *state;
	struct packet syn = { .src = "10.1.0.2", .dst = VIP, .sport = 5555, .dport = 80, .tcp_flags = SYN };
	struct packet answer = { .src = "10.1.0.77",
				 .dst = "10.1.0.2",
				 .sport = 8080,
				 .dport = 5555,
				 .tcp_flags = SYN | ACK,
				 .smac = "02:00:00:00:01:77",
				 .dmac = pod_mac[POD_A] };
	struct packet received = answer;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.77:8080", NULL });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_UNSPEC);
	received.src = VIP;
	received.sport = 80;
	env_expect(env, TO_POD, POD_A, &answer, TC_ACT_UNSPEC, &received);
}

/* The backend becomes a pod of the bridge after the first packet: TCP goes on through the host. */
static void test_backend_comes_later(void **state)
{
	struct env *env = *state;
	struct packet syn = { .src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80, .tcp_flags = SYN };
	struct packet answer = { .src = "10.1.0.3",
				 .dst = "10.1.0.2",
				 .sport = 8080,
				 .dport = 40000,
				 .tcp_flags = SYN | ACK,
				 .smac = pod_mac[POD_B] };
	struct packet to_host = answer;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	remove_pod(env, POD_B);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_UNSPEC);
	add_pod_at(env, POD_B, "10.1.0.3");
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_UNSPEC);
	assert_int_equal(env_run(env, FROM_POD, POD_C, &answer, NULL, NULL), TC_ACT_SHOT);
	to_host.dmac = BRIDGE_MAC;
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_UNSPEC, &to_host);
}

/* The same for UDP from a fixed port, whose entry never expires. */
static void test_backend_comes_back(void **state)
{
	struct env *env = *state;
	struct packet query = {
		.src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 53, .proto = IPPROTO_UDP
	};
	struct packet answer = {
		.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 5353, .dport = 40000, .proto = IPPROTO_UDP
	};

	env_service(env, "default/dns", VIP ":53", IPPROTO_UDP, (const char *[]){ "10.1.0.3:5353", NULL });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &query, NULL, NULL), TC_ACT_REDIRECT);
	remove_pod(env, POD_B);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	add_pod_at(env, POD_B, "10.1.0.3");
	for (int i = 0; i < 20; i++) {
		env_advance(env, 10);
		env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
		assert_int_not_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_SHOT);
	}
}

/* B5: a direct connection to a backend off the bridge keeps its tuple against a later one to the VIP. */
static void test_direct_off_bridge(void **state)
{
	struct env *env = *state;
	struct packet syn = { .src = "10.1.0.2",
			      .dst = "192.0.2.9",
			      .sport = 5555,
			      .dport = 8080,
			      .tcp_flags = SYN,
			      .seq = 100 };
	struct packet syn_ack = { .src = "192.0.2.9",
				  .dst = "10.1.0.2",
				  .sport = 8080,
				  .dport = 5555,
				  .tcp_flags = SYN | ACK,
				  .seq = 7,
				  .ack = 101,
				  .smac = BRIDGE_MAC };
	struct packet ack = syn, to_vip = syn;
	struct nb_conn conn;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "192.0.2.9:8080", NULL });
	ack.tcp_flags = ACK;
	ack.seq = 101;
	ack.ack = 8;
	env_expect_untouched(env, FROM_POD, POD_A, &syn);
	env_expect_untouched(env, TO_POD, POD_A, &syn_ack);
	env_expect_untouched(env, FROM_POD, POD_A, &ack);
	env_advance(env, 125);
	to_vip.dst = VIP;
	to_vip.dport = 80;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &to_vip, NULL, NULL), TC_ACT_UNSPEC);
	assert_true(env_conn(env, &to_vip, &conn));
	assert_int_not_equal(ntohs(conn.sport), 5555);
	env_expect_untouched(env, FROM_POD, POD_A, &ack);
}

/* A direct connection of a pod that is gone does not stand in the way of its address's next owner. */
static void test_direct_of_former_owner(void **state)
{
	struct env *env = *state;
	struct packet direct = {
		.src = "10.1.0.2", .dst = "10.1.0.3", .sport = 5555, .dport = 8080, .proto = IPPROTO_UDP
	};
	struct nb_conn conn;

	env_service(env, "default/dns", VIP ":80", IPPROTO_UDP, (const char *[]){ "10.1.0.3:8080", NULL });
	env_expect_untouched(env, FROM_POD, POD_A, &direct);
	remove_pod(env, POD_A);
	remove_pod(env, POD_C);
	add_pod_at(env, POD_C, "10.1.0.2");
	env_expect_untouched(env, FROM_POD, POD_C, &direct);
	assert_true(env_conn(env, &direct, &conn));
	assert_int_equal(conn.in_ifindex, env->ifindex[POD_C]);
}

int suite_backend_unknown(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_neighbour),
		ENV_TEST(test_backend_comes_later),
		ENV_TEST(test_backend_comes_back),
		ENV_TEST(test_direct_off_bridge),
		ENV_TEST(test_direct_of_former_owner),
	};

	return cmocka_run_group_tests_name("backend_unknown", tests, NULL, NULL);
}
