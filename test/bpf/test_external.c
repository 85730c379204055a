// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of a Service beside its ClusterIP, as pods meet them: external ones, load balancers with source
 * ranges, NodePorts. And what is dropped since no backend is on this node.
 */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
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

#define EXTERNAL4 "192.0.2.7"
#define EXTERNAL6 "2001:db8::7"

/* A frontend of default/web, service port 80. */
struct frontend {
	const char *at; /* "address:port" */
	enum nb_frontend_kind kind;
	uint8_t proto;
	const char *backends[3];
	const char *ranges[3];
	bool local;
	uint32_t affinity;
	bool outside;
};

static void add_frontend(struct nb_services *services, const struct frontend *row)
{
	struct nb_service *service = nb_services_add(services, NULL);

	assert_non_null(service);
	snprintf(service->name, sizeof(service->name), "default/web");
	assert_true(nb_addr_port_parse(row->at, &service->key.addr, &service->key.port));
	service->key.proto = row->proto ? row->proto : IPPROTO_TCP;
	service->key.side = row->outside ? NB_SIDE_OUTSIDE : NB_SIDE_INSIDE;
	service->port = htons(80);
	service->kind = row->kind;
	service->local = row->local;
	service->affinity = row->affinity;
	for (const char *const *at = row->backends; *at; at++) {
		struct nb_service_backend backend = { 0 };

		assert_true(nb_addr_port_parse(*at, &backend.addr, &backend.port));
		assert_int_equal(nb_service_add_backend(service, &backend, NULL), 0);
	}
	for (const char *const *at = row->ranges; *at; at++) {
		struct nb_addr addr;
		unsigned int len;

		assert_true(nb_cidr_parse(*at, &addr, &len));
		assert_int_equal(nb_service_add_range(service, &addr, len, NULL), 0);
	}
}

/* Makes these the frontends of default/web. */
static unsigned int apply(struct env *env, const struct frontend *rows, size_t n)
{
	struct nb_services services = { 0 };
	struct nb_service_changes changes;
	struct nb_error err = { 0 };

	for (size_t i = 0; i < n; i++)
		add_frontend(&services, &rows[i]);
	assert_int_equal(nb_services_normalize(&services, &err), 0);
	if (nb_service_apply(&env->dp, &services, NB_ORIGIN_APPLY, &changes, &err))
		fail_msg("%s", err.msg);
	nb_services_free(&services);
	return changes.map_writes;
}

#define APPLY(env, ...)                                                                                      \
	apply(env, (const struct frontend[]){ __VA_ARGS__ },                                                 \
	      sizeof((const struct frontend[]){ __VA_ARGS__ }) / sizeof(struct frontend))

static struct packet syn_from(enum pod pod, const char *dst, uint16_t sport, uint16_t dport)
{
	return (struct packet){ .src = strchr(dst, ':') ? pod_addr6[pod] : pod_addr4[pod],
				.dst = dst,
				.sport = sport,
				.dport = dport,
				.tcp_flags = SYN,
				.smac = pod_mac[pod],
				.dmac = BRIDGE_MAC };
}

static struct packet at_backend(const struct packet *request, enum pod pod, uint16_t port)
{
	struct packet out = *request;

	out.dst = strchr(request->dst, ':') ? pod_addr6[pod] : pod_addr4[pod];
	out.dport = port;
	out.dmac = pod_mac[pod];
	return out;
}

/* A18: translated in both directions, the pod's address kept. A19: other ports and pings pass. */
static void other_ports_pass(struct env *env, const char *address, uint16_t port)
{
	struct packet request = syn_from(POD_A, address, 40000, port), other = request, echo = request;
	struct packet delivered = at_backend(&request, POD_B, 8080);
	struct packet answer = { .src = delivered.dst,
				 .dst = request.src,
				 .sport = 8080,
				 .dport = 40000,
				 .tcp_flags = SYN | ACK,
				 .smac = pod_mac[POD_B],
				 .dmac = pod_mac[POD_A] };
	struct packet received = answer;

	received.src = address;
	received.sport = port;
	env_expect(env, FROM_POD, POD_A, &request, TC_ACT_REDIRECT, &delivered);
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_REDIRECT, &received);
	other.dport = 81;
	env_expect_untouched(env, FROM_POD, POD_A, &other);
	other.dport = 8080; /* a port that the network knows: a backend's */
	env_expect_untouched(env, FROM_POD, POD_A, &other);
	echo.proto = strchr(address, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	echo.icmp_type = strchr(address, ':') ? 128 : 8;
	echo.tcp_flags = 0;
	env_expect_untouched(env, FROM_POD, POD_A, &echo);
}

static void test_other_ports_pass(void **state)
{
	static const struct {
		enum nb_frontend_kind kind;
		uint16_t port;
	} rows[] = { { NB_EXTERNAL_IP, 80 }, { NB_LOAD_BALANCER, 80 }, { NB_NODE_PORT, 30080 } };
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char at4[64], at6[64];

		snprintf(at4, sizeof(at4), EXTERNAL4 ":%u", rows[i].port);
		snprintf(at6, sizeof(at6), "[" EXTERNAL6 "]:%u", rows[i].port);
		APPLY(env, { .at = at4, .kind = rows[i].kind, .backends = { "10.1.0.3:8080" } },
		      { .at = at6, .kind = rows[i].kind, .backends = { "[fd00:1::3]:8080" } });
		other_ports_pass(env, EXTERNAL4, rows[i].port);
		other_ports_pass(env, EXTERNAL6, rows[i].port);
		env_services_clear(env);
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, NULL), 0);
	}
}

/* A ClusterIP that is another frontend's external address stays a VIP: its other ports are rejected. */
static void test_cluster_ip_is_external_too(void **state)
{
	struct env *env = *state;
	struct packet other = syn_from(POD_A, EXTERNAL4, 40000, 8080);

	APPLY(env, { .at = EXTERNAL4 ":80", .kind = NB_CLUSTER_IP, .backends = { "10.1.0.3:8080" } },
	      { .at = EXTERNAL4 ":81", .kind = NB_EXTERNAL_IP, .backends = { "10.1.0.3:8080" } });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &other, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_DROP_NO_SERVICE), 1);
	APPLY(env, { .at = EXTERNAL4 ":81", .kind = NB_EXTERNAL_IP, .backends = { "10.1.0.3:8080" } });
	env_expect_untouched(env, FROM_POD, POD_A, &other);
}

/* A23: what a pod answers to the node is no request, though the node uses a NodePort's number as its source
 * port.
 */
static void test_answer_to_node(void **state)
{
	struct env *env = *state;
	struct packet answer = syn_from(POD_A, EXTERNAL4, 8080, 30080);

	APPLY(env, { .at = EXTERNAL4 ":30080", .kind = NB_NODE_PORT, .backends = { "10.1.0.3:8080" } },
	      { .at = EXTERNAL4 ":80", .kind = NB_EXTERNAL_IP, .backends = { "10.1.0.3:8080" } });
	for (size_t i = 0; i < 4; i++) {
		answer.tcp_flags = (const uint8_t[]){ SYN | ACK, ACK, FIN | ACK, RST }[i];
		env_expect_untouched(env, FROM_POD, POD_A, &answer);
	}
	assert_int_equal(env_conn_count(env), 0);
	assert_int_equal(env_counter(env, NB_DROP_INVALID), 0);
	/* B12: of an external address, the middle of a connection is picked up. */
	answer.dport = 80;
	answer.tcp_flags = ACK;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &answer, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_conn_count(env), 1);
}

/* A13: no backend here, but on other nodes: dropped and counted; no backend at all: rejected. */
static void test_no_local_backend(void **state)
{
	struct env *env = *state;
	struct packet request = syn_from(POD_A, "10.96.0.10", 40000, 80);

	APPLY(env, { .at = "10.96.0.10:80", .local = true });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NO_LOCAL_BACKEND), 1);
	APPLY(env, { .at = "10.96.0.10:80" });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), 1);
	assert_int_equal(env_counter(env, NB_DROP_NO_LOCAL_BACKEND), 1);
}

/* The same with UDP, where the node's request tells. Other pods and ports still reach the NodePort. */
static void test_answer_to_node_udp(void **state)
{
	struct env *env = *state;
	struct packet request = {
		.src = EXTERNAL4, .dst = pod_addr4[POD_A], .sport = 30080, .dport = 53, .proto = IPPROTO_UDP
	};
	struct packet answer = { .src = pod_addr4[POD_A],
				 .dst = EXTERNAL4,
				 .sport = 53,
				 .dport = 30080,
				 .proto = IPPROTO_UDP,
				 .smac = pod_mac[POD_A],
				 .dmac = BRIDGE_MAC };
	struct packet other = answer;

	APPLY(env, { .at = EXTERNAL4 ":30080",
		     .kind = NB_NODE_PORT,
		     .proto = IPPROTO_UDP,
		     .backends = { "10.1.0.3:53" } });
	env_expect_untouched(env, TO_POD, POD_A, &request);
	env_expect_untouched(env, FROM_POD, POD_A, &answer);
	assert_int_equal(env_conn_count(env), 0);
	other.sport = 54;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &other, NULL, NULL), TC_ACT_REDIRECT);
	/* What the node sends with another source port is not noted. */
	request.dst = pod_addr4[POD_C];
	request.sport = 30081;
	env_expect_untouched(env, TO_POD, POD_C, &request);
	other = answer;
	other.src = pod_addr4[POD_C];
	other.smac = pod_mac[POD_C];
	assert_int_equal(env_run(env, FROM_POD, POD_C, &other, NULL, NULL), TC_ACT_REDIRECT);
}

static void expect_allowed(struct env *env, const char *address, uint16_t sport, bool allowed)
{
	struct packet request = syn_from(POD_A, address, sport, 80);
	uint64_t before = env_counter(env, NB_DROP_SOURCE_RANGE);

	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL),
			 allowed ? TC_ACT_REDIRECT : TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_SOURCE_RANGE) - before, !allowed);
}

/* A18: source ranges hold for pods, at the load balancer's address alone. Pod A is 10.1.0.2. */
static void test_source_ranges(void **state)
{
	static const struct {
		const char *ranges[3];
		bool v4, v6;
	} rows[] = {
		{ { NULL }, true, true },
		{ { "10.1.0.2/32" }, true, true }, /* no range of IPv6: no filter there */
		{ { "10.1.0.0/24" }, true, true },
		{ { "10.1.0.3/32" }, false, true },
		{ { "10.1.0.3/32", "10.0.0.0/8" }, true, true },
		{ { "10.1.0.4/30", "192.0.2.0/24" }, false, true },
		{ { "0.0.0.0/0" }, true, true },
		{ { "fd00:1::2/128" }, true, true },
		{ { "fd00:1::/64" }, true, true },
		{ { "fd00:2::/64" }, true, false },
		{ { "::/0", "10.2.0.0/16" }, false, true },
		{ { "10.1.0.3/32", "fd00:1::3/128" }, false, false },
	};
	struct env *env = *state;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct frontend v4 = { .at = EXTERNAL4 ":80",
				       .kind = NB_LOAD_BALANCER,
				       .backends = { "10.1.0.3:8080" } };
		struct frontend v6 = { .at = "[" EXTERNAL6 "]:80",
				       .kind = NB_LOAD_BALANCER,
				       .backends = { "[fd00:1::3]:8080" } };
		struct frontend cluster = { .at = "10.96.0.10:80", .backends = { "10.1.0.3:8080" } };

		for (int k = 0; k < 2; k++)
			v4.ranges[k] = v6.ranges[k] = rows[i].ranges[k];
		print_message("# row %u\n", i);
		apply(env, (const struct frontend[]){ v4, v6, cluster }, 3);
		expect_allowed(env, EXTERNAL4, 20000 + i, rows[i].v4);
		expect_allowed(env, EXTERNAL6, 20000 + i, rows[i].v6);
		expect_allowed(env, "10.96.0.10", 20000 + i, true);
		/* The same once more changes nothing. */
		assert_int_equal(apply(env, (const struct frontend[]){ v4, v6, cluster }, 3), 0);
	}
}

/* Only what begins is looked at: a connection goes on after its client has left the ranges. */
static void test_ranges_and_connections(void **state)
{
	struct env *env = *state;
	struct packet request = syn_from(POD_A, EXTERNAL4, 40000, 80);

	APPLY(env, { .at = EXTERNAL4 ":80", .kind = NB_LOAD_BALANCER, .backends = { "10.1.0.3:8080" } });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
	APPLY(env, { .at = EXTERNAL4 ":80",
		     .kind = NB_LOAD_BALANCER,
		     .backends = { "10.1.0.3:8080" },
		     .ranges = { "10.9.0.0/16" } });
	request.tcp_flags = ACK;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
	expect_allowed(env, EXTERNAL4, 40001, false);
}

/* A7: the addresses of a service port share a client's affinity, whatever their port numbers are. */
static void test_affinity_is_shared(void **state)
{
	static const char *const at[] = { "10.96.0.10", EXTERNAL4, EXTERNAL4 };
	static const uint16_t port[] = { 80, 80, 30080 };
	const char *two[] = { "10.1.0.3:8080", "10.1.0.4:8080", NULL };
	struct env *env = *state;
	struct frontend rows[3] = { { .at = "10.96.0.10:80", .kind = NB_CLUSTER_IP, .affinity = 60 },
				    { .at = EXTERNAL4 ":80", .kind = NB_EXTERNAL_IP, .affinity = 60 },
				    { .at = EXTERNAL4 ":30080", .kind = NB_NODE_PORT, .affinity = 60 } };
	uint32_t backend = 0;

	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 2; k++)
			rows[i].backends[k] = two[k];
	apply(env, rows, 3);
	for (uint16_t i = 0; i < 60; i++) {
		struct packet request = syn_from(POD_A, at[i % 3], 20000 + i, port[i % 3]);
		struct nb_conn conn;

		assert_int_equal(env_run(env, FROM_POD, POD_A, &request, NULL, NULL), TC_ACT_REDIRECT);
		assert_true(env_conn(env, &request, &conn));
		if (!backend)
			backend = conn.dst.w[3];
		assert_int_equal(conn.dst.w[3], backend);
	}
	/* Nor does a second apply make them different. */
	assert_int_equal(apply(env, rows, 3), 0);
}

/* A18: a pod meets what is inside, whatever clients outside meet at the same address and port. */
static void test_pods_meet_inside(void **state)
{
	static const struct frontend inside = { .at = EXTERNAL4 ":80",
						.kind = NB_LOAD_BALANCER,
						.backends = { "10.1.0.3:8080" } };
	static const struct frontend outside[] = {
		{ .at = EXTERNAL4 ":80",
		  .kind = NB_LOAD_BALANCER,
		  .backends = { "10.1.0.4:8080" },
		  .outside = true },
		{ .at = EXTERNAL4 ":80", .kind = NB_LOAD_BALANCER, .local = true, .outside = true },
		{ .at = EXTERNAL4 ":80", .kind = NB_LOAD_BALANCER, .outside = true },
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
		struct packet request = syn_from(POD_A, EXTERNAL4, 40000 + i, 80);
		struct packet direct = syn_from(POD_A, pod_addr4[POD_C], 40000 + i, 8080);
		struct packet delivered = at_backend(&request, POD_B, 8080);

		APPLY(env, inside, outside[i]);
		env_expect(env, FROM_POD, POD_A, &request, TC_ACT_REDIRECT, &delivered);
		/* Nor is a backend of the other side alone tracked: to a pod it is none. */
		env_expect_untouched(env, FROM_POD, POD_A, &direct);
		assert_int_equal(env_conn_count(env), i + 1);
	}
	/* And what only clients outside meet is nothing to it. */
	APPLY(env, outside[0]);
	env_expect_untouched(env, FROM_POD, POD_A,
			     &(struct packet[]){ syn_from(POD_A, EXTERNAL4, 50000, 80) }[0]);
}

int suite_external(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_other_ports_pass),       ENV_TEST(test_cluster_ip_is_external_too),
		ENV_TEST(test_answer_to_node),         ENV_TEST(test_answer_to_node_udp),
		ENV_TEST(test_no_local_backend),       ENV_TEST(test_source_ranges),
		ENV_TEST(test_ranges_and_connections), ENV_TEST(test_affinity_is_shared),
		ENV_TEST(test_pods_meet_inside),
	};

	return cmocka_run_group_tests_name("external", tests, NULL, NULL);
}
