// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The node's own table: what the node sends by nb0, and clients outside. test/netns/node.bats and
 * outside.bats show the same with the host's stack between the programs. All of it with TCP, UDP and
 * SCTP (A26).
 */
#include "env.h"

#include "lib/datapath/fd_array.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "suites.h"

enum { INIT = 1, INIT_ACK = 2 }; /* chunks of SCTP */

#define TAG_OF_CLIENT  0x11223344
#define TAG_OF_BACKEND 0x55667788

/* Who takes part, of IPv4 and IPv6. */
static const struct {
	const char *node, *client, *vip, *here, *there, *self;
	const char *source; /* of what the node sends to another node */
} at[] = {
	{ "192.0.2.1", "203.0.113.9", "10.96.0.10", "10.1.0.3", "10.2.0.9", NODE_SELF4, "10.2.255.1" },
	{ "fd00:c0::1", "2001:db8::9", "fd00:96::10", "fd00:1::3", "fd00:2::9", NODE_SELF6, "fd00:2::ff" },
};

static const char uplink_mac[] = "02:00:00:00:02:01", tunnel_mac[] = "02:00:00:00:02:03",
		  inner_mac[] = "02:00:00:00:02:02", nb0_mac[] = "02:00:00:00:02:04";
static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

/* A frontend at address:port for each protocol and side, with this backend at port 8080. */
static void serve_at(struct env *env, const char *address, uint16_t port, enum nb_side side,
		     const char *backend, bool here)
{
	nb_cleanup(nb_services_free) struct nb_services services = { 0 };
	struct nb_service_changes changes;
	struct nb_error err = { 0 };

	for (size_t i = 0; i < sizeof(protos); i++) {
		struct nb_service *service = nb_services_add(&services, &err);
		struct nb_service_backend to = { .port = htons(8080), .here = here };

		assert_non_null(service);
		snprintf(service->name, sizeof(service->name), "default/%u", port);
		assert_true(nb_addr_parse(address, &service->key.addr));
		service->key.port = htons(port);
		service->key.proto = protos[i];
		service->key.side = side;
		service->kind = side == NB_SIDE_INSIDE ? NB_CLUSTER_IP : NB_NODE_PORT;
		assert_true(nb_addr_parse(backend, &to.addr));
		assert_int_equal(nb_service_add_backend(service, &to, &err), 0);
	}
	assert_int_equal(nb_services_normalize(&services, &err), 0);
	if (nb_service_update(&env->dp, &services, NB_ORIGIN_APPLY, &changes, &err))
		fail_msg("%s", err.msg);
}

/* The same, with a backend that is reached through the host. */
static void serve(struct env *env, const char *address, uint16_t port, enum nb_side side, const char *backend)
{
	serve_at(env, address, port, side, backend, false);
}

/* The first packet of a connection, and its answer. */
static struct packet request_of(uint8_t proto, const char *src, uint16_t sport, const char *dst,
				uint16_t dport)
{
	return (struct packet){ .src = src,
				.dst = dst,
				.sport = sport,
				.dport = dport,
				.proto = proto,
				.tcp_flags = proto == IPPROTO_TCP ? SYN : 0,
				.ack = proto == IPPROTO_SCTP ? TAG_OF_CLIENT : 0,
				.chunks = { INIT },
				.n_chunks = 1 };
}

static struct packet answer_to(const struct packet *request)
{
	struct packet answer =
		request_of(request->proto, request->dst, request->dport, request->src, request->sport);

	answer.tcp_flags = request->proto == IPPROTO_TCP ? SYN | ACK : 0;
	answer.seq = request->proto == IPPROTO_SCTP ? TAG_OF_CLIENT : 0;
	answer.ack = request->proto == IPPROTO_SCTP ? TAG_OF_BACKEND : request->seq + 1;
	answer.chunks[0] = INIT_ACK;
	return answer;
}

/* A packet with another source, and with another destination. */
static struct packet from(struct packet packet, const char *src, uint16_t sport)
{
	packet.src = src;
	packet.sport = sport;
	return packet;
}

static struct packet to(struct packet packet, const char *dst, uint16_t dport)
{
	packet.dst = dst;
	packet.dport = dport;
	return packet;
}

/* The source port in a frame, host byte order. */
static uint16_t sport_in(const uint8_t *frame, int v6)
{
	const uint8_t *l4 = frame + 14 + (v6 ? 40 : 20);

	return (uint16_t)(l4[0] << 8 | l4[1]);
}

/* Runs a program that has to give a packet a source port of ours, and returns the port. */
static uint16_t run_with_own_port(struct env *env, enum hook hook, unsigned int device,
				  const struct packet *in, int verdict, const struct packet *out)
{
	uint8_t got[FRAME_MAX], want[FRAME_MAX];
	struct packet expected = *out;
	size_t got_len, want_len;

	assert_int_equal(env_run(env, hook, device, in, got, &got_len), verdict);
	expected.sport = sport_in(got, strchr(in->src, ':') != NULL);
	assert_in_range(expected.sport, NB_NODE_L4PORT, 65535);
	want_len = packet_build(&expected, want);
	assert_int_equal(got_len, want_len);
	assert_memory_equal(got, want, want_len);
	return expected.sport;
}

/* Its own destination MAC, or the kernel takes a frame for another host's. */
static void expect_in(struct env *env, unsigned int device, struct packet in, int verdict, struct packet out)
{
	static const char *const macs[] = { uplink_mac, inner_mac, tunnel_mac };

	in.dmac = macs[device];
	if (!out.dmac)
		out.dmac = in.dmac;
	env_expect(env, DEVICE_IN, device, &in, verdict, &out);
}

static void expect_out(struct env *env, unsigned int device, struct packet in, struct packet out)
{
	env_expect(env, DEVICE_OUT, device, &in, TC_ACT_UNSPEC, &out);
}

/* A21: the host routes between the client and a backend on this node. */
static void test_outside_here(void **state)
{
	struct env *env = *state;
	struct nb_conn conn;

	for (int v6 = 0; v6 < 2; v6++) {
		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].here);
		for (size_t i = 0; i < sizeof(protos); i++) {
			struct packet request =
				request_of(protos[i], at[v6].client, 40000, at[v6].node, 30080);
			struct packet routed = to(request, at[v6].here, 8080), answer = answer_to(&routed);

			expect_in(env, UPLINK, request, TC_ACT_UNSPEC, routed);
			expect_out(env, UPLINK, answer, from(answer, at[v6].node, 30080));
			assert_true(env_conn_at(env, NB_SIDE_OUTSIDE, &request, &conn));
			assert_true(env_conn_at(env, NB_SIDE_LEAVING, &answer, &conn));
		}
	}
	assert_int_equal(env_conn_count(env), 6);
	env_expect_whole(env);
}

/* Begins a connection of a client outside to another node. Returns its source port there. */
static uint16_t begin_there(struct env *env, int v6, const struct packet *request)
{
	struct packet routed = to(*request, at[v6].there, 8080), sent = from(routed, at[v6].source, 0);

	expect_in(env, UPLINK, *request, TC_ACT_UNSPEC, routed);
	return run_with_own_port(env, DEVICE_OUT, TUNNEL, &routed, TC_ACT_UNSPEC, &sent);
}

/* Its answer comes in by the tunnel, and leaves by the uplink. */
static void answer_there(struct env *env, int v6, const struct packet *request, uint16_t port)
{
	struct packet routed = to(*request, at[v6].there, 8080), answer = answer_to(&routed);

	expect_in(env, TUNNEL, to(answer, at[v6].source, port), TC_ACT_UNSPEC, answer);
	expect_out(env, UPLINK, answer, from(answer, at[v6].node, 30080));
}

/* A21: a backend on another node sees this node, as which its answers find the way back. */
static void test_outside_there(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].there);
		for (size_t i = 0; i < sizeof(protos); i++) {
			struct packet request =
				request_of(protos[i], at[v6].client, 40000, at[v6].node, 30080);

			answer_there(env, v6, &request, begin_there(env, v6, &request));
		}
	}
	assert_int_equal(env_conn_count(env), 12);
	env_expect_whole(env);
}

/* B8: the age of a connection to another node counts from its own first packet. */
static void test_outside_age(void **state)
{
	struct env *env = *state;
	struct packet request = request_of(IPPROTO_UDP, at[0].client, 40000, at[0].node, 30080);
	struct packet routed = to(request, at[0].there, 8080);
	struct nb_conn conn;
	uint32_t before;

	serve(env, at[0].node, 30080, NB_SIDE_OUTSIDE, at[0].there);
	expect_in(env, UPLINK, request, TC_ACT_UNSPEC, routed);
	before = env_now(env);
	for (int i = 0; i < 1000 && env_now(env) - before < 2; i++)
		usleep(10 * 1000);
	assert_int_equal(env_run(env, DEVICE_OUT, TUNNEL, &routed, NULL, NULL), TC_ACT_UNSPEC);
	assert_true(env_conn_at(env, NB_SIDE_LEAVING, &routed, &conn));
	assert_in_range((env_now(env) - nb_tagged_more(conn.checked)) & NB_SMALL_MASK, 0, 1);
}

/* B8: after two seconds, an answer makes a stream of both. */
static void test_outside_stream(void **state)
{
	struct env *env = *state;
	struct nb_conn conn;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet request = request_of(IPPROTO_UDP, at[v6].client, 40000, at[v6].node, 30080);
		struct packet routed = to(request, at[v6].there, 8080);
		uint16_t port;

		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].there);
		port = begin_there(env, v6, &request);
		answer_there(env, v6, &request, port);
		env_advance(env, 3);
		answer_there(env, v6, &request, port);
		assert_true(env_conn_at(env, NB_SIDE_OUTSIDE, &request, &conn));
		assert_true(nb_life_flags(conn.life) & NB_LIFE_ASSURED);
		assert_true(env_conn_at(env, NB_SIDE_LEAVING, &routed, &conn));
		assert_true(nb_life_flags(conn.life) & NB_LIFE_ASSURED);
	}
}

/* A20: a process of the node to a VIP. It has the address of the device towards the backend. */
static void test_node(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		serve(env, at[v6].vip, 80, NB_SIDE_INSIDE, at[v6].there);
		for (size_t i = 0; i < sizeof(protos); i++) {
			struct packet request = request_of(protos[i], at[v6].node, 40000, at[v6].vip, 80);
			struct packet sent = from(to(request, at[v6].there, 8080), at[v6].source, 0);
			struct packet received = answer_to(&request), answer;

			sent.sport = run_with_own_port(env, NB0_OUT, NB0, &request, TC_ACT_REDIRECT, &sent);
			answer = answer_to(&sent);
			received.dmac = nb0_mac;
			expect_in(env, TUNNEL, answer, TC_ACT_REDIRECT, received);
		}
	}
	env_expect_whole(env);
}

/* A20: the node to itself. The backend sees a reserved address, by which its answers come back to nb0. */
static void test_self(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		serve(env, at[v6].vip, 80, NB_SIDE_INSIDE, at[v6].node);
		for (size_t i = 0; i < sizeof(protos); i++) {
			struct packet request = request_of(protos[i], at[v6].node, 40000, at[v6].vip, 80);
			struct packet received = from(to(request, at[v6].node, 8080), at[v6].self, 0);
			struct packet answer, back;

			received.dmac = nb0_mac;
			received.sport =
				run_with_own_port(env, NB0_OUT, NB0, &request, TC_ACT_REDIRECT, &received);
			answer = answer_to(&received);
			back = answer_to(&request);
			back.dmac = nb0_mac;
			env_expect(env, NB0_OUT, NB0, &answer, TC_ACT_REDIRECT, &back);
		}
	}
	env_expect_whole(env);
}

/* B5: a client's direct connection to a backend has the tuple that its connection to the Service would have.
 */
static void test_direct_first(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet direct = request_of(IPPROTO_TCP, at[v6].client, 40000, at[v6].here, 8080);
		struct packet request = request_of(IPPROTO_TCP, at[v6].client, 40000, at[v6].node, 30080);
		struct packet routed = to(request, at[v6].here, 8080), answer;

		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].here);
		expect_in(env, UPLINK, direct, TC_ACT_UNSPEC, direct);
		routed.dmac = request.dmac = uplink_mac;
		routed.sport = run_with_own_port(env, DEVICE_IN, UPLINK, &request, TC_ACT_UNSPEC, &routed);
		answer = answer_to(&routed);
		expect_out(env, UPLINK, answer, to(from(answer, at[v6].node, 30080), at[v6].client, 40000));
		answer = answer_to(&direct);
		expect_out(env, UPLINK, answer, answer);
	}
}

/* A pod that the node's table knows. Its own map of pods, empty otherwise, stands for a network's. */
static void enter_pod(struct env *env, const char *address)
{
	const struct nb_addr addr = env_addr(address);
	const struct nb_endpoint endpoint = { .slot = 1 };
	const int fd = env->dp.map_fd[NB_MAP_ENDPOINTS];
	struct nb_error err = { 0 };

	assert_int_equal(bpf_map_update_elem(fd, &addr, &endpoint, BPF_ANY), 0);
	if (nb_fd_array_set(&env->dp, NB_MAP_PODS, NB_MAX_NETWORKS - 1, fd, &err))
		fail_msg("%s", err.msg);
}

static void remove_pod(struct env *env, const char *address)
{
	const struct nb_addr addr = env_addr(address);

	assert_int_equal(bpf_map_delete_elem(env->dp.map_fd[NB_MAP_ENDPOINTS], &addr), 0);
}

/* A11: no slice lists the backend any more. Its connections go on while its pod is there. */
static void test_pod_lives(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet request = request_of(IPPROTO_TCP, at[v6].client, 40000, at[v6].node, 30080);
		struct packet routed = to(request, at[v6].here, 8080);
		uint64_t before = env_counter(env, NB_DROP_BACKEND_GONE);

		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].here);
		enter_pod(env, at[v6].here);
		expect_in(env, UPLINK, request, TC_ACT_UNSPEC, routed);
		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].there);
		request.tcp_flags = routed.tcp_flags = ACK;
		expect_in(env, UPLINK, request, TC_ACT_UNSPEC, routed);
		assert_int_equal(env_counter(env, NB_DROP_BACKEND_GONE), before);

		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].node); /* looked up once more */
		remove_pod(env, at[v6].here);
		request.dmac = uplink_mac;
		env_run(env, DEVICE_IN, UPLINK, &request, NULL, NULL);
		assert_int_equal(env_counter(env, NB_DROP_BACKEND_GONE), before + 1);
	}
}

/* Begins a connection of a client outside to a pod of this node. Returns the answer. */
static struct packet begin_past_host(struct env *env, int v6, uint8_t proto)
{
	struct packet request = request_of(proto, at[v6].client, 40000, at[v6].node, 30080), answer;
	struct packet routed = to(request, at[v6].here, 8080);
	struct nb_conn conn;

	serve_at(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].here, true);
	/* No network has given the table its program: the host routes it. */
	expect_in(env, UPLINK, request, TC_ACT_UNSPEC, routed);
	assert_true(env_conn_at(env, NB_SIDE_OUTSIDE, &request, &conn));
	assert_int_equal(conn.in_ifindex, 1);
	answer = answer_to(&routed);
	answer.ttl = 64;
	return answer;
}

/* B33: an answer that its network does not know leaves by the uplink, with one hop less. */
static void test_past_host(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < sizeof(protos); i++) {
			struct packet answer = begin_past_host(env, v6, protos[i]), sent;
			struct packet other = from(answer, at[v6].here, 8081);

			sent = from(answer, at[v6].node, 30080);
			sent.ttl = 63;
			env_expect(env, POD_OUT, INNER, &answer, TC_ACT_REDIRECT, &sent);
			env_expect_untouched(env, POD_OUT, INNER, &other);
			expect_out(env, UPLINK, sent, sent);
		}
	}
	env_expect_whole(env);
}

/* B1, B33: a pod of another bridge may have the same address. */
static void test_past_host_bridge(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet answer = begin_past_host(env, v6, IPPROTO_UDP);

		env->bridge = env->ifindex[TUNNEL];
		env_expect_untouched(env, POD_OUT, INNER, &answer);
		env->bridge = 0;
		env_expect_untouched(env, POD_OUT, INNER, &answer);
	}
}

/* B33: an ICMP error about a request takes the same way. */
static void test_past_host_icmp(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet answer = begin_past_host(env, v6, IPPROTO_UDP);
		struct packet request = request_of(IPPROTO_UDP, at[v6].client, 40000, at[v6].here, 8080);
		struct packet original = to(request, at[v6].node, 30080);
		struct packet error = { .src = at[v6].here,
					.dst = at[v6].client,
					.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
					.icmp_type = v6 ? 1 : 3,
					.icmp_code = v6 ? 4 : 3,
					.ttl = 64,
					.quoted = &request };
		struct packet sent = error;

		(void)answer;
		sent.src = at[v6].node;
		sent.quoted = &original;
		sent.ttl = 63;
		env_expect(env, POD_OUT, INNER, &error, TC_ACT_REDIRECT, &sent);
		request = from(to(request, at[v6].here, 8081), at[v6].client, 40000);
		env_expect_untouched(env, POD_OUT, INNER, &error);
	}
}

/* B33: the host tells the sender of a packet that has no hop left, or is too long. */
static void test_past_host_not(void **state)
{
	struct env *env = *state;
	static char text[1500];

	memset(text, 'x', sizeof(text) - 1);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet answer = begin_past_host(env, v6, IPPROTO_UDP);

		answer.ttl = 1;
		env_expect_untouched(env, POD_OUT, INNER, &answer);
		answer.ttl = 64;
		answer.payload = text;
		env_expect_untouched(env, POD_OUT, INNER, &answer);
	}
}

/* B33: what began through the host goes on there. */
static void test_past_host_slow(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet request = request_of(IPPROTO_TCP, at[v6].client, 40000, at[v6].node, 30080);
		struct packet routed = to(request, at[v6].here, 8080), answer = answer_to(&routed);

		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].here);
		expect_in(env, UPLINK, request, TC_ACT_UNSPEC, routed);
		env_expect_untouched(env, POD_OUT, INNER, &answer);
		expect_out(env, UPLINK, answer, from(answer, at[v6].node, 30080));
	}
}

/* What is none of a Service, and what another host's frame holds. */
static void test_untouched(void **state)
{
	struct env *env = *state;

	for (int v6 = 0; v6 < 2; v6++) {
		struct packet request = request_of(IPPROTO_TCP, at[v6].client, 40000, at[v6].node, 30080);
		struct packet ssh = to(request, at[v6].node, 22), answer = answer_to(&ssh);

		serve(env, at[v6].node, 30080, NB_SIDE_OUTSIDE, at[v6].here);
		expect_in(env, UPLINK, ssh, TC_ACT_UNSPEC, ssh);
		expect_out(env, UPLINK, answer, answer);
		env_expect(env, DEVICE_IN, UPLINK, &request, TC_ACT_OK, &request);
		assert_int_equal(env_conn_count(env), 0);
	}
}

int suite_node(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST_NODE(test_outside_here),   ENV_TEST_NODE(test_outside_there),
		ENV_TEST_NODE(test_outside_age),    ENV_TEST_NODE(test_outside_stream),
		ENV_TEST_NODE(test_node),           ENV_TEST_NODE(test_self),
		ENV_TEST_NODE(test_direct_first),   ENV_TEST_NODE(test_pod_lives),
		ENV_TEST_NODE(test_untouched),      ENV_TEST_NODE(test_past_host),
		ENV_TEST_NODE(test_past_host_icmp), ENV_TEST_NODE(test_past_host_not),
		ENV_TEST_NODE(test_past_host_slow), ENV_TEST_NODE(test_past_host_bridge),
	};

	return cmocka_run_group_tests_name("node", tests, NULL, NULL);
}
