// SPDX-License-Identifier: GPL-2.0-or-later
/* The state table of TCP (B7), resets (B9), and connections that are picked up in the middle (B12). */
#include "env.h"

#include "lib/maps/conntrack.h"
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

#define VIP "10.96.0.10"

static const struct packet from_client = {
	.src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80, .seq = 100
};
static const struct packet from_backend = {
	.src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080, .dport = 40000, .seq = 900
};

/*
 * B7: tcp_conntracks[direction][segment] of nf_conntrack_proto_tcp.c. Each pair of letters is the
 * new state for an old one, in the order NO SS SR ES FW CW LA TW CL S2. "--": the state stays
 * (ignored or invalid). "**": the connection begins anew.
 */
static const struct kind {
	const char *name;
	uint8_t flags;
	const char *next[2];
} kinds[] = {
	{ "SYN", SYN, { "SS SS -- -- -- -- -- ** ** S2", "-- S2 -- -- -- -- -- ** -- S2" } },
	{ "SYN-ACK", SYN | ACK, { "-- -- SR -- -- -- -- -- -- SR", "-- SR -- -- -- -- -- -- -- SR" } },
	{ "FIN", FIN | ACK, { "-- -- FW FW LA LA LA TW CL --", "-- -- FW FW LA LA LA TW CL --" } },
	{ "ACK", ACK, { "ES -- ES ES CW CW TW TW CL --", "-- -- SR ES CW CW TW TW CL --" } },
	{ "RST", RST, { "-- CL CL CL CL CL CL CL CL CL", "-- CL CL CL CL CL CL CL CL CL" } },
	{ "no flags", 0, { "-- -- -- -- -- -- -- -- -- --", "-- -- -- -- -- -- -- -- -- --" } },
};

static const char state_letters[] = "NO SS SR ES FW CW LA TW CL S2";

static uint32_t state_of(const char *letters)
{
	for (uint32_t i = 0; i < NB_TCP_STATES; i++)
		if (!strncmp(state_letters + 3 * i, letters, 2))
			return i;
	fail_msg("no state %.2s", letters);
	return 0;
}

/* Makes an answered connection in this state, with the sequence numbers of the packets above. */
static void put_state(struct env *env, uint32_t state)
{
	struct nb_error err = { 0 };
	struct packet syn = from_client;
	struct nb_conn fwd, rev;

	assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
	syn.tcp_flags = SYN;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &syn, NULL, NULL), TC_ACT_REDIRECT);
	assert_true(env_conn(env, &from_client, &fwd));
	assert_true(env_conn(env, &from_backend, &rev));
	fwd.life = nb_life_with(fwd.life, state, NB_LIFE_SEEN_REPLY, nb_life_expires(fwd.life));
	rev.life = nb_life_with(rev.life, state, NB_LIFE_SEEN_REPLY, nb_life_expires(rev.life));
	fwd.acked = nb_tag(fwd.life, 0, from_backend.seq);
	rev.acked = nb_tag(rev.life, 0, from_client.seq);
	env_conn_write(env, &from_client, &fwd);
	env_conn_write(env, &from_backend, &rev);
}

static void check_cell(struct env *env, const struct kind *kind, bool reply, uint32_t state)
{
	struct packet segment = reply ? from_backend : from_client;
	const char *next = kind->next[reply] + 3 * state;
	uint32_t want = strncmp(next, "--", 2) ? 0 : state;
	struct nb_conn conn, copy;
	int verdict;

	segment.tcp_flags = kind->flags;
	put_state(env, state);
	verdict = env_run(env, FROM_POD, reply ? POD_B : POD_A, &segment, NULL, NULL);
	print_message("# %s %s in %.2s\n", reply ? "backend's" : "client's", kind->name,
		      state_letters + 3 * state);
	if (!strncmp(next, "**", 2) && reply) {
		/* The old connection has ended; one of the backend itself is not tracked. */
		assert_int_equal(verdict, TC_ACT_UNSPEC);
		assert_false(env_conn(env, &from_client, &conn));
		return;
	}
	if (!strncmp(next, "**", 2))
		want = NB_TCP_SYN_SENT;
	else if (strncmp(next, "--", 2))
		want = state_of(next);
	/* Without any flag it is no segment. */
	assert_int_equal(verdict, kind->flags ? TC_ACT_REDIRECT : TC_ACT_SHOT);
	assert_true(env_conn(env, &from_client, &conn));
	assert_int_equal(nb_life_state(conn.life), want);
	assert_true(env_conn(env, &from_backend, &copy));
	if (strncmp(next, "--", 2))
		assert_int_equal(nb_life_state(copy.life), want);
	if (!strncmp(next, "**", 2))
		assert_false(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY);
}

static void test_every_cell(void **state)
{
	struct env *env = *state;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		for (int reply = 0; reply < 2; reply++)
			for (uint32_t old = 0; old < NB_TCP_STATES; old++)
				check_cell(env, &kinds[i], reply, old);
}

/* B9: a reset with a wrong sequence number, from either side, is translated and changes nothing. */
static void test_blind_reset(void **state)
{
	struct env *env = *state;
	struct nb_conn conn;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	for (int reply = 0; reply < 2; reply++) {
		struct packet reset = reply ? from_backend : from_client;

		put_state(env, NB_TCP_ESTABLISHED);
		reset.tcp_flags = RST;
		for (uint32_t i = 1; i < 1000; i++) {
			reset.seq = (reply ? from_backend.seq : from_client.seq) + 977 * i;
			env_run(env, FROM_POD, reply ? POD_B : POD_A, &reset, NULL, NULL);
		}
		assert_true(env_conn(env, &from_client, &conn));
		assert_int_equal(nb_life_state(conn.life), NB_TCP_ESTABLISHED);
		/* Nor does the connection seem to have data that is not acknowledged. */
		assert_int_equal((__u32)conn.seq, 101);
		reset.seq = reply ? from_backend.seq : from_client.seq;
		env_run(env, FROM_POD, reply ? POD_B : POD_A, &reset, NULL, NULL);
		assert_true(env_conn(env, &from_client, &conn));
		assert_int_equal(nb_life_state(conn.life), NB_TCP_CLOSE);
	}
}

/* A refused connection leaves no live entry. The reset is translated, and the next SYN begins anew. */
static void test_refused(void **state)
{
	struct env *env = *state;
	struct packet syn = from_client, reset = from_backend, received = from_backend;
	struct nb_conn conn;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	syn.tcp_flags = SYN;
	env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
	reset.tcp_flags = received.tcp_flags = RST | ACK;
	received.src = VIP;
	received.sport = 80;
	received.dmac = pod_mac[POD_A];
	env_expect(env, FROM_POD, POD_B, &reset, TC_ACT_REDIRECT, &received);
	assert_true(env_conn(env, &from_client, &conn));
	assert_true((int32_t)(nb_life_expires(conn.life) - env_now(env)) <= 1);
	env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
	assert_true(env_conn(env, &from_client, &conn));
	assert_int_equal(nb_life_state(conn.life), NB_TCP_SYN_SENT);
	assert_int_equal(env_conn_count(env), 1);
}

/* B10: a SYN on a closed connection chooses its backend anew, also where the old one is still eligible. */
static void test_chosen_anew(void **state)
{
	struct env *env = *state;
	struct packet syn = from_client;
	struct nb_conn conn;
	uint32_t first;

	syn.tcp_flags = SYN;
	env_service(env, "default/web", VIP ":80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:8080", "10.1.0.4:8080", NULL });
	env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
	assert_true(env_conn(env, &syn, &conn));
	first = conn.dst.w[3];
	for (int i = 0; i < 40; i++) {
		conn.life = nb_life_with(conn.life, NB_TCP_TIME_WAIT, NB_LIFE_SEEN_REPLY,
					 nb_life_expires(conn.life));
		env_conn_write(env, &syn, &conn);
		env_run(env, FROM_POD, POD_A, &syn, NULL, NULL);
		assert_true(env_conn(env, &syn, &conn));
		assert_int_equal(nb_life_state(conn.life), NB_TCP_SYN_SENT);
		if (conn.dst.w[3] != first)
			return;
	}
	fail_msg("forty choices, all the same");
}

/* B12: which segments may begin a connection to a frontend. */
static void test_mid_stream(void **state)
{
	static const struct {
		uint8_t flags;
		int verdict;
	} rows[] = {
		{ ACK, TC_ACT_REDIRECT },   { ACK | PSH, TC_ACT_REDIRECT }, { FIN | ACK, TC_ACT_SHOT },
		{ RST, TC_ACT_SHOT },       { SYN | ACK, TC_ACT_SHOT },     { 0, TC_ACT_SHOT },
		{ SYN | FIN, TC_ACT_SHOT }, { SYN, TC_ACT_REDIRECT },
	};
	struct env *env = *state;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP, (const char *[]){ "10.1.0.3:8080", NULL });
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct packet segment = from_client;

		segment.sport = 100 + i;
		segment.tcp_flags = rows[i].flags;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &segment, NULL, NULL), rows[i].verdict);
	}
	assert_int_equal(env_counter(env, NB_DROP_INVALID), 5);
}

/* B12: a connection whose entry was lost is picked up with the backend that it had. */
static void test_same_backend_again(void **state)
{
	struct env *env = *state;
	struct nb_error err = { 0 };

	env_service(
		env, "default/web", VIP ":80", IPPROTO_TCP,
		(const char *[]){ "10.1.0.3:8080", "10.1.0.3:8081", "10.1.0.3:8082", "10.1.0.4:8080", NULL });
	for (uint16_t port = 1000; port < 1100; port++) {
		struct packet segment = from_client;
		struct nb_conn before, after;

		segment.sport = port;
		segment.tcp_flags = SYN;
		env_run(env, FROM_POD, POD_A, &segment, NULL, NULL);
		assert_true(env_conn(env, &segment, &before));
		assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
		segment.tcp_flags = ACK;
		env_run(env, FROM_POD, POD_A, &segment, NULL, NULL);
		assert_true(env_conn(env, &segment, &after));
		assert_int_equal(before.dst.w[3], after.dst.w[3]);
		assert_int_equal(before.dport, after.dport);
	}
}

/* The same for an entry that has expired and is still there. */
static void test_same_backend_late(void **state)
{
	struct env *env = *state;

	env_service(env, "default/web", VIP ":80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.3:8080", "10.1.0.4:8080", NULL });
	for (uint16_t port = 1000; port < 1050; port++) {
		struct packet segment = from_client;
		struct nb_conn before, after;

		segment.sport = port;
		segment.tcp_flags = SYN;
		env_run(env, FROM_POD, POD_A, &segment, NULL, NULL);
		assert_true(env_conn(env, &segment, &before));
		env_advance(env, 130);
		segment.tcp_flags = ACK;
		env_run(env, FROM_POD, POD_A, &segment, NULL, NULL);
		assert_true(env_conn(env, &segment, &after));
		assert_int_equal(before.dst.w[3], after.dst.w[3]);
	}
}

int suite_tcp_state(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_every_cell),        ENV_TEST(test_blind_reset),
		ENV_TEST(test_refused),           ENV_TEST(test_mid_stream),
		ENV_TEST(test_chosen_anew),       ENV_TEST(test_same_backend_again),
		ENV_TEST(test_same_backend_late),
	};

	return cmocka_run_group_tests_name("tcp_state", tests, NULL, NULL);
}
