// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A storm: two CPUs send packets of many more connections than the table holds, so that each place
 * goes from one connection to another thousands of times a second, while packets of both are under
 * way (B31). Whatever a packet meets, it is dropped or becomes exactly what its own connection says
 * (storm_flow.h). NB_STORM_SECONDS sets how long each test sends.
 */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/maps/settings.h"
#include "lib/util/error.h"

#include "storm_flow.h"

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
	UDP_FLOWS = 256,
	RECENT = 64, /* at most: flows of which the next packets are sent */
	SHOWN = 5,   /* wrong packets that a CPU describes */

	/* Packets that each CPU sends in a second, also one that is emulated. */
	PACKETS_LEAST = 4000,
	/* Of a hundred packets, so many begin a connection, or are translated though not of the client. */
	BEGUN_LEAST = 10,
	ANSWERED_LEAST = 5,
	HARDLY_ANY = 100000, /* one of so many packets, */
	FEW = 5,             /* and these, if the storm is short */
};

struct storm {
	struct env *env;
	unsigned int table; /* pairs */
	bool via_host, flushes;
	unsigned int n_lives; /* TCP connections that begin and end all the time */
	unsigned int n_held;  /* TCP connections that are established and stay so */
	struct storm_flow *udp, *lives, *held;
	/* UDP flows that have sent a request: about as many as the table may still hold, as a ring. */
	atomic_uint recent[RECENT], recent_at;
	atomic_bool stop;
};

/* What one CPU does, and sees. */
struct sender {
	struct storm *storm;
	struct env env; /* a copy, as env_run_frame() writes into it */
	int cpu;
	uint64_t chance;
	unsigned long sent, translated, answered, dropped, untouched;
	/* Wrong: another verdict, addresses or ports, anything else in the packet; not delivered. */
	unsigned long verdict, tuple, other, lost;
};

static uint32_t chance(struct sender *sender, uint32_t below)
{
	sender->chance = sender->chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((sender->chance >> 32) * below) >> 32;
}

/* ---- one packet ---- */

static void describe(const struct sender *sender, const char *what, const struct storm_image *sent,
		     int verdict, const uint8_t *out, size_t len)
{
	if (sender->verdict + sender->tuple + sender->other + sender->lost > SHOWN)
		return;
	fprintf(stderr, "CPU %d, packet %lu: %s, verdict %d\n", sender->cpu, sender->sent, what, verdict);
	storm_print("  sent", sent->data, sent->len);
	storm_print("  received", out, len);
}

/* What is wrong with a packet that is none of those that it may become. */
static void judge_wrong(struct sender *sender, const struct storm_packet *packet, unsigned int b,
			const uint8_t *out, size_t len)
{
	for (unsigned int i = 0; i < STORM_BACKENDS; i++)
		if (storm_image_same_tuple(&packet->received[i], out, len)) {
			sender->other++;
			describe(sender, "addresses and ports are right, the rest is not", &packet->sent[b],
				 packet->verdict, out, len);
			return;
		}
	sender->tuple++;
	describe(sender, "addresses or ports of another connection", &packet->sent[b], packet->verdict, out,
		 len);
}

/* The backend of the connection as which a packet was translated; -1: of none that it may have. */
static int translated_by(const struct storm_packet *packet, unsigned int b, const uint8_t *out, size_t len)
{
	if (!packet->of_client)
		return storm_image_is(&packet->received[b], out, len) ? (int)b : -1;
	for (b = 0; b < STORM_BACKENDS; b++)
		if (storm_image_is(&packet->received[b], out, len))
			return (int)b;
	return -1;
}

/* Sends one packet of a flow. True: its receiver got it, translated. */
static bool send_packet(struct sender *sender, struct storm_flow *flow, unsigned int i)
{
	const struct storm_packet *packet = &flow->packets[i];
	unsigned int b = packet->of_client ? 0 : atomic_load(&flow->backend);
	const struct storm_image *sent = &packet->sent[b];
	uint8_t out[FRAME_MAX + 256];
	int verdict, by;
	size_t len;

	verdict = env_run_frame(&sender->env, packet->hook, packet->pod, sent->data, sent->len, out, &len);
	sender->sent++;
	if (verdict == TC_ACT_SHOT) {
		sender->dropped++;
		return false;
	}
	if (!packet->of_client && verdict == -1 /* TC_ACT_UNSPEC */ && storm_image_is(sent, out, len)) {
		sender->untouched++; /* its connection has given way to another one */
		return false;
	}
	if (verdict != packet->verdict) {
		sender->verdict++;
		describe(sender, "no verdict for this packet", sent, verdict, out, len);
		return false;
	}
	by = translated_by(packet, b, out, len);
	if (by < 0) {
		judge_wrong(sender, packet, b, out, len);
		return true;
	}
	if (packet->of_client)
		atomic_store(&flow->backend, by);
	sender->translated++;
	sender->answered += !packet->of_client;
	return true;
}

/* ---- what is sent ---- */

static unsigned int recent_count(const struct storm *storm)
{
	return storm->table < RECENT ? storm->table : RECENT;
}

static void send_request(struct sender *sender)
{
	struct storm *storm = sender->storm;
	unsigned int number = chance(sender, UDP_FLOWS);

	send_packet(sender, &storm->udp[number], STORM_REQUEST);
	atomic_store(&storm->recent[atomic_fetch_add(&storm->recent_at, 1) % recent_count(storm)], number);
}

/* The next packet of a flow that is about to give way, or just has. */
static void send_recent(struct sender *sender, unsigned int i)
{
	struct storm *storm = sender->storm;
	unsigned int count = recent_count(storm), age = count / 4 + chance(sender, count / 2);

	send_packet(sender,
		    &storm->udp[atomic_load(&storm->recent[(atomic_load(&storm->recent_at) - age) % count])],
		    i);
}

static void send_life(struct sender *sender)
{
	struct storm_flow *flow = &sender->storm->lives[chance(sender, sender->storm->n_lives)];

	send_packet(sender, flow, atomic_fetch_add(&flow->next, 1) % flow->n_packets);
}

/* Established connections never give way: each of their packets arrives. */
static void send_held(struct sender *sender)
{
	struct storm_flow *flow = &sender->storm->held[chance(sender, sender->storm->n_held)];
	unsigned int i = STORM_TCP_DATA + chance(sender, STORM_TCP_FIN - STORM_TCP_DATA);
	const struct storm_image *sent = &flow->packets[i].sent[0];

	if (send_packet(sender, flow, i) || sender->storm->flushes)
		return;
	sender->lost++;
	describe(sender, "not delivered, though its connection is established", sent, -1, sent->data,
		 sent->len);
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;
	const unsigned int answer = sender->storm->via_host ? STORM_ARRIVAL : STORM_ANSWER;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(sender->cpu, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	while (!atomic_load(&sender->storm->stop)) {
		uint32_t kind = chance(sender, 32);

		if (kind < 11)
			send_request(sender);
		else if (kind < 13)
			send_recent(sender, STORM_REQUEST);
		else if (kind < 16)
			send_recent(sender, STORM_ANSWER);
		else if (kind < 22)
			send_recent(sender, answer);
		else if (kind < 27)
			send_recent(sender, STORM_ERROR);
		else if (kind < 30)
			send_life(sender);
		else
			send_held(sender);
	}
	return NULL;
}

/* ---- a storm ---- */

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

static struct storm_flow *make_flows(const struct storm *storm, unsigned int n, uint8_t proto,
				     unsigned int first)
{
	struct storm_flow *flows = calloc(n, sizeof(*flows));

	assert_non_null(flows);
	for (unsigned int i = 0; i < n; i++)
		storm_flow_make(&flows[i], proto, first + i, storm->via_host);
	return flows;
}

static void make_all(struct storm *storm)
{
	storm->n_lives = storm->table / 4;
	storm->n_held = storm->table / 8;
	storm->udp = make_flows(storm, UDP_FLOWS, IPPROTO_UDP, 0);
	storm->lives = make_flows(storm, storm->n_lives, IPPROTO_TCP, 0);
	storm->held = make_flows(storm, storm->n_held, IPPROTO_TCP, storm->n_lives);
}

static void establish(struct sender *sender)
{
	for (unsigned int i = 0; i < sender->storm->n_held; i++)
		for (unsigned int step = 0; step < STORM_TCP_DATA; step++)
			assert_true(send_packet(sender, &sender->storm->held[i], step));
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
	sum->translated += sender->translated;
	sum->answered += sender->answered;
	sum->dropped += sender->dropped;
	sum->untouched += sender->untouched;
	sum->verdict += sender->verdict;
	sum->tuple += sender->tuple;
	sum->other += sender->other;
	sum->lost += sender->lost;
}

static void print_sum(const struct storm *storm, const struct sender *sum, double seconds)
{
	static const struct {
		enum nb_counter counter;
		const char *name;
	} counters[] = {
		{ NB_COUNT_INSERT, "insert" },
		{ NB_COUNT_EARLY_DROP, "early_drop" },
		{ NB_COUNT_CLASH_RESOLVE, "clash_resolve" },
		{ NB_COUNT_INSERT_FAILED, "insert_failed" },
		{ NB_COUNT_PORT_CHANGED, "port_changed" },
		{ NB_COUNT_REPAIRED, "repaired" },
		{ NB_DROP_TABLE_FULL, "drop" },
	};

	print_message("# storm: %lu packets in %.1f s, %lu translated, %lu untouched, %lu dropped\n",
		      sum->sent, seconds, sum->translated, sum->untouched, sum->dropped);
	print_message("# storm:");
	for (unsigned int i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		print_message(" %s %lu", counters[i].name,
			      (unsigned long)env_counter(storm->env, counters[i].counter));
	print_message("\n# storm: wrong: %lu verdicts, %lu tuples, %lu otherwise, %lu not delivered\n",
		      sum->verdict, sum->tuple, sum->other, sum->lost);
}

/* It was a storm, on both CPUs. */
static void expect_stormy(const struct storm *storm, const struct sender senders[CPUS],
			  const struct sender *sum, double seconds)
{
	for (int i = 0; i < CPUS; i++)
		assert_true(senders[i].sent >= PACKETS_LEAST * seconds);
	assert_true(env_counter(storm->env, NB_COUNT_INSERT) * 100 >= sum->sent * BEGUN_LEAST);
	assert_true(sum->answered * 100 >= sum->sent * ANSWERED_LEAST);
}

/*
 * No packet was dropped for a reason that only another connection can have had. TCP flags that begin
 * no connection are a reason here. Hardly any packet found the table full, though few connections
 * are established: an index of so few sets may have all sets of a tuple in one or two, and those
 * full. Hardly any gave up on a tuple that another CPU was about to enter: a hypervisor may stop
 * that CPU.
 */
static void expect_counters(struct env *env, unsigned long sent)
{
	for (enum nb_counter c = NB_DROP_BASE; c < NB_COUNTERS; c++)
		if (c != NB_DROP_INVALID && c != NB_DROP_TABLE_FULL && env_counter(env, c))
			fail_msg("drop reason %d: %lu packets", c, (unsigned long)env_counter(env, c));
	assert_in_range(env_counter(env, NB_DROP_TABLE_FULL), 0, FEW + sent / HARDLY_ANY);
	assert_in_range(env_counter(env, NB_COUNT_INSERT_FAILED), 0, FEW + sent / HARDLY_ANY);
	assert_int_equal(env_counter(env, NB_COUNT_PORT_CHANGED), 0);
}

static void run_storm(struct storm *storm)
{
	static struct sender senders[CPUS];
	struct sender sum = { 0 };
	pthread_t threads[CPUS];
	double seconds;

	if (sysconf(_SC_NPROCESSORS_ONLN) < CPUS) {
		print_message("# SKIP there is one CPU only\n");
		skip();
	}
	make_all(storm);
	storm_serve(storm->env);
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
	print_sum(storm, &sum, seconds);
	assert_int_equal(sum.verdict + sum.tuple + sum.other + sum.lost, 0);
	expect_stormy(storm, senders, &sum, seconds);
	env_expect_whole(storm->env);
	expect_counters(storm->env, sum.sent);
	free(storm->udp);
	free(storm->lives);
	free(storm->held);
}

static struct storm storm; /* too large for the stack of a test */

static void test_table_of_64(void **state)
{
	storm = (struct storm){ .env = *state, .table = 64 };
	run_storm(&storm);
}

static void test_table_of_8(void **state)
{
	storm = (struct storm){ .env = *state, .table = 8 };
	run_storm(&storm);
}

/* Answers are translated where they enter the client's pod. */
static void test_via_host(void **state)
{
	struct nb_settings settings;
	struct env *env = *state;

	assert_int_equal(nb_settings_read(&env->dp, &settings, NULL), 0);
	settings.flags &= ~NB_SETTINGS_FAST_PATH;
	assert_int_equal(nb_settings_write(&env->dp, &settings, NULL), 0);
	storm = (struct storm){ .env = env, .table = 8, .via_host = true };
	run_storm(&storm);
}

/* While userspace ends all connections, again and again. */
static void test_flushed(void **state)
{
	storm = (struct storm){ .env = *state, .table = 64, .flushes = true };
	run_storm(&storm);
}

int suite_storm(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table_of_64, env_setup_64, env_teardown),
		cmocka_unit_test_setup_teardown(test_table_of_8, env_setup_8, env_teardown),
		cmocka_unit_test_setup_teardown(test_via_host, env_setup_8, env_teardown),
		cmocka_unit_test_setup_teardown(test_flushed, env_setup_64, env_teardown),
	};

	return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
