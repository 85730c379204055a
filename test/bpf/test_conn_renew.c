// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * New connections with the tuple of an old one. They are made in the old one's entries if they get
 * the same backend.
 */
#include "env.h"

#include "lib/maps/endpoint.h"
#include "lib/maps/tick.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

static const struct packet client = { .src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80 };

/* The pod to which a client's port is connected. */
static enum pod backend_of(struct env *env, uint16_t port)
{
	struct packet packet = client;
	struct nb_conn conn;

	packet.sport = port;
	assert_true(env_conn(env, &packet, &conn));
	return conn.dst.w[3] == htonl(0x0a010003) ? POD_B : POD_C;
}

/* A segment from the client's port, or from the backend to which it is connected. */
static struct packet segment(struct env *env, uint16_t port, bool backend, uint8_t flags, uint32_t seq,
			     uint32_t ack)
{
	struct packet packet = client;

	packet.sport = port;
	if (backend) {
		packet.src = pod_addr4[backend_of(env, port)];
		packet.dst = client.src;
		packet.sport = 8080;
		packet.dport = port;
	}
	packet.tcp_flags = flags;
	packet.seq = seq;
	packet.ack = ack;
	return packet;
}

static void run(struct env *env, uint16_t port, bool backend, uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct packet packet = segment(env, port, backend, flags, seq, ack);
	enum pod pod = backend ? backend_of(env, port) : POD_A;

	assert_int_equal(env_run(env, FROM_POD, pod, &packet, NULL, NULL), TC_ACT_REDIRECT);
}

static void expect_conn(struct env *env, uint16_t port, bool backend, uint32_t state, uint16_t shared)
{
	struct packet packet = segment(env, port, backend, ACK, 0, 0);
	struct nb_conn conn;

	assert_true(env_conn(env, &packet, &conn));
	assert_int_equal(nb_life_state(conn.life), state);
	assert_int_equal(nb_life_flags(conn.life), shared);
}

static void expect_begun(struct env *env, uint16_t port)
{
	expect_conn(env, port, false, NB_TCP_SYN_SENT, 0);
	expect_conn(env, port, true, NB_TCP_SYN_SENT, 0);
	env_expect_whole(env);
}

static void open_conn(struct env *env, uint16_t port, uint32_t seq)
{
	run(env, port, false, SYN, seq, 0);
	run(env, port, true, SYN | ACK, seq + 1000, seq + 1);
	run(env, port, false, ACK, seq + 1, seq + 1001);
	expect_conn(env, port, false, NB_TCP_ESTABLISHED,
		    NB_LIFE_SEEN_REPLY | NB_LIFE_ASSURED | NB_LIFE_STEADY);
}

/* A whole connection, up to TIME_WAIT. */
static void live(struct env *env, uint16_t port, uint32_t seq)
{
	open_conn(env, port, seq);
	run(env, port, false, FIN | ACK, seq + 1, seq + 1001);
	run(env, port, true, FIN | ACK, seq + 1001, seq + 2);
	run(env, port, false, ACK, seq + 2, seq + 1002);
}

static void test_same_backend(void **state)
{
	struct env *env = *state;
	struct nb_conn before, after;
	struct packet answer;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	live(env, 40000, 100);
	env_advance(env, 10);
	assert_true(env_conn(env, &client, &before));
	assert_int_equal(nb_life_state(before.life), NB_TCP_TIME_WAIT);
	run(env, 40000, false, SYN, 5000, 0);
	expect_begun(env, 40000);
	assert_int_equal(env_conn_count(env), 1);
	assert_true(env_conn(env, &client, &after));
	assert_int_equal((__u32)after.seq, 5001);
	assert_int_equal((__u32)after.acked, 0);
	assert_int_equal(nb_tagged_more(after.seq), 0);
	assert_in_range(nb_seconds_from_ticks((env_now(env) - nb_tagged_more(after.checked)) & NB_SMALL_MASK),
			0, 1);
	assert_in_range(nb_seconds_from_ticks(nb_life_expires(after.life) - env_now(env)), 119, 121);
	assert_int_equal(env_counter(env, NB_COUNT_INSERT), 2);
	answer = segment(env, 40000, true, ACK, 0, 0);
	assert_true(env_conn(env, &answer, &after));
	assert_int_equal((__u32)after.seq, 0);
	assert_int_equal((__u32)after.acked, 0);
	open_conn(env, 40000, 5000); /* its SYN is one more of the same */
	assert_int_equal(env_conn_count(env), 1);
}

/* The first packet and the first answer are translated completely. */
static void test_packets(void **state)
{
	struct env *env = *state;
	struct packet in, out;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	live(env, 40000, 100);
	in = segment(env, 40000, false, SYN, 5000, 0);
	out = in;
	out.dst = "10.1.0.3";
	out.dport = 8080;
	out.dmac = pod_mac[POD_B];
	env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
	in = segment(env, 40000, true, SYN | ACK, 7000, 5001);
	out = in;
	out.src = VIP;
	out.sport = 80;
	out.dmac = pod_mac[POD_A];
	env_expect(env, FROM_POD, POD_B, &in, TC_ACT_REDIRECT, &out);
}

/* With several backends a tuple leads to a random one: to the same, or its old entries go. */
static void test_other_backend(void **state)
{
	struct env *env = *state;
	unsigned int stayed = 0;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:8080", "10.1.0.4:8080", NULL });
	for (uint16_t port = 1000; port < 1064; port++) {
		struct packet old;
		struct nb_conn conn;
		enum pod before;

		live(env, port, 100);
		old = segment(env, port, true, ACK, 0, 0);
		before = backend_of(env, port);
		run(env, port, false, SYN, 5000, 0);
		expect_begun(env, port);
		assert_int_equal(env_conn_count(env), port - 999);
		stayed += backend_of(env, port) == before;
		assert_int_equal(env_conn(env, &old, &conn), backend_of(env, port) == before);
	}
	assert_in_range(stayed, 10, 54);
}

static void test_udp(void **state)
{
	struct packet query = {
		.src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 53, .proto = IPPROTO_UDP
	};
	const struct packet reply = {
		.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 5353, .dport = 40000, .proto = IPPROTO_UDP
	};
	struct env *env = *state;
	struct nb_conn conn;

	env_service(env, "default/dns", VIP ":53", IPPROTO_UDP, (const char *[]){ "10.1.0.3:5353", NULL });
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	env_run(env, FROM_POD, POD_B, &reply, NULL, NULL);
	env_advance(env, 200);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &query, NULL, NULL), TC_ACT_REDIRECT);
	assert_true(env_conn(env, &query, &conn));
	assert_int_equal(nb_life_flags(conn.life), 0);
	assert_in_range(nb_seconds_from_ticks((env_now(env) - nb_tagged_more(conn.checked)) & NB_SMALL_MASK),
			0, 1);
	assert_in_range(nb_seconds_from_ticks(nb_life_expires(conn.life) - env_now(env)), 29, 31);
	assert_int_equal(env_conn_count(env), 1);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &reply, NULL, NULL), TC_ACT_REDIRECT);
	env_expect_whole(env);
}

/* The backend's pod was replaced meanwhile: another port slot, or another generation. */
static void test_backend_again(void **state)
{
	struct env *env = *state;
	struct nb_endpoint_spec spec = { .container_id = pod_addr4[POD_B],
					 .ifname = "eth0",
					 .ifindex = env->ifindex[POD_B],
					 .n_addrs = 1 };
	struct nb_conn before, after;
	struct nb_error err = { 0 };

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	live(env, 40000, 100);
	assert_true(env_conn(env, &client, &before));
	assert_true(nb_mac_parse(pod_mac[POD_B], spec.mac));
	assert_true(nb_addr_parse(pod_addr4[POD_B], &spec.addrs[0].addr));
	assert_int_equal(nb_endpoint_delete(&env->dp, spec.container_id, "eth0", &err), 0);
	assert_int_equal(nb_endpoint_add(&env->dp, &spec, &err), 0);
	run(env, 40000, false, SYN, 5000, 0);
	assert_true(env_conn(env, &client, &after));
	assert_true(before.out_slot != after.out_slot || before.out_gen != after.out_gen);
	expect_begun(env, 40000);
	assert_int_equal(env_conn_count(env), 1);
}

/* The index lost the other entry of the old connection: the next packets insert it again. */
static void test_half_lost(void **state)
{
	struct env *env = *state;
	struct packet answer;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	live(env, 40000, 100);
	answer = segment(env, 40000, true, SYN | ACK, 7000, 5001);
	env_conn_lose(env, &answer);
	run(env, 40000, false, SYN, 5000, 0);
	run(env, 40000, false, SYN, 5000, 0);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &answer, NULL, NULL), TC_ACT_REDIRECT);
	env_expect_whole(env);
	assert_int_equal(env_conn_count(env), 1);
}

enum { RACERS = 2, RACES = 3000 };

struct racer {
	struct env env; /* a copy, as env_run() writes into it */
	struct packet packet;
	int cpu, verdict[RACES];
	pthread_barrier_t *end;
};

static atomic_int races_begun;

/* Threads spin, since waking them takes longer than the race. */
static void *race(void *arg)
{
	struct racer *racer = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(racer->cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	for (int i = 0; i < RACES; i++) {
		while (atomic_load(&races_begun) <= i)
			sched_yield();
		racer->verdict[i] = env_run(&racer->env, FROM_POD, POD_A, &racer->packet, NULL, NULL);
		pthread_barrier_wait(racer->end);
	}
	return NULL;
}

/* Two CPUs get the SYN at once: there is one connection, and both packets are translated. */
static void test_race(void **state)
{
	static struct racer racers[RACERS];
	struct env *env = *state;
	pthread_barrier_t end;
	pthread_t threads[RACERS];
	unsigned int lost = 0;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:8080", "10.1.0.4:8080", NULL });
	atomic_store(&races_begun, 0);
	pthread_barrier_init(&end, NULL, RACERS + 1);
	for (int i = 0; i < RACERS; i++) {
		racers[i].env = *env;
		racers[i].packet = client;
		racers[i].packet.tcp_flags = SYN;
		racers[i].cpu = i;
		racers[i].end = &end;
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int round = 0; round < RACES; round++) {
		atomic_store(&races_begun, round + 1);
		pthread_barrier_wait(&end);
		assert_int_equal(env_conn_count(env), 1);
		live(env, 40000, 100);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		for (int round = 0; round < RACES; round++)
			lost += racers[i].verdict[round] != TC_ACT_REDIRECT;
	}
	assert_int_equal(lost, 0);
	assert_int_equal(env_counter(env, NB_COUNT_INSERT), RACES);
	env_expect_whole(env);
}

int suite_conn_renew(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_same_backend), ENV_TEST(test_packets),       ENV_TEST(test_other_backend),
		ENV_TEST(test_udp),          ENV_TEST(test_backend_again), ENV_TEST(test_half_lost),
		ENV_TEST_SMALL(test_race),
	};

	return cmocka_run_group_tests_name("conn_renew", tests, NULL, NULL);
}
