// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mode assist: what is remembered of connections between pods, and what a CPU finds of it while
 * another one writes.
 */
#include "env.h"

#include "lib/maps/map.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "suites.h"

enum {
	SETS = 1024 / NB_FLOW_WAYS,
	L4 = 14 + 20, /* offset of the header of TCP or UDP */
	ECHO_ID = L4 + 4,
	FIRST_SUBSTITUTE = 61000,
};

/* ---- the table ---- */

static int copy_sets(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_flow_set *from = values;
	struct nb_flow_set *sets = arg;
	const __u32 *index = keys;

	for (__u32 i = 0; i < n; i++)
		if (index[i] < SETS)
			sets[index[i]] = from[i];
	return 0;
}

static void read_flows(struct env *env, struct nb_flow_set sets[SETS])
{
	struct nb_error err = { 0 };

	assert_int_equal(nb_map_walk(&env->dp, NB_MAP_FLOWS, copy_sets, sets, &err), 0);
}

/* Whether a way holds the flow between these ports of pods A and B, in either order. */
static bool is_flow(const struct nb_flow_set *set, int way, uint16_t port_a, uint16_t port_b)
{
	const struct nb_tuple *key = &set->flows[way].key;
	bool a_first = key->src.w[3] == htonl(0x0a010002);

	return set->heads[way].tag && (a_first ? key->sport : key->dport) == htons(port_a) &&
	       (a_first ? key->dport : key->sport) == htons(port_b);
}

/* How many ways hold it. *set: the last one's. */
static unsigned int count_ways(struct env *env, uint16_t port_a, uint16_t port_b, int *set)
{
	static struct nb_flow_set sets[SETS];
	unsigned int ways = 0;

	read_flows(env, sets);
	for (int i = 0; i < SETS * NB_FLOW_WAYS; i++) {
		if (!is_flow(&sets[i / NB_FLOW_WAYS], i % NB_FLOW_WAYS, port_a, port_b))
			continue;
		ways++;
		*set = i / NB_FLOW_WAYS;
	}
	return ways;
}

/* How many ways hold a key that another way of the set holds as well. */
static unsigned int count_doubles(struct env *env)
{
	static struct nb_flow_set sets[SETS];
	unsigned int doubles = 0;

	read_flows(env, sets);
	for (int i = 0; i < SETS; i++)
		for (int a = 0; a < NB_FLOW_WAYS; a++)
			for (int b = a + 1; b < NB_FLOW_WAYS; b++)
				doubles += sets[i].heads[a].tag && sets[i].heads[b].tag &&
					   !memcmp(&sets[i].flows[a].key, &sets[i].flows[b].key,
						   sizeof(struct nb_tuple));
	return doubles;
}

/* ---- packets ---- */

static struct packet to_b(uint16_t sport, uint8_t proto, uint8_t tcp_flags)
{
	return (struct packet){ .src = pod_addr4[POD_A],
				.dst = pod_addr4[POD_B],
				.sport = sport,
				.dport = 8080,
				.proto = proto,
				.smac = pod_mac[POD_A],
				.dmac = pod_mac[POD_B],
				.tcp_flags = tcp_flags };
}

static struct packet from_b(uint16_t dport, uint8_t proto, uint8_t tcp_flags)
{
	struct packet packet = to_b(dport, proto, tcp_flags);

	packet.src = pod_addr4[POD_B];
	packet.dst = pod_addr4[POD_A];
	packet.sport = 8080;
	packet.dport = dport;
	packet.smac = pod_mac[POD_B];
	packet.dmac = pod_mac[POD_A];
	return packet;
}

static uint16_t sport_of(const uint8_t *frame)
{
	return frame[L4] << 8 | frame[L4 + 1];
}

static uint16_t dport_of(const uint8_t *frame)
{
	return frame[L4 + 2] << 8 | frame[L4 + 3];
}

/* From pod A to pod B, switched: the bridge gets it as it is. */
static void run_direct(struct env *env, uint16_t sport, uint8_t proto, uint8_t tcp_flags)
{
	const struct packet packet = to_b(sport, proto, tcp_flags);

	env_expect_untouched(env, FROM_POD, POD_A, &packet);
}

/* The same tuple from the host, which has translated it. Returns the source port that pod B sees. */
static uint16_t run_translated(struct env *env, uint16_t sport, uint8_t proto, uint8_t tcp_flags)
{
	const struct packet packet = to_b(sport, proto, tcp_flags);
	uint8_t out[FRAME_MAX];
	size_t len;

	env->from = BRIDGE_IFINDEX;
	assert_int_equal(env_run(env, TO_POD, POD_B, &packet, out, &len), TC_ACT_REDIRECT);
	return sport_of(out);
}

/* An answer of pod B to this port. Returns the port to which it goes on. */
static uint16_t run_answer(struct env *env, uint16_t dport, uint8_t proto, uint8_t tcp_flags, int *verdict)
{
	const struct packet packet = from_b(dport, proto, tcp_flags);
	uint8_t out[FRAME_MAX];
	size_t len;

	*verdict = env_run(env, FROM_POD, POD_B, &packet, out, &len);
	return dport_of(out);
}

/* ---- one CPU ---- */

/* A translated connection with the tuple of a direct one gets another port, and its own back. */
static void test_clash(void **state)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	struct env *env = *state;

	for (int i = 0; i < 2; i++) {
		uint16_t substitute;
		int verdict;

		run_direct(env, 40000, protos[i], SYN);
		substitute = run_translated(env, 40000, protos[i], SYN);
		assert_in_range(substitute, FIRST_SUBSTITUTE, 65535);
		assert_int_equal(run_translated(env, 40000, protos[i], ACK), substitute);
		assert_int_equal(run_answer(env, substitute, protos[i], ACK, &verdict), 40000);
		assert_int_equal(verdict, TC_ACT_REDIRECT); /* to the host */
		assert_int_equal(run_answer(env, 40000, protos[i], ACK, &verdict), 40000);
		assert_int_equal(verdict, TC_ACT_UNSPEC); /* of the direct one */
		assert_int_equal(run_translated(env, 40001, protos[i], SYN), 40001);
	}
}

/* Nobody else gets a substitute port as long as its connection is there. */
static void test_substitute_taken(void **state)
{
	struct env *env = *state;
	uint16_t substitute;
	struct packet other;

	run_direct(env, 40000, IPPROTO_TCP, SYN);
	substitute = run_translated(env, 40000, IPPROTO_TCP, SYN);
	other = to_b(substitute, IPPROTO_TCP, ACK);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &other, NULL, NULL), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_NO_PORT), 1);
}

/* Waits for the next tick, which a flow's "seen" tells. */
static void wait_tick(struct env *env)
{
	static struct nb_flow_set sets[SETS];
	uint32_t first = 0, now;

	do {
		int set = 0, way = 0;

		run_direct(env, 9, IPPROTO_UDP, 0);
		assert_int_equal(count_ways(env, 9, 8080, &set), 1);
		read_flows(env, sets);
		while (!is_flow(&sets[set], way, 9, 8080))
			way++;
		now = sets[set].heads[way].seen;
		first = first ? first : now;
		usleep(1000);
	} while (now == first);
}

/* A direct connection that both ends have closed leaves its tuple to a translated one, a tick later. */
static void test_closed(void **state)
{
	struct env *env = *state;
	int verdict, set;

	run_direct(env, 40000, IPPROTO_TCP, SYN);
	run_direct(env, 40000, IPPROTO_TCP, FIN | ACK);
	run_answer(env, 40000, IPPROTO_TCP, FIN | ACK, &verdict);
	wait_tick(env);
	assert_int_equal(run_translated(env, 40000, IPPROTO_TCP, SYN), 40000);
	assert_int_equal(count_ways(env, 40000, 8080, &set), 0);
	/* One that is reset, and begins anew before that. */
	run_direct(env, 40001, IPPROTO_TCP, SYN);
	run_direct(env, 40001, IPPROTO_TCP, RST);
	run_direct(env, 40001, IPPROTO_TCP, SYN);
	wait_tick(env);
	assert_int_not_equal(run_translated(env, 40001, IPPROTO_TCP, SYN), 40001);
}

/* An echo that the host translates goes back there; with the id of a direct one it gets another. */
static void test_echo(void **state)
{
	struct env *env = *state;
	const struct packet request = { .src = pod_addr4[POD_A],
					.dst = pod_addr4[POD_B],
					.proto = IPPROTO_ICMP,
					.icmp_type = 8,
					.smac = pod_mac[POD_A],
					.dmac = pod_mac[POD_B] };
	struct packet reply = { .src = pod_addr4[POD_B],
				.dst = pod_addr4[POD_A],
				.proto = IPPROTO_ICMP,
				.smac = pod_mac[POD_B],
				.dmac = pod_mac[POD_A] };
	uint8_t out[FRAME_MAX];
	size_t len;

	env->from = BRIDGE_IFINDEX;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(env_run(env, TO_POD, POD_B, &request, out, &len), TC_ACT_REDIRECT);
		assert_int_equal(out[ECHO_ID] << 8 | out[ECHO_ID + 1], 0);
	}
	assert_int_equal(env_run(env, FROM_POD, POD_B, &reply, NULL, NULL), TC_ACT_REDIRECT);
	reply.src = pod_addr4[POD_C];
	reply.smac = pod_mac[POD_C];
	env_expect_untouched(env, FROM_POD, POD_C, &reply);
}

static void test_echo_clash(void **state)
{
	struct env *env = *state;
	struct packet request = { .src = pod_addr6[POD_A],
				  .dst = pod_addr6[POD_B],
				  .proto = IPPROTO_ICMPV6,
				  .icmp_type = 128,
				  .smac = pod_mac[POD_A],
				  .dmac = pod_mac[POD_B] };
	uint8_t out[FRAME_MAX];
	uint16_t id[2];
	size_t len;

	env_expect_untouched(env, FROM_POD, POD_A, &request);
	env->from = BRIDGE_IFINDEX;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(env_run(env, TO_POD, POD_B, &request, out, &len), TC_ACT_REDIRECT);
		id[i] = out[ECHO_ID + 20] << 8 | out[ECHO_ID + 21];
		assert_in_range(id[i], FIRST_SUBSTITUTE, 65535);
	}
	assert_int_equal(id[0], id[1]);
}

/* A full set forgets the flow that was not used for the longest time. */
static void test_full(void **state)
{
	static struct nb_flow_set sets[SETS];
	struct env *env = *state;
	unsigned int used = 0;

	for (uint16_t port = 1; port <= 4096; port++)
		run_direct(env, port, IPPROTO_UDP, 0);
	read_flows(env, sets);
	for (int i = 0; i < SETS * NB_FLOW_WAYS; i++)
		used += sets[i / NB_FLOW_WAYS].heads[i % NB_FLOW_WAYS].tag != 0;
	assert_int_equal(used, SETS * NB_FLOW_WAYS);
}

/* ---- two CPUs ---- */

enum { ROUNDS = 5, PAIRS = 400 };

/* Two CPUs run a packet each at the same moment, pair after pair. */
struct racer {
	struct env env; /* a copy, as env_run() writes into it */
	int cpu;
	unsigned int n_pairs;
	enum hook hook;
	enum pod pod[PAIRS];
	struct packet packet[PAIRS];
	int verdict[PAIRS];
	uint16_t sport[PAIRS]; /* afterwards */
};

static struct racer racers[2];
static atomic_uint at_pair[2];

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
}

/* Waits by spinning, since to wake a thread takes longer than the race, unless the CPU is busy. */
static void wait_for_other(const struct racer *racer, unsigned int pair)
{
	atomic_store(&at_pair[racer->cpu], pair + 1);
	for (int spins = 0; atomic_load(&at_pair[!racer->cpu]) <= pair; spins++)
		if (spins > 10000)
			sched_yield();
}

static void *race(void *arg)
{
	struct racer *racer = arg;
	uint8_t out[FRAME_MAX];
	size_t len;

	pin(racer->cpu);
	for (unsigned int i = 0; i < racer->n_pairs; i++) {
		wait_for_other(racer, i);
		racer->verdict[i] =
			env_run(&racer->env, racer->hook, racer->pod[i], &racer->packet[i], out, &len);
		racer->sport[i] = sport_of(out);
	}
	return NULL;
}

static void racers_run(const struct env *env, unsigned int n_pairs)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		racers[i].n_pairs = n_pairs;
		atomic_store(&at_pair[i], 0);
		racers[i].env = *env;
		racers[i].cpu = i;
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* Two CPUs get the first datagrams of one flow at once, one in each direction: one way has it. */
static void test_same_key(void **state)
{
	struct env *env = *state;
	unsigned int twice = 0;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < PAIRS; i++) {
			uint16_t port = 1000 + round * PAIRS + i;

			racers[0].pod[i] = POD_A;
			racers[0].packet[i] = to_b(port, IPPROTO_UDP, 0);
			racers[1].pod[i] = POD_B;
			racers[1].packet[i] = from_b(port, IPPROTO_UDP, 0);
		}
		racers[0].hook = racers[1].hook = FROM_POD;
		racers_run(env, PAIRS);
		for (int i = 0; i < PAIRS; i++) {
			assert_int_equal(racers[0].verdict[i], TC_ACT_UNSPEC);
			assert_int_equal(racers[1].verdict[i], TC_ACT_UNSPEC);
		}
		twice += count_doubles(env);
	}
	print_message("%u of %d flows twice in the table\n", twice, ROUNDS * PAIRS);
	assert_int_equal(twice, 0);
}

/*
 * Two translated connections look for a substitute port at once, and begin at the same one. A round
 * has so few of them that no set becomes full.
 */
static void test_same_substitute(void **state)
{
	/* The sums sport * 31 + 8080 of a pair are the same modulo the number of substitute ports. */
	enum { BEGINNINGS = 40, AT_ONCE = 30, FIRST = 1000, SECOND = FIRST + 65536 - FIRST_SUBSTITUTE };
	struct env *env = *state;
	unsigned int wrong = 0, lost = 0;

	for (int round = 0; round < BEGINNINGS; round++) {
		for (int k = 0; k < 2; k++) {
			racers[k].hook = TO_POD;
			for (int i = 0; i < AT_ONCE; i++) {
				uint16_t port = (k ? SECOND : FIRST) + round * AT_ONCE + i;

				racers[k].pod[i] = POD_B;
				racers[k].packet[i] = to_b(port, IPPROTO_UDP, 0);
				run_direct(env, port, IPPROTO_UDP, 0);
			}
		}
		env->from = BRIDGE_IFINDEX;
		racers_run(env, AT_ONCE);
		for (int i = 0; i < 2 * AT_ONCE; i++) {
			const struct racer *racer = &racers[i / AT_ONCE];
			int verdict, at = i % AT_ONCE;

			if (racer->verdict[at] != TC_ACT_REDIRECT)
				lost++;
			else
				wrong += run_answer(env, racer->sport[at], IPPROTO_UDP, 0, &verdict) !=
					 racer->packet[at].sport;
		}
		wait_tick(env);
	}
	print_message("of %d packets %u got a port whose answers go to another connection, %u were dropped\n",
		      2 * BEGINNINGS * AT_ONCE, wrong, lost);
	assert_int_equal(wrong, 0);
	/* A hypervisor may stop the CPU that has locked a set; the other one gives up after a while. */
	assert_in_range(lost, 0, 2 * BEGINNINGS * AT_ONCE / 100);
}

/*
 * Connections whose substitute ports are in one set, which has room for a part of them: one CPU
 * runs their requests, so that their flows take each other's ways, and another one their answers.
 */
enum { CONNECTIONS = 24, SECONDS = 2 };

struct storm {
	struct env env;
	uint16_t sport[CONNECTIONS], substitute[CONNECTIONS];
	unsigned int runs;
};

static atomic_bool storm_over;

static void *storm_requests(void *arg)
{
	struct storm *storm = arg;

	pin(0);
	storm->env.from = BRIDGE_IFINDEX;
	while (!atomic_load(&storm_over)) {
		struct packet packet = to_b(storm->sport[storm->runs % CONNECTIONS], IPPROTO_TCP, ACK);

		env_run(&storm->env, TO_POD, POD_B, &packet, NULL, NULL);
		storm->runs++;
	}
	return NULL;
}

/* Finds connections whose substitute port's flow is in the set of the first one. */
static void storm_prepare(struct env *env, struct storm *storm)
{
	unsigned int found = 0;
	int first = -1, set = 0;

	for (uint16_t sport = 1000; found < CONNECTIONS; sport++) {
		uint16_t substitute;

		run_direct(env, sport, IPPROTO_TCP, SYN);
		substitute = run_translated(env, sport, IPPROTO_TCP, SYN);
		assert_in_range(count_ways(env, substitute, 8080, &set), 1, 1);
		if (first < 0)
			first = set;
		if (set != first)
			continue;
		storm->sport[found] = sport;
		storm->substitute[found++] = substitute;
	}
	/* What was made for others must not be in the way of the direct flows. */
	for (unsigned int i = 0; i < CONNECTIONS; i++)
		run_direct(env, storm->sport[i], IPPROTO_TCP, SYN);
}

static void test_storm(void **state)
{
	static struct storm requests, answers;
	struct env *env = *state;
	unsigned int wrong = 0, right = 0, unknown = 0;
	pthread_t thread;
	time_t end;

	storm_prepare(env, &requests);
	answers = requests;
	requests.env = answers.env = *env;
	atomic_store(&storm_over, false);
	assert_int_equal(pthread_create(&thread, NULL, storm_requests, &requests), 0);
	pin(1);
	end = time(NULL) + SECONDS;
	while (time(NULL) < end) {
		unsigned int i = answers.runs++ % CONNECTIONS;
		int verdict;
		uint16_t port = run_answer(&answers.env, answers.substitute[i], IPPROTO_TCP,
					   answers.runs % 3 ? FIN | ACK : RST, &verdict);

		right += port == answers.sport[i];
		unknown += port == answers.substitute[i];
		wrong += port != answers.sport[i] && port != answers.substitute[i];
	}
	atomic_store(&storm_over, true);
	pthread_join(thread, NULL);
	print_message("%u requests; of %u answers %u to another connection, %u to their own, %u unknown\n",
		      requests.runs, answers.runs, wrong, right, unknown);
	assert_int_equal(wrong, 0);
	assert_in_range(right, 1, UINT32_MAX);
}

int suite_flow(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST_ASSIST(test_clash),      ENV_TEST_ASSIST(test_substitute_taken),
		ENV_TEST_ASSIST(test_closed),     ENV_TEST_ASSIST(test_echo),
		ENV_TEST_ASSIST(test_echo_clash), ENV_TEST_ASSIST(test_full),
		ENV_TEST_ASSIST(test_same_key),   ENV_TEST_ASSIST(test_same_substitute),
		ENV_TEST_ASSIST(test_storm),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
