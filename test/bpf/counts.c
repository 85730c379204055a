// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What one packet costs each program: "build/test/bpf counts" prints a line "count NAME N" for each
 * kind of packet. N is the time that BPF_PROG_TEST_RUN measures, less that of an empty program, in
 * ns. In a guest whose clock counts instructions (INSTRUCTIONS=1 test/kernels/run) it is the number
 * of instructions, the kernel's helpers included. The least of many runs counts, since others are
 * interrupted.
 */
#include "env.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "suites.h"

#define VIP4 "10.96.0.10"
#define VIP6 "fd00:96::10"

enum { RUNS = 200 };

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* An empty program with the same packet. */
static uint32_t nothing(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	uint8_t frame[FRAME_MAX], out[FRAME_MAX];
	const struct packet packet = { .src = pod_addr4[POD_A], .dst = VIP4 };
	struct __sk_buff ctx = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = packet_build(&packet, frame),
		    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = 1);
	int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nothing", "GPL", insns, 2, NULL);
	uint32_t cost = UINT32_MAX;

	assert_in_range(prog, 0, INT32_MAX);
	for (int i = 0; i < RUNS; i++) {
		assert_int_equal(bpf_prog_test_run_opts(prog, &opts), 0);
		opts.data_size_out = sizeof(out);
		cost = least(cost, opts.duration);
	}
	return cost;
}

static struct packet answer_to(const struct packet *request, const char *backend, uint16_t port)
{
	struct packet answer = *request;

	answer.src = backend;
	answer.dst = request->src;
	answer.sport = port;
	answer.dport = request->sport;
	answer.smac = pod_mac[POD_B];
	answer.dmac = pod_mac[POD_A];
	return answer;
}

static void say(const char *family, const char *what, uint32_t cost, uint32_t base)
{
	printf("count %s-%s %d\n", family, what, (int)(cost - base));
}

static uint32_t repeated(struct env *env, enum hook hook, enum pod pod, const struct packet *packet)
{
	uint32_t cost = UINT32_MAX;

	for (int i = 0; i < RUNS; i++) {
		env_run(env, hook, pod, packet, NULL, NULL);
		cost = least(cost, env->duration);
	}
	return cost;
}

/* First packets of connections, each with another port. */
static uint32_t begun(struct env *env, struct packet packet)
{
	uint32_t cost = UINT32_MAX;

	for (int i = 0; i < RUNS; i++) {
		packet.sport++;
		env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
		cost = least(cost, env->duration);
	}
	return cost;
}

static void count_proto(struct env *env, const char *family, const char *const *pods, const char *vip,
			uint8_t proto, uint32_t base)
{
	const bool tcp = proto == IPPROTO_TCP;
	struct packet packet = { .src = pods[POD_A],
				 .dst = vip,
				 .sport = 40000,
				 .dport = 80,
				 .proto = proto,
				 .smac = pod_mac[POD_A],
				 .dmac = BRIDGE_MAC,
				 .tcp_flags = tcp ? SYN : 0,
				 .payload = tcp ? NULL : "x" };
	struct packet answer = answer_to(&packet, pods[POD_B], 8080);
	char name[32];

	snprintf(name, sizeof(name), "%s-first", tcp ? "tcp" : "udp");
	say(family, name, begun(env, packet), base);
	env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
	answer.tcp_flags = tcp ? SYN | ACK : 0;
	answer.ack = packet.seq + 1;
	env_run(env, FROM_POD, POD_B, &answer, NULL, NULL);
	packet.tcp_flags = answer.tcp_flags = tcp ? ACK : 0;
	packet.seq = 1;
	packet.ack = answer.seq = 1;
	answer.ack = 1;
	snprintf(name, sizeof(name), "%s-request", tcp ? "tcp" : "udp");
	say(family, name, repeated(env, FROM_POD, POD_A, &packet), base);
	snprintf(name, sizeof(name), "%s-answer", tcp ? "tcp" : "udp");
	say(family, name, repeated(env, FROM_POD, POD_B, &answer), base);
}

/*
 * All packets of a connection with one request and its answer, which the client closes, and the
 * first one of the next connection from its port.
 */
static void count_life(struct env *env, const char *family, const char *const *pods, const char *vip,
		       uint32_t base)
{
	static const struct {
		const char *name;
		bool answer;
		uint8_t flags;
		uint32_t seq, ack;
		const char *payload;
	} steps[] = {
		{ "syn", false, SYN, 100, 0, NULL },
		{ "syn-ack", true, SYN | ACK, 200, 101, NULL },
		{ "ack", false, ACK, 101, 201, NULL },
		{ "request", false, ACK | PSH, 101, 201, "x" },
		{ "its-ack", true, ACK, 201, 102, NULL },
		{ "answer", true, ACK | PSH, 201, 102, "y" },
		{ "answers-ack", false, ACK, 102, 202, NULL },
		{ "fin", false, FIN | ACK, 102, 202, NULL },
		{ "fin-back", true, FIN | ACK, 202, 103, NULL },
		{ "last-ack", false, ACK, 103, 203, NULL },
		{ "syn-again", false, SYN, 300, 0, NULL },
	};
	enum { STEPS = sizeof(steps) / sizeof(*steps) };
	struct packet request = { .src = pods[POD_A],
				  .dst = vip,
				  .sport = 50000,
				  .dport = 80,
				  .proto = IPPROTO_TCP,
				  .smac = pod_mac[POD_A],
				  .dmac = BRIDGE_MAC };
	uint32_t cost[STEPS], sum = 0;

	memset(cost, 0xff, sizeof(cost));
	for (int run = 0; run < RUNS; run++, request.sport++)
		for (unsigned int i = 0; i < STEPS; i++) {
			struct packet packet =
				steps[i].answer ? answer_to(&request, pods[POD_B], 8080) : request;

			packet.tcp_flags = steps[i].flags;
			packet.seq = steps[i].seq;
			packet.ack = steps[i].ack;
			packet.payload = steps[i].payload;
			env_run(env, FROM_POD, steps[i].answer ? POD_B : POD_A, &packet, NULL, NULL);
			cost[i] = least(cost[i], env->duration);
		}
	for (unsigned int i = 0; i < STEPS; i++) {
		say(family, steps[i].name, cost[i], base);
		sum += i < STEPS - 1 ? cost[i] - base : 0;
	}
	printf("count %s-connection %u\n", family, sum);
}

/* Between pods, without a Service, at both hooks. */
static void count_plain(struct env *env, const char *family, const char *const *pods, uint32_t base)
{
	const struct packet packet = { .src = pods[POD_A],
				       .dst = pods[POD_C],
				       .sport = 41000,
				       .dport = 41001,
				       .smac = pod_mac[POD_A],
				       .dmac = pod_mac[POD_C],
				       .tcp_flags = ACK };

	say(family, "plain-from-pod", repeated(env, FROM_POD, POD_A, &packet), base);
	say(family, "plain-from-host", repeated(env, TO_POD, POD_C, &packet), base);
	env->from = env->ifindex[POD_A];
	say(family, "plain-to-pod", repeated(env, TO_POD, POD_C, &packet), base);
	env->from = 0;
}

static void count_all(void **state)
{
	const char *const v4[] = { "10.1.0.3:8080", NULL }, *const v6[] = { "[fd00:1::3]:8080", NULL };
	struct env *env = *state;
	uint32_t base = nothing();

	env_service(env, "default/four", VIP4 ":80", IPPROTO_TCP, v4);
	env_service(env, "default/four-udp", VIP4 ":80", IPPROTO_UDP, v4);
	env_service(env, "default/six", "[" VIP6 "]:80", IPPROTO_TCP, v6);
	env_service(env, "default/six-udp", "[" VIP6 "]:80", IPPROTO_UDP, v6);
	printf("count nothing %u\n", base);
	count_proto(env, "ipv4", pod_addr4, VIP4, IPPROTO_TCP, base);
	count_proto(env, "ipv4", pod_addr4, VIP4, IPPROTO_UDP, base);
	count_life(env, "ipv4", pod_addr4, VIP4, base);
	count_plain(env, "ipv4", pod_addr4, base);
	count_proto(env, "ipv6", pod_addr6, VIP6, IPPROTO_TCP, base);
	count_proto(env, "ipv6", pod_addr6, VIP6, IPPROTO_UDP, base);
	count_life(env, "ipv6", pod_addr6, VIP6, base);
	count_plain(env, "ipv6", pod_addr6, base);
}

/* Mode assist: TCP from pod A to pod C, which the bridge switches. */
static void count_direct(struct env *env, const char *family, const char *const *pods, uint32_t base)
{
	struct packet packet = { .src = pods[POD_A],
				 .dst = pods[POD_C],
				 .sport = 40000,
				 .dport = 80,
				 .smac = pod_mac[POD_A],
				 .dmac = pod_mac[POD_C],
				 .tcp_flags = SYN };

	say(family, "assist-first", begun(env, packet), base);
	env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
	say(family, "assist-known", repeated(env, FROM_POD, POD_A, &packet), base); /* SYN is never cached */
	packet.tcp_flags = ACK;
	say(family, "assist-cached", repeated(env, FROM_POD, POD_A, &packet), base);
}

/* A datagram that the host has translated and that has the tuple of a direct one, and its answer. */
static void count_remapped(struct env *env, const char *family, const char *const *pods, uint32_t base)
{
	const struct packet packet = { .src = pods[POD_A],
				       .dst = pods[POD_B],
				       .sport = 41000,
				       .dport = 53,
				       .proto = IPPROTO_UDP,
				       .smac = pod_mac[POD_A],
				       .dmac = pod_mac[POD_B],
				       .payload = "x" };
	const size_t sport = pods == pod_addr4 ? 14 + 20 : 14 + 40;
	struct packet answer = answer_to(&packet, pods[POD_B], 53);
	uint8_t out[FRAME_MAX];
	size_t len;

	env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
	env->from = BRIDGE_IFINDEX;
	env_run(env, TO_POD, POD_B, &packet, out, &len);
	say(family, "assist-remapped-request", repeated(env, TO_POD, POD_B, &packet), base);
	env->from = 0;
	answer.dport = (uint16_t)(out[sport] << 8 | out[sport + 1]);
	assert_in_range(answer.dport, 61000, 65535);
	say(family, "assist-remapped-answer", repeated(env, FROM_POD, POD_B, &answer), base);
}

static void count_assist(void **state)
{
	struct env *env = *state;
	uint32_t base = nothing();

	count_direct(env, "ipv4", pod_addr4, base);
	count_remapped(env, "ipv4", pod_addr4, base);
	count_direct(env, "ipv6", pod_addr6, base);
	count_remapped(env, "ipv6", pod_addr6, base);
}

int counts(void)
{
	const struct CMUnitTest tests[] = { ENV_TEST(count_all), ENV_TEST_ASSIST(count_assist) };

	return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
