// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C13: who gets a packet while a network is handed over from another map layout: the old programs or the new
 * ones (natbridge/handover.h). Two programs that only say who they are stand for them.
 */
#include "env.h"

#include "lib/datapath/load.h"
#include "lib/maps/map.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <natbridge/conn_life.h>
#include <natbridge/handover.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "suites.h"

enum { OLD = 100, NEW, PORT = 40000, LATER = NB_ROUND_NEW + 1 };

#define VIP    "10.96.0.10"
#define STICKY "10.96.0.11"
#define CLIENT "10.1.0.2"
#define SERVER "10.1.0.3"

/* A datapath whose programs of the ports are those of the handover, and those that it had before. */
struct setup {
	struct env *env;
	struct nb_handover_progs progs;
	int before[2];
};

static void expect_done(int rc, const struct nb_error *err)
{
	if (rc)
		fail_msg("%s", err->msg);
}

/* A program that returns a number. */
static int load_answer(int number)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = number },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "answer", "GPL", code, 2, NULL);

	assert_in_range(fd, 0, 1 << 20);
	return fd;
}

static void fill_progs(const struct nb_datapath *dp)
{
	nb_autoclose int old = load_answer(OLD), new = load_answer(NEW);

	for (__u32 i = 0; i < NB_HANDOVER_PROGS; i++) {
		int fd = i < NB_HANDOVER_NEW_FROM_POD ? old : new;

		assert_int_equal(bpf_map_update_elem(dp->map_fd[NB_MAP_HANDOVER_PROGS], &i, &fd, BPF_ANY), 0);
	}
}

static void services(struct env *env)
{
	static const char *const backend[] = { SERVER ":8080", NULL };

	for (int i = 0; i < 2; i++) {
		uint8_t proto = i ? IPPROTO_TCP : IPPROTO_UDP;

		env_service(env, i ? "a/tcp" : "a/udp", VIP ":80", proto, backend);
		env_service_draining(env, i ? "a/sticky-tcp" : "a/sticky-udp", STICKY ":80", proto, 100,
				     backend, (const char *const[]){ NULL });
	}
}

static void swap_progs(struct setup *setup)
{
	int *progs = setup->env->dp.prog_fd;

	for (int i = 0; i < 2; i++) {
		enum nb_prog prog = i ? NB_PROG_TO_POD : NB_PROG_FROM_POD;
		int other = setup->before[i];

		setup->before[i] = progs[prog];
		progs[prog] = other;
	}
}

static struct setup begin(struct env *env)
{
	struct setup setup = { .env = env, .progs = NB_HANDOVER_PROGS_INIT };
	struct nb_error err = { 0 };

	services(env);
	expect_done(nb_handover_load("net", &env->dp, &setup.progs, &err), &err);
	fill_progs(&env->dp);
	setup.before[0] = setup.progs.from_pod;
	setup.before[1] = setup.progs.to_pod;
	swap_progs(&setup);
	return setup;
}

static void end(struct setup *setup)
{
	swap_progs(setup);
	nb_handover_progs_close(&setup->progs);
}

static void set_round(const struct setup *setup, __u32 round)
{
	const struct nb_handover value = { .round = round };
	const __u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(setup->env->dp.map_fd[NB_MAP_HANDOVER], &zero, &value, 0), 0);
}

static struct nb_handover_client client_key(uint16_t port, uint8_t proto)
{
	struct nb_handover_client key = { .port = htons(port), .proto = proto };

	assert_true(nb_addr_parse(CLIENT, &key.addr));
	return key;
}

static void note(const struct setup *setup, uint16_t port, uint8_t proto, __u32 round)
{
	const struct nb_handover_client key = client_key(port, proto);
	int fd = setup->env->dp.map_fd[NB_MAP_HANDOVER_CLIENTS];

	if (round)
		assert_int_equal(bpf_map_update_elem(fd, &key, &round, BPF_ANY), 0);
	else
		bpf_map_delete_elem(fd, &key);
}

/* The round in which a client was noted last; 0: never. */
static __u32 noted(const struct setup *setup, uint16_t port, uint8_t proto)
{
	const struct nb_handover_client key = client_key(port, proto);
	__u32 round = 0;

	bpf_map_lookup_elem(setup->env->dp.map_fd[NB_MAP_HANDOVER_CLIENTS], &key, &round);
	return round;
}

static struct packet request(const char *vip, uint8_t proto)
{
	return (struct packet){
		.src = CLIENT, .dst = vip, .sport = PORT, .dport = 80, .proto = proto, .tcp_flags = SYN
	};
}

static struct packet answer(uint8_t proto)
{
	return (struct packet){ .src = SERVER,
				.dst = CLIENT,
				.sport = 8080,
				.dport = PORT,
				.proto = proto,
				.tcp_flags = SYN | ACK };
}

/* ---- packets that may begin a connection ---- */

static void test_begin(void **state)
{
	static const struct {
		const char *vip;
		__u32 round, was, was_any, now, now_any; /* notes of the port, and of the client as a whole */
		int by;
	} rows[] = {
		/* As long as the old programs begin everything, clients are noted from the first round on. */
		{ VIP, NB_ROUND_OLD, 0, 0, 0, 0, OLD },
		{ VIP, NB_ROUND_NOTED, 0, 0, NB_ROUND_NOTED, 0, OLD },
		{ STICKY, NB_ROUND_NOTED, 0, 0, NB_ROUND_NOTED, NB_ROUND_NOTED, OLD },
		/* Then the new ones, except for what was noted in this round or the last. */
		{ VIP, NB_ROUND_NEW, 0, 0, 0, 0, NEW },
		{ VIP, NB_ROUND_NEW, NB_ROUND_NOTED, 0, NB_ROUND_NEW, 0, OLD },
		{ VIP, NB_ROUND_NEW, NB_ROUND_NEW, 0, NB_ROUND_NEW, 0, OLD },
		{ VIP, LATER, NB_ROUND_NOTED, 0, NB_ROUND_NOTED, 0, NEW },
		{ VIP, LATER, NB_ROUND_NEW, 0, LATER, 0, OLD },
		/* Affinity holds for all connections of a client, in one round. */
		{ STICKY, NB_ROUND_NEW, 0, 0, 0, 0, NEW },
		{ STICKY, NB_ROUND_NEW, 0, NB_ROUND_NOTED, NB_ROUND_NEW, NB_ROUND_NEW, OLD },
		{ VIP, NB_ROUND_NEW, 0, NB_ROUND_NOTED, 0, NB_ROUND_NOTED, NEW },
		{ STICKY, LATER, 0, NB_ROUND_NEW, 0, NB_ROUND_NEW, NEW },
		{ STICKY, LATER, NB_ROUND_NEW, 0, LATER, LATER, OLD },
		{ VIP, NB_ROUND_DONE, NB_ROUND_DONE - 1, 0, NB_ROUND_DONE - 1, 0, NEW },
	};
	static const uint8_t protos[] = { IPPROTO_UDP, IPPROTO_TCP };
	struct setup setup = begin(*state);

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
		const struct packet packet = request(rows[i / 2].vip, protos[i % 2]);
		int by;

		set_round(&setup, rows[i / 2].round);
		note(&setup, PORT, protos[i % 2], rows[i / 2].was);
		note(&setup, 0, 0, rows[i / 2].was_any);
		by = env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL);
		if (by != rows[i / 2].by || noted(&setup, PORT, protos[i % 2]) != rows[i / 2].now ||
		    noted(&setup, 0, 0) != rows[i / 2].now_any)
			fail_msg("row %zu: by %d, noted %u and %u", i / 2, by,
				 noted(&setup, PORT, protos[i % 2]), noted(&setup, 0, 0));
	}
	end(&setup);
}

/* A direct connection to a backend may take a tuple that a Service's connection has. */
static void test_direct(void **state)
{
	struct packet packet = request(SERVER, IPPROTO_UDP);
	struct setup setup = begin(*state);

	packet.dport = 8080;
	set_round(&setup, NB_ROUND_NOTED);
	assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), OLD);
	assert_int_equal(noted(&setup, PORT, IPPROTO_UDP), NB_ROUND_NOTED);
	set_round(&setup, LATER);
	assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), NEW);
	end(&setup);
}

/*
 * What is in the middle of a connection of TCP belongs to the old table, though the new one has nothing yet:
 * closed connections come last.
 */
static void test_in_middle(void **state)
{
	static const struct {
		uint8_t flags;
		int by;
	} rows[] = { { SYN, NEW }, { ACK, OLD }, { FIN | ACK, OLD }, { RST, OLD } };
	struct packet packet = request(VIP, IPPROTO_TCP);
	struct setup setup = begin(*state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		packet.tcp_flags = rows[i].flags;
		note(&setup, PORT, IPPROTO_TCP, 0);
		set_round(&setup, LATER);
		assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), rows[i].by);
		assert_int_equal(noted(&setup, PORT, IPPROTO_TCP), rows[i].by == OLD ? LATER : 0);
	}
	end(&setup);
}

/* A note never fails, whatever clients there were before. */
static void test_many_clients(void **state)
{
	enum { LAST = 65535, CLIENTS = 2 * NB_HANDOVER_CLIENTS };
	struct setup setup = begin(*state);
	struct packet packet = request(VIP, IPPROTO_UDP);

	for (__u32 i = 0; i < CLIENTS; i++)
		note(&setup, (uint16_t)i, (uint8_t)(1 + (i >> 16)), NB_ROUND_NOTED);
	set_round(&setup, NB_ROUND_NOTED);
	packet.sport = LAST;
	assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), OLD);
	assert_int_equal(noted(&setup, LAST, IPPROTO_UDP), NB_ROUND_NOTED);
	end(&setup);
}

/* ---- packets of a connection ---- */

static const __u32 rounds[] = { NB_ROUND_OLD, NB_ROUND_NOTED, NB_ROUND_NEW,
				LATER,        NB_ROUND_DONE,  NB_ROUND_ENDED };

enum { ROUNDS = sizeof(rounds) / sizeof(*rounds) };

/* An error of the backend about the request. */
static struct packet error_about(const struct packet *request)
{
	return (struct packet){ .src = SERVER,
				.dst = CLIENT,
				.proto = IPPROTO_ICMP,
				.icmp_type = 3,
				.icmp_code = 3,
				.quoted = request };
}

/* by: who gets the packets of the connection before the rounds are done. */
static void expect_by(struct setup *setup, const struct packet *asked, int by)
{
	const struct packet answered = answer(IPPROTO_TCP);
	struct packet at_server = *asked, error = error_about(&at_server);

	at_server.dst = SERVER;
	at_server.dport = 8080;
	for (int i = 0; i < ROUNDS; i++) {
		int expected = rounds[i] >= NB_ROUND_DONE ? NEW : by;

		set_round(setup, rounds[i]);
		note(setup, PORT, IPPROTO_TCP, NB_ROUND_DONE - 1);
		assert_int_equal(env_run(setup->env, FROM_POD, POD_A, asked, NULL, NULL), expected);
		assert_int_equal(env_run(setup->env, FROM_POD, POD_B, &answered, NULL, NULL), expected);
		assert_int_equal(env_run(setup->env, FROM_POD, POD_B, &error, NULL, NULL), expected);
		assert_int_equal(env_run(setup->env, TO_POD, POD_A, &answered, NULL, NULL), expected);
		assert_int_equal(env_run(setup->env, TO_POD, POD_A, &error, NULL, NULL), expected);
	}
}

/* What the new table has belongs to the new programs, at every port and in every round. */
static void test_known(void **state)
{
	const struct packet packet = request(VIP, IPPROTO_TCP);
	struct setup setup = begin(*state);

	expect_by(&setup, &packet, OLD);
	swap_progs(&setup);
	assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
	swap_progs(&setup);
	expect_by(&setup, &packet, NEW);
	end(&setup);
}

/* While userspace adds a connection, or if it was killed then, the old table has it. */
static void test_half_added(void **state)
{
	const struct packet packet = request(VIP, IPPROTO_TCP);
	struct setup setup = begin(*state);
	struct nb_pair *pair = setup.env->table.pairs;

	swap_progs(&setup);
	assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
	swap_progs(&setup);
	while (nb_life_use(pair->dir[0].conn.life) != NB_USE_TAKEN)
		pair++;
	pair->dir[0].conn.life = nb_life_with_use(pair->dir[0].conn.life, NB_USE_ADDING);
	expect_by(&setup, &packet, OLD);
	end(&setup);
}

/* A connection that has expired may have a successor in the old table. */
static void test_expired(void **state)
{
	const struct packet packet = request(VIP, IPPROTO_TCP);
	struct setup setup = begin(*state);

	swap_progs(&setup);
	assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
	env_advance(setup.env, 3600);
	swap_progs(&setup);
	expect_by(&setup, &packet, OLD);
	end(&setup);
}

/* ---- others ---- */

static void test_others(void **state)
{
	const struct packet ping = { .src = CLIENT, .dst = VIP, .proto = IPPROTO_ICMP, .icmp_type = 8 };
	struct packet unknown = request("192.0.2.1", IPPROTO_TCP), later = request(VIP, IPPROTO_UDP);
	struct setup setup = begin(*state);

	unknown.dport = 12345;
	later.payload = "0123456789abcdef0123456789abcdef";
	later.slice_from = 24;
	later.slice_len = 16;
	for (int i = 0; i < ROUNDS; i++) {
		int expected = rounds[i] < NB_ROUND_NEW ? OLD : NEW;

		set_round(&setup, rounds[i]);
		assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &ping, NULL, NULL), expected);
		assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &unknown, NULL, NULL), expected);
		assert_int_equal(env_run(setup.env, FROM_POD, POD_A, &later, NULL, NULL), expected);
	}
	end(&setup);
}

int suite_handover(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_begin),        ENV_TEST(test_direct),     ENV_TEST(test_in_middle),
		ENV_TEST(test_known),        ENV_TEST(test_half_added), ENV_TEST(test_expired),
		ENV_TEST(test_many_clients), ENV_TEST(test_others),
	};

	return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
