// SPDX-License-Identifier: GPL-2.0-or-later
/* Services between pods: translation in both directions, choice of a backend, hairpin, backends elsewhere. */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/maps/endpoint.h"
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

/* A1, A2, A8: a row for each family and protocol. */
static const struct row {
	const char *what, *vip, *frontend, *backend, *const *client, *const *server;
	uint8_t proto;
} rows[] = {
	{ "TCP over IPv4", VIP4, VIP4 ":80", "10.1.0.3:8080", pod_addr4, pod_addr4, IPPROTO_TCP },
	{ "UDP over IPv4", VIP4, VIP4 ":53", "10.1.0.3:5353", pod_addr4, pod_addr4, IPPROTO_UDP },
	{ "TCP over IPv6", VIP6, "[" VIP6 "]:80", "[fd00:1::3]:8080", pod_addr6, pod_addr6, IPPROTO_TCP },
	{ "UDP over IPv6", VIP6, "[" VIP6 "]:53", "[fd00:1::3]:5353", pod_addr6, pod_addr6, IPPROTO_UDP },
};

/* What A sends to the VIP, B receives from A; what B answers, A receives from the VIP. */
static void both_ways(struct env *env, const struct row *row)
{
	uint16_t vport = row->proto == IPPROTO_TCP ? 80 : 53, bport = row->proto == IPPROTO_TCP ? 8080 : 5353;
	struct packet request = { .src = row->client[POD_A],
				  .dst = row->vip,
				  .sport = 40000,
				  .dport = vport,
				  .proto = row->proto,
				  .smac = pod_mac[POD_A],
				  .dmac = BRIDGE_MAC,
				  .tcp_flags = row->proto == IPPROTO_TCP ? SYN : 0,
				  .seq = 1000,
				  .ttl = 17,
				  .tos = 0xb8,
				  .id = 4711,
				  .payload = row->proto == IPPROTO_UDP ? "question" : NULL };
	struct packet delivered = request;
	struct packet answer = { .src = row->server[POD_B],
				 .dst = row->client[POD_A],
				 .sport = bport,
				 .dport = 40000,
				 .proto = row->proto,
				 .smac = pod_mac[POD_B],
				 .dmac = pod_mac[POD_A],
				 .tcp_flags = row->proto == IPPROTO_TCP ? SYN | ACK : 0,
				 .seq = 1,
				 .ack = 1001,
				 .payload = "odd" };
	struct packet received = answer;

	delivered.dst = row->server[POD_B];
	delivered.dport = bport;
	delivered.dmac = pod_mac[POD_B];
	received.src = row->vip;
	received.sport = vport;
	env_expect(env, FROM_POD, POD_A, &request, TC_ACT_REDIRECT, &delivered);
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_REDIRECT, &received);
	env_expect(env, FROM_POD, POD_A, &request, TC_ACT_REDIRECT, &delivered);
	assert_int_equal(env_conn_count(env), 1);
}

static void test_both_ways(void **state)
{
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *backends[] = { rows[i].backend, NULL };
		struct nb_error err = { 0 };

		print_message("# %s\n", rows[i].what);
		env_services_clear(env);
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
		env_service(env, "default/web", rows[i].frontend, rows[i].proto, backends);
		both_ways(env, &rows[i]);
	}
}

/* A8: TCP and UDP ports of one number have different backends. */
static void test_ports_are_apart(void **state)
{
	struct env *env = *state;
	struct packet to_udp = {
		.src = pod_addr4[POD_A], .dst = VIP4, .sport = 5, .dport = 53, .proto = IPPROTO_UDP
	};
	struct packet at_udp = to_udp, to_tcp = to_udp, at_tcp;

	env_service(env, "default/dns-tcp", VIP4 ":53", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:1053", NULL });
	to_tcp.proto = IPPROTO_TCP;
	to_tcp.tcp_flags = SYN;
	at_tcp = to_tcp;
	at_tcp.dst = pod_addr4[POD_B];
	at_tcp.dport = 1053;
	at_tcp.dmac = pod_mac[POD_B];
	assert_int_equal(env_run(env, FROM_POD, POD_A, &to_udp, NULL, NULL), TC_ACT_REDIRECT); /* rejected */
	assert_int_equal(env_counter(env, NB_DROP_NO_SERVICE), 1);
	env_expect(env, FROM_POD, POD_A, &to_tcp, TC_ACT_REDIRECT, &at_tcp);
	env_service(env, "default/dns-udp", VIP4 ":53", IPPROTO_UDP,
		    (const char *[]){ "10.1.0.4:2053", NULL });
	at_udp.dst = pod_addr4[POD_C];
	at_udp.dport = 2053;
	at_udp.dmac = pod_mac[POD_C];
	env_expect(env, FROM_POD, POD_A, &to_udp, TC_ACT_REDIRECT, &at_udp);
}

/* A1: new connections are spread evenly over the backends, and each keeps its own. */
static void test_even_choice(void **state)
{
	struct env *env = *state;
	struct packet syn = { .src = pod_addr4[POD_A], .dst = VIP4, .dport = 80, .tcp_flags = SYN };
	unsigned int hits[2] = { 0 };

	env_service(env, "default/web", VIP4 ":80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:8080", "10.1.0.4:8080", NULL });
	for (uint16_t port = 30000; port < 32000; port++) {
		struct nb_conn conn, again;

		syn.sport = port;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
		assert_true(env_conn(env, &syn, &conn));
		assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
		assert_true(env_conn(env, &syn, &again));
		assert_int_equal(conn.dst.w[3], again.dst.w[3]);
		hits[conn.dst.w[3] == htonl(0x0a010004)]++;
	}
	/*
	 * 2000 fair choices differ from 1000 by more than 112, 5 standard deviations, in one of two
	 * million runs.
	 */
	assert_in_range(hits[0], 888, 1112);
}

/*
 * A4: a pod is its own backend. It sees the gateway as the source, in frames from its own MAC, and
 * its answer is translated back.
 */
static void hairpin(struct env *env, const char *vip, const char *pod, const char *gateway)
{
	struct packet request = { .src = pod,
				  .dst = vip,
				  .sport = 40000,
				  .dport = 80,
				  .tcp_flags = SYN,
				  .smac = pod_mac[POD_A],
				  .dmac = BRIDGE_MAC };
	struct packet delivered = request, answer, received;

	delivered.src = gateway;
	delivered.dst = pod;
	delivered.dport = 8080;
	delivered.dmac = pod_mac[POD_A];
	answer = (struct packet){ .src = pod,
				  .dst = gateway,
				  .sport = 8080,
				  .dport = 40000,
				  .tcp_flags = SYN | ACK,
				  .smac = pod_mac[POD_A],
				  .dmac = BRIDGE_MAC };
	received = answer;
	received.src = vip;
	received.dst = pod;
	received.sport = 80;
	received.dmac = pod_mac[POD_A];
	env_expect(env, FROM_POD, POD_A, &request, TC_ACT_REDIRECT, &delivered);
	env_expect(env, FROM_POD, POD_A, &answer, TC_ACT_REDIRECT, &received);
}

static void test_hairpin(void **state)
{
	struct env *env = *state;

	env_service(env, "default/self4", VIP4 ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.2:8080", NULL });
	env_service(env, "default/self6", "[" VIP6 "]:80", IPPROTO_TCP,
		    (const char *[]){ "[fd00:1::2]:8080", NULL });
	hairpin(env, VIP4, pod_addr4[POD_A], GATEWAY4);
	hairpin(env, VIP6, pod_addr6[POD_A], GATEWAY6);
}

/* Adds pod A again, without gateways. */
static void take_gateways(struct env *env)
{
	struct nb_endpoint_spec spec = { .container_id = "flat", .ifname = "eth0", .n_addrs = 2 };
	struct nb_error err = { 0 };

	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_A], "eth0", &err), 0);
	spec.ifindex = env->ifindex[POD_A];
	assert_true(nb_mac_parse(pod_mac[POD_A], spec.mac));
	assert_true(nb_addr_parse(pod_addr4[POD_A], &spec.addrs[0].addr));
	assert_true(nb_addr_parse(pod_addr6[POD_A], &spec.addrs[1].addr));
	if (nb_endpoint_add(&env->dp, &spec, &err))
		fail_msg("%s", err.msg);
}

/* Client, Service and backend have one port number: both directions would have one tuple. */
static void one_number(struct env *env, const char *vip, const char *pod, uint8_t proto)
{
	struct packet request = { .src = pod,
				  .dst = vip,
				  .sport = 7946,
				  .dport = 7946,
				  .proto = proto,
				  .tcp_flags = proto == IPPROTO_TCP ? SYN : 0,
				  .smac = pod_mac[POD_A],
				  .dmac = BRIDGE_MAC };
	struct packet delivered = request, answer, received;
	struct nb_conn conn;

	for (int times = 0; times < 2; times++) {
		assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
		assert_true(env_conn(env, &request, &conn));
		assert_false(conn.flags & NB_CONN_REPLY);
		assert_int_not_equal(ntohs(conn.sport), 7946);
		delivered.src = vip;
		delivered.dst = pod;
		delivered.sport = ntohs(conn.sport);
		delivered.dmac = pod_mac[POD_A];
		env_expect(env, FROM_POD, POD_A, &request, TC_ACT_REDIRECT, &delivered);
		answer = delivered;
		answer.src = pod;
		answer.dst = vip;
		answer.sport = 7946;
		answer.dport = delivered.sport;
		answer.tcp_flags = proto == IPPROTO_TCP ? SYN | ACK : 0;
		received = answer;
		received.src = vip;
		received.dst = pod;
		received.dport = 7946;
		env_expect(env, FROM_POD, POD_A, &answer, TC_ACT_REDIRECT, &received);
		env_advance(env, 1000); /* again, with the tuple of an expired connection */
	}
	env_expect_whole(env);
}

/* A4: without a gateway the pod sees the VIP. */
static void test_hairpin_no_gateway(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct env *env = *state;

	take_gateways(env);
	for (int i = 0; i < 2; i++) {
		env_service(env, i ? "default/udp4" : "default/tcp4", VIP4 ":7946", protos[i],
			    (const char *[]){ "10.1.0.2:7946", NULL });
		env_service(env, i ? "default/udp6" : "default/tcp6", "[" VIP6 "]:7946", protos[i],
			    (const char *[]){ "[fd00:1::2]:7946", NULL });
		one_number(env, VIP4, pod_addr4[POD_A], protos[i]);
		one_number(env, VIP6, pod_addr6[POD_A], protos[i]);
	}
}

/* A3: a backend off the bridge. Requests go to the host; the client's port translates answers. */
static void off_bridge(struct env *env, const char *vip, const char *client, const char *backend)
{
	struct packet request = { .src = client,
				  .dst = vip,
				  .sport = 40000,
				  .dport = 80,
				  .tcp_flags = SYN,
				  .dmac = "02:00:00:00:01:04" };
	struct packet routed = request;
	struct packet answer = { .src = backend,
				 .dst = client,
				 .sport = 8080,
				 .dport = 40000,
				 .tcp_flags = SYN | ACK,
				 .smac = BRIDGE_MAC,
				 .dmac = pod_mac[POD_A],
				 .ttl = 61 };
	struct packet received = answer;

	routed.dst = backend;
	routed.dport = 8080;
	routed.dmac = BRIDGE_MAC; /* B22: whatever MAC the frame was addressed to */
	received.src = vip;
	received.sport = 80;
	env_expect(env, FROM_POD, POD_A, &request, TC_ACT_UNSPEC, &routed);
	env_expect(env, TO_POD, POD_A, &answer, TC_ACT_UNSPEC, &received);
	env_expect_untouched(env, TO_POD, POD_C, &answer);
}

static void test_off_bridge(void **state)
{
	struct env *env = *state;

	env_service(env, "default/far4", VIP4 ":80", IPPROTO_TCP, (const char *[]){ "10.9.0.9:8080", NULL });
	env_service(env, "default/far6", "[" VIP6 "]:80", IPPROTO_TCP,
		    (const char *[]){ "[fd00:9::9]:8080", NULL });
	off_bridge(env, VIP4, pod_addr4[POD_A], "10.9.0.9");
	off_bridge(env, VIP6, pod_addr6[POD_A], "fd00:9::9");
}

int suite_service(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_both_ways), ENV_TEST(test_ports_are_apart),    ENV_TEST(test_even_choice),
		ENV_TEST(test_hairpin),   ENV_TEST(test_hairpin_no_gateway), ENV_TEST(test_off_bridge),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
