// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A storm: two CPUs send packets of many more connections than the table holds, so that each place
 * goes from one connection to another thousands of times a second, while packets of both are under
 * way. Whatever a packet meets, it is dropped or becomes exactly what its own connection says. The
 * two Services have backends of their own, and clients use the same source ports for both, so that
 * a packet that was translated by another connection's entry cannot be right by chance.
 *
 * NB_STORM_SECONDS: how long each test sends.
 */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "suites.h"

enum {
	SECONDS = 2,
	CPUS = 2,
	SERVICES = 2,
	BACKENDS = 2,  /* of each Service, on one pod */
	PORTS = 64,    /* of the client: each for both Services, in both families */
	FRAME = 96,    /* bytes of the longest one */
	STEPS = 10,    /* packets of a connection */
	RECENT = 1024, /* at most: connections whose answers are sent */
	SHOWN = 5,     /* wrong packets that a CPU describes */

	FIRST_PORT = 2000,
	TARGET_PORT = 8080, /* of the first backend; the second has the next one */

	/* Packets of a CPU in a second. A third of what one makes that has two busy hyperthreads. */
	PACKETS_LEAST = 20000,
	/* Of a hundred packets, so many begin a connection, or are answers that find theirs. */
	BEGUN_LEAST = 10,
	ANSWERED_LEAST = 5,
};

static const char *const vips4[SERVICES] = { "10.96.0.1", "10.96.0.2" };
static const char *const vips6[SERVICES] = { "fd00:96::1", "fd00:96::2" };

/* ---- connections, and what becomes of their packets ---- */

/* A packet of a connection: of the client, or of its backend. */
struct step {
	bool answer;
	uint8_t flags;
	uint32_t seq, ack;
	const char *payload;
};

static const struct step udp_steps[] = {
	{ .payload = "query" },
	{ .answer = true, .payload = "answer" },
};

static const struct step tcp_steps[] = {
	{ false, SYN, 100, 0, NULL },
	{ true, SYN | ACK, 200, 101, NULL },
	{ false, ACK, 101, 201, NULL },
	/* From here on packets of an established connection, up to the FIN. */
	{ false, ACK | PSH, 101, 201, "request" },
	{ true, ACK | PSH, 201, 108, "response" },
	{ false, ACK, 108, 209, NULL },
	{ false, FIN | ACK, 108, 209, NULL },
	{ true, FIN | ACK, 209, 109, NULL },
	{ false, ACK, 109, 210, NULL },
	{ false, RST, 109, 0, NULL },
};

enum { TCP_DATA = 3, TCP_FIN = 6 };

struct image {
	uint8_t data[FRAME];
	uint8_t len;
};

struct flow {
	enum pod pod; /* of its backends */
	unsigned int n_steps;
	const struct step *steps;
	atomic_uint backend; /* that it was last sent to */
	atomic_uint next;    /* step */
	/* Each packet as it is sent, and as it is received, if the connection has this backend. */
	struct image sent[STEPS][BACKENDS], received[STEPS][BACKENDS];
};

static void build(struct image *image, const struct packet *packet)
{
	uint8_t frame[FRAME_MAX];
	size_t len = packet_build(packet, frame);

	assert_in_range(len, 1, FRAME);
	memcpy(image->data, frame, len);
	image->len = len;
}

static void make_step(struct flow *flow, unsigned int i, const struct packet *client,
		      const struct packet *backend)
{
	const struct step *step = &flow->steps[i];

	for (int b = 0; b < BACKENDS; b++) {
		struct packet sent = step->answer ? *backend : *client, received = sent;

		sent.tcp_flags = received.tcp_flags = step->flags;
		sent.seq = received.seq = step->seq;
		sent.ack = received.ack = step->ack;
		sent.payload = received.payload = step->payload;
		if (step->answer) {
			sent.sport += b;
			received.src = client->dst;
			received.sport = client->dport;
			received.dmac = pod_mac[POD_A];
		} else {
			received.dst = backend->src;
			received.dport = backend->sport + b;
			received.dmac = pod_mac[flow->pod];
		}
		build(&flow->sent[i][b], &sent);
		build(&flow->received[i][b], &received);
	}
}

/* A connection to one of the Services. number: chooses Service, family and the client's port. */
static void make_flow(struct flow *flow, uint8_t proto, unsigned int number)
{
	unsigned int service = number % SERVICES;
	bool v6 = number / SERVICES % 2;
	const char *const *pods = v6 ? pod_addr6 : pod_addr4;
	struct packet client = { .src = pods[POD_A],
				 .dst = (v6 ? vips6 : vips4)[service],
				 .sport = FIRST_PORT + number / SERVICES / 2,
				 .dport = 80,
				 .proto = proto,
				 .smac = pod_mac[POD_A],
				 .dmac = BRIDGE_MAC };
	struct packet backend = { .dst = client.src,
				  .sport = TARGET_PORT,
				  .dport = client.sport,
				  .proto = proto,
				  .dmac = pod_mac[POD_A] };

	flow->pod = service ? POD_C : POD_B;
	backend.src = pods[flow->pod];
	backend.smac = pod_mac[flow->pod];
	flow->steps = proto == IPPROTO_UDP ? udp_steps : tcp_steps;
	flow->n_steps = proto == IPPROTO_UDP ? sizeof(udp_steps) / sizeof(*udp_steps) : STEPS;
	for (unsigned int i = 0; i < flow->n_steps; i++)
		make_step(flow, i, &client, &backend);
}

/* ---- the storm ---- */

struct storm {
	struct env *env;
	unsigned int table;   /* pairs */
	unsigned int n_lives; /* TCP connections that begin and end all the time */
	unsigned int n_held;  /* TCP connections that are established and stay so */
	struct flow *udp, *lives, *held;
	/* UDP flows that have sent a request: about as many as the table still holds. */
	atomic_uint recent[RECENT], recent_at;
	bool flushes;
	atomic_bool stop;
};

/* What one CPU does, and sees. */
struct sender {
	struct storm *storm;
	struct env env; /* a copy, as env_run_frame() writes into it */
	int cpu;
	uint64_t chance;
	unsigned long sent, right, dropped, untouched, answered;
	/* Wrong: another verdict, other addresses or ports, anything else in the packet. */
	unsigned long verdict, tuple, other, lost;
};

static uint32_t chance(struct sender *sender, uint32_t below)
{
	sender->chance = sender->chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((sender->chance >> 32) * below) >> 32;
}

static void print_tuple(const char *what, const uint8_t *frame, size_t len)
{
	bool v6 = len > 13 && frame[12] == 0x86;
	size_t size = v6 ? 16 : 4, at = v6 ? 22 : 26, ports = v6 ? 54 : 34;
	char src[INET6_ADDRSTRLEN] = "?", dst[INET6_ADDRSTRLEN] = "?";

	if (len < ports + 4)
		return;
	inet_ntop(v6 ? AF_INET6 : AF_INET, frame + at, src, sizeof(src));
	inet_ntop(v6 ? AF_INET6 : AF_INET, frame + at + size, dst, sizeof(dst));
	fprintf(stderr, "%s %s port %u > %s port %u\n", what, src, frame[ports] << 8 | frame[ports + 1], dst,
		frame[ports + 2] << 8 | frame[ports + 3]);
}

static void describe(const struct sender *sender, const char *what, const struct image *sent, int verdict,
		     const uint8_t *out, size_t len)
{
	if (sender->verdict + sender->tuple + sender->other + sender->lost > SHOWN)
		return;
	fprintf(stderr, "CPU %d, packet %lu: %s, verdict %d\n", sender->cpu, sender->sent, what, verdict);
	print_tuple("  sent    ", sent->data, sent->len);
	print_tuple("  received", out, len);
	packet_dump("  sent", sent->data, sent->len);
	packet_dump("  received", out, len);
}

static bool is(const struct image *image, const uint8_t *out, size_t len)
{
	return len == image->len && !memcmp(image->data, out, len);
}

/* Whether addresses and ports are the same: all of a frame is in them but MACs, checksums and payload. */
static bool same_tuple(const struct image *image, const uint8_t *out, size_t len)
{
	bool v6 = image->data[12] == 0x86;
	size_t from = v6 ? 22 : 26, to = v6 ? 58 : 38;

	return len >= to && !memcmp(image->data + from, out + from, to - from);
}

static void judge_redirected(struct sender *sender, const struct flow *flow, unsigned int i, unsigned int b,
			     const uint8_t *out, size_t len)
{
	const struct image *sent = &flow->sent[i][b];

	for (unsigned int other = 0; other < BACKENDS; other++)
		if (same_tuple(&flow->received[i][other], out, len)) {
			sender->other++;
			describe(sender, "addresses and ports are right, the rest is not", sent,
				 TC_ACT_REDIRECT, out, len);
			return;
		}
	sender->tuple++;
	describe(sender, "addresses or ports of another connection", sent, TC_ACT_REDIRECT, out, len);
}

/* The backend whose packet this is, as the client or the backend itself must receive it; -1: of none. */
static int received_by(const struct flow *flow, unsigned int i, unsigned int b, const uint8_t *out,
		       size_t len)
{
	if (flow->steps[i].answer)
		return is(&flow->received[i][b], out, len) ? (int)b : -1;
	for (b = 0; b < BACKENDS; b++)
		if (is(&flow->received[i][b], out, len))
			return (int)b;
	return -1;
}

/* Sends one packet of a flow. True: its receiver got it, translated. */
static bool send_step(struct sender *sender, struct flow *flow, unsigned int i)
{
	bool answer = flow->steps[i].answer;
	unsigned int b = answer ? atomic_load(&flow->backend) : 0;
	const struct image *sent = &flow->sent[i][b];
	uint8_t out[FRAME_MAX + 256];
	int verdict, receiver;
	size_t len;

	verdict = env_run_frame(&sender->env, FROM_POD, answer ? flow->pod : POD_A, sent->data, sent->len,
				out, &len);
	sender->sent++;
	if (verdict == TC_ACT_REDIRECT) {
		receiver = received_by(flow, i, b, out, len);
		if (receiver < 0) {
			judge_redirected(sender, flow, i, b, out, len);
			return true;
		}
		atomic_store(&flow->backend, receiver);
		sender->right++;
		sender->answered += answer;
		return true;
	}
	if (verdict == TC_ACT_SHOT) {
		sender->dropped++;
	} else if (answer && verdict == -1 /* TC_ACT_UNSPEC */ && is(sent, out, len)) {
		sender->untouched++; /* its connection has given way to another one */
	} else {
		sender->verdict++;
		describe(sender, "no verdict for this packet", sent, verdict, out, len);
	}
	return false;
}

/* ---- what is sent ---- */

static unsigned int recent_count(const struct storm *storm)
{
	return storm->table < RECENT ? storm->table : RECENT;
}

static void send_request(struct sender *sender)
{
	struct storm *storm = sender->storm;
	unsigned int number = chance(sender, PORTS * SERVICES * 2);

	send_step(sender, &storm->udp[number], 0);
	atomic_store(&storm->recent[atomic_fetch_add(&storm->recent_at, 1) % recent_count(storm)], number);
}

/* One that is about to give way, or just has. */
static struct flow *recent_flow(struct sender *sender)
{
	struct storm *storm = sender->storm;
	unsigned int count = recent_count(storm), age = count / 4 + chance(sender, count / 2);

	return &storm->udp[atomic_load(&storm->recent[(atomic_load(&storm->recent_at) - age) % count])];
}

static void send_life(struct sender *sender)
{
	struct flow *flow = &sender->storm->lives[chance(sender, sender->storm->n_lives)];

	send_step(sender, flow, atomic_fetch_add(&flow->next, 1) % STEPS);
}

/* Established connections never give way: each of their packets arrives. */
static void send_held(struct sender *sender)
{
	struct flow *flow = &sender->storm->held[chance(sender, sender->storm->n_held)];
	unsigned int i = TCP_DATA + chance(sender, TCP_FIN - TCP_DATA);

	if (send_step(sender, flow, i) || sender->storm->flushes)
		return;
	sender->lost++;
	describe(sender, "a packet of an established connection is lost", &flow->sent[i][0], -1,
		 flow->sent[i][0].data, flow->sent[i][0].len);
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(sender->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	while (!atomic_load(&sender->storm->stop)) {
		uint32_t kind = chance(sender, 16);

		if (kind < 6)
			send_request(sender);
		else if (kind < 7)
			send_step(sender, recent_flow(sender), 0);
		else if (kind < 13)
			send_step(sender, recent_flow(sender), 1);
		else if (kind < 15)
			send_life(sender);
		else
			send_held(sender);
	}
	return NULL;
}

/* ---- the tests ---- */

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec + at.tv_nsec / 1e9;
}

static unsigned int storm_seconds(void)
{
	const char *text = getenv("NB_STORM_SECONDS");

	return text ? strtoul(text, NULL, 10) : SECONDS;
}

static void serve(struct env *env)
{
	for (unsigned int i = 0; i < SERVICES * 2 * 2; i++) {
		bool v6 = i & 1, tcp = i & 2;
		unsigned int service = i / 4;
		const char *address = (v6 ? pod_addr6 : pod_addr4)[service ? POD_C : POD_B];
		char name[32], vip[64], first[64], second[64];

		snprintf(name, sizeof(name), "default/s%u", i);
		snprintf(vip, sizeof(vip), v6 ? "[%s]:80" : "%s:80", (v6 ? vips6 : vips4)[service]);
		snprintf(first, sizeof(first), v6 ? "[%s]:%d" : "%s:%d", address, TARGET_PORT);
		snprintf(second, sizeof(second), v6 ? "[%s]:%d" : "%s:%d", address, TARGET_PORT + 1);
		env_service(env, name, vip, tcp ? IPPROTO_TCP : IPPROTO_UDP,
			    (const char *[]){ first, second, NULL });
	}
}

static struct flow *make_flows(unsigned int n, uint8_t proto, unsigned int first)
{
	struct flow *flows = calloc(n, sizeof(*flows));

	assert_non_null(flows);
	for (unsigned int i = 0; i < n; i++)
		make_flow(&flows[i], proto, first + i);
	return flows;
}

static void establish(struct sender *sender)
{
	for (unsigned int i = 0; i < sender->storm->n_held; i++)
		for (unsigned int step = 0; step < TCP_DATA; step++)
			assert_true(send_step(sender, &sender->storm->held[i], step));
}

/* Lets the senders go on for a while, and returns for how long they did. */
static double wait_for_end(struct storm *storm)
{
	double start = now(), end = start + storm_seconds();
	struct nb_error err = { 0 };

	while (now() < end) {
		if (!storm->flushes)
			usleep(10000);
		else if (nb_conntrack_flush(&storm->env->dp, NULL, &err))
			fail_msg("%s", err.msg);
	}
	atomic_store(&storm->stop, true);
	return now() - start;
}

static void add_up(struct sender *sum, const struct sender *sender)
{
	sum->sent += sender->sent;
	sum->right += sender->right;
	sum->dropped += sender->dropped;
	sum->untouched += sender->untouched;
	sum->answered += sender->answered;
	sum->verdict += sender->verdict;
	sum->tuple += sender->tuple;
	sum->other += sender->other;
	sum->lost += sender->lost;
}

/* Nothing here is a reason to drop a packet, but a full table and TCP flags that begin no connection. */
static void expect_counters(struct env *env)
{
	for (enum nb_counter c = NB_DROP_BASE; c < NB_COUNTERS; c++)
		if (c != NB_DROP_TABLE_FULL && c != NB_DROP_INVALID && env_counter(env, c))
			fail_msg("drop reason %d: %lu packets", c, (unsigned long)env_counter(env, c));
}

static void expect_stormy(struct env *env, const struct sender *sum, unsigned long sent_by_least,
			  double seconds)
{
	uint64_t begun = env_counter(env, NB_COUNT_INSERT);
	uint64_t gave_way = env_counter(env, NB_COUNT_EARLY_DROP) + env_counter(env, NB_COUNT_RECLAIMED);

	print_message("# storm: %lu packets in %.1f s, %lu connections, %lu gave way, %lu answers translated "
		      "and %lu not, %lu dropped, %lu of them by the full table; %lu insert_failed, %lu "
		      "clash_resolve, %lu port_changed, %lu "
		      "repaired\n",
		      sum->sent, seconds, (unsigned long)begun, (unsigned long)gave_way, sum->answered,
		      sum->untouched, sum->dropped, (unsigned long)env_counter(env, NB_DROP_TABLE_FULL),
		      (unsigned long)env_counter(env, NB_COUNT_INSERT_FAILED),
		      (unsigned long)env_counter(env, NB_COUNT_CLASH_RESOLVE),
		      (unsigned long)env_counter(env, NB_COUNT_PORT_CHANGED),
		      (unsigned long)env_counter(env, NB_COUNT_REPAIRED));
	print_message("# storm: wrong: %lu verdicts, %lu tuples, %lu otherwise, %lu lost of established\n",
		      sum->verdict, sum->tuple, sum->other, sum->lost);
	assert_true(sent_by_least >= PACKETS_LEAST * seconds);
	assert_true(begun * 100 >= (uint64_t)sum->sent * BEGUN_LEAST);
	assert_true(sum->answered * 100 >= sum->sent * ANSWERED_LEAST);
}

static void run_storm(struct storm *storm)
{
	static struct sender senders[CPUS];
	struct sender sum = { 0 };
	pthread_t threads[CPUS];
	unsigned long least;
	double seconds;

	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS) {
		print_message("# SKIP there is one CPU only\n");
		skip();
	}
	storm->n_lives = storm->table / 4;
	storm->n_held = storm->table / 8;
	storm->udp = make_flows(PORTS * SERVICES * 2, IPPROTO_UDP, 0);
	storm->lives = make_flows(storm->n_lives, IPPROTO_TCP, 0);
	storm->held = make_flows(storm->n_held, IPPROTO_TCP, storm->n_lives);
	serve(storm->env);
	for (int i = 0; i < CPUS; i++)
		senders[i] = (struct sender){ .storm = storm,
					      .env = *storm->env,
					      .cpu = i,
					      .chance = 0x9e3779b97f4a7c15ULL * (i + 1) };
	establish(&senders[0]);
	for (int i = 0; i < CPUS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
	seconds = wait_for_end(storm);
	for (int i = 0; i < CPUS; i++) {
		pthread_join(threads[i], NULL);
		add_up(&sum, &senders[i]);
	}
	least = senders[0].sent < senders[1].sent ? senders[0].sent : senders[1].sent;
	expect_stormy(storm->env, &sum, least, seconds);
	assert_int_equal(sum.verdict + sum.tuple + sum.other + sum.lost, 0);
	expect_counters(storm->env);
	env_expect_whole(storm->env);
	free(storm->udp);
	free(storm->lives);
	free(storm->held);
}

static void test_table_of_64(void **state)
{
	static struct storm storm;

	storm = (struct storm){ .env = *state, .table = 64 };
	run_storm(&storm);
}

static void test_table_of_8(void **state)
{
	static struct storm storm;

	storm = (struct storm){ .env = *state, .table = 8 };
	run_storm(&storm);
}

static void test_flushed(void **state)
{
	static struct storm storm;

	storm = (struct storm){ .env = *state, .table = 64, .flushes = true };
	run_storm(&storm);
}

int suite_storm(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table_of_64, env_setup_64, env_teardown),
		cmocka_unit_test_setup_teardown(test_table_of_8, env_setup_8, env_teardown),
		cmocka_unit_test_setup_teardown(test_flushed, env_setup_64, env_teardown),
	};

	return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
