// SPDX-License-Identifier: GPL-2.0-or-later
/* SCTP (A26): translation with its checksum, states and timeouts, tags, fragments, ICMP errors. */
#include "env.h"

#include "lib/maps/conntrack.h"
#include "lib/maps/tick.h"
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

/* Types of chunks (RFC 9260, 3.2). */
enum {
	DATA = 0,
	INIT = 1,
	INIT_ACK = 2,
	SACK = 3,
	HEARTBEAT = 4,
	HEARTBEAT_ACK = 5,
	ABORT = 6,
	SHUTDOWN = 7,
	SHUTDOWN_ACK = 8,
	ERROR = 9,
	COOKIE_ECHO = 10,
	COOKIE_ACK = 11,
	SHUTDOWN_COMPLETE = 14,
};

enum { CLIENTS_TAG = 0x11223344, BACKENDS_TAG = 0x55667788 };

static const char *const vips[] = { "10.96.0.10", "fd00:96::10" };
static const char *const far[] = { "10.9.0.9", "fd00:9::9" };

/* Port 80: to 8080 of pod B; port 90: the same number; port 70: to 7070 of a backend elsewhere. */
static void serve(struct env *env)
{
	static const struct {
		const char *name, *vip, *backend;
	} services[] = {
		{ "default/web", "10.96.0.10:80", "10.1.0.3:8080" },
		{ "default/web6", "[fd00:96::10]:80", "[fd00:1::3]:8080" },
		{ "default/same", "10.96.0.10:90", "10.1.0.3:90" },
		{ "default/same6", "[fd00:96::10]:90", "[fd00:1::3]:90" },
		{ "default/far", "10.96.0.10:70", "10.9.0.9:7070" },
		{ "default/far6", "[fd00:96::10]:70", "[fd00:9::9]:7070" },
		{ "default/none", "10.96.0.10:60", NULL },
		{ "default/none6", "[fd00:96::10]:60", NULL },
	};

	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++)
		env_service(env, services[i].name, services[i].vip, IPPROTO_SCTP,
			    (const char *[]){ services[i].backend, NULL });
}

/* A packet with one chunk: of the client to the VIP, or of pod B's port to the client. */
static struct packet packet_of(int v6, bool reply, uint8_t chunk)
{
	struct packet packet = { .src = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A],
				 .dst = vips[v6],
				 .sport = 40000,
				 .dport = 80,
				 .proto = IPPROTO_SCTP,
				 .seq = chunk == INIT ? 0 : BACKENDS_TAG,
				 .ack = CLIENTS_TAG,
				 .chunks = { chunk },
				 .n_chunks = 1,
				 .payload =
					 chunk == DATA || chunk == COOKIE_ECHO ? "some odd payload" : NULL };

	if (!reply)
		return packet;
	packet.src = v6 ? pod_addr6[POD_B] : pod_addr4[POD_B];
	packet.dst = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A];
	packet.sport = 8080;
	packet.dport = 40000;
	packet.seq = chunk == INIT ? 0 : CLIENTS_TAG;
	packet.ack = BACKENDS_TAG;
	return packet;
}

/* The same as its receiver sees it. */
static struct packet received(const struct packet *packet, int v6, uint16_t backend_port)
{
	struct packet out = *packet;

	if (!strcmp(packet->dst, vips[v6])) {
		out.dst = v6 ? pod_addr6[POD_B] : pod_addr4[POD_B];
		out.dport = backend_port;
		out.dmac = pod_mac[POD_B];
	} else {
		out.src = vips[v6];
		out.sport = packet->sport == 8080 ? 80 : packet->sport;
		out.dmac = pod_mac[POD_A];
	}
	return out;
}

static void expect_translated(struct env *env, const struct packet *in, int v6, uint16_t backend_port)
{
	struct packet out = received(in, v6, backend_port);

	env_expect(env, FROM_POD, strcmp(in->dst, vips[v6]) ? POD_B : POD_A, in, TC_ACT_REDIRECT, &out);
}

/* An association from INIT to its end, each packet compared with one whose checksum is computed anew. */
static void test_association(void **state)
{
	static const struct {
		bool reply;
		uint8_t chunk;
		uint32_t after;
	} steps[] = {
		{ false, INIT, NB_SCTP_NONE },
		{ false, INIT, NB_SCTP_NONE },
		{ true, INIT_ACK, NB_SCTP_COOKIE_WAIT },
		{ false, COOKIE_ECHO, NB_SCTP_COOKIE_ECHOED },
		{ true, COOKIE_ACK, NB_SCTP_ESTABLISHED },
		{ false, DATA, NB_SCTP_ESTABLISHED },
		{ true, SACK, NB_SCTP_ESTABLISHED },
		{ true, HEARTBEAT, NB_SCTP_ESTABLISHED },
		{ false, HEARTBEAT_ACK, NB_SCTP_ESTABLISHED },
		{ false, SHUTDOWN, NB_SCTP_SHUTDOWN_SENT },
		{ true, DATA, NB_SCTP_SHUTDOWN_SENT },
		{ true, SHUTDOWN_ACK, NB_SCTP_SHUTDOWN_ACK_SENT },
		{ false, SHUTDOWN_COMPLETE, NB_SCTP_CLOSED },
	};
	struct env *env = *state;
	struct nb_conn conn;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
			struct packet packet = packet_of(v6, steps[i].reply, steps[i].chunk);

			print_message("# IPv%d, step %zu\n", v6 ? 6 : 4, i);
			expect_translated(env, &packet, v6, 8080);
			packet = packet_of(v6, false, DATA);
			assert_true(env_conn(env, &packet, &conn));
			assert_int_equal(nb_life_state(conn.life), steps[i].after);
		}
	assert_int_equal(env_conn_count(env), 2);
	env_expect_whole(env);
}

/* Lengths of all kinds, the same port on both sides, wrong checksums, and none at all (B17). */
static void test_checksum(void **state)
{
	static char payload[1400];
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet packet = packet_of(v6, false, INIT);

		expect_translated(env, &packet, v6, 8080);
		packet.dport = 90;
		expect_translated(env, &packet, v6, 90);
		packet.payload = payload;
		for (size_t len = 0; len < sizeof(payload); len += len < 70 ? 1 : 61) {
			memset(payload, 'x', len);
			payload[len] = '\0';
			packet = packet_of(v6, false, DATA);
			packet.payload = payload;
			packet.bad_csum = len % 3 == 1;
			packet.no_csum = len % 7 == 1;
			packet.ip_options = len % 5 == 1 ? 1 : 0;
			expect_translated(env, &packet, v6, 8080);
			packet.dport = 90;
			expect_translated(env, &packet, v6, 90);
			packet = packet_of(v6, true, DATA);
			packet.payload = payload;
			packet.bad_csum = len % 3 == 1;
			expect_translated(env, &packet, v6, 0);
		}
	}
}

/* Through the host: answers are translated where they enter the client's pod. */
static void test_via_host(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet asked = packet_of(v6, false, INIT), routed, answer, answered;

		asked.dport = 70;
		routed = asked;
		routed.dst = far[v6];
		routed.dport = 7070;
		routed.dmac = BRIDGE_MAC;
		env_expect(env, FROM_POD, POD_A, &asked, TC_ACT_UNSPEC, &routed);
		answer = packet_of(v6, true, INIT_ACK);
		answer.src = far[v6];
		answer.sport = 7070;
		answered = answer;
		answered.src = vips[v6];
		answered.sport = 70;
		env_expect(env, TO_POD, POD_A, &answer, TC_ACT_UNSPEC, &answered);
	}
}

/*
 * sctp_conntracks[direction][chunk] of nf_conntrack_proto_sctp.c: the new state for each old one. Its
 * CLOSED is NO, where an association begins, or CL. "**": the connection begins anew.
 */
static const struct row {
	const char *name;
	uint8_t type;
	const char *next[2];
} rows[] = {
	/*                NO CW CE ES SS SR SA CL */
	{ "INIT", INIT, { "NO CW CE ES NO NO SA **", "NO CW CE ES SS SR SA CL" } },
	{ "INIT ACK", INIT_ACK, { "NO CW CE ES SS SR SA CL", "CW CW CE ES SS SR SA CL" } },
	{ "ABORT", ABORT, { "CL CL CL CL CL CL CL CL", "CL CL CL CL CL CL CL CL" } },
	{ "SHUTDOWN", SHUTDOWN, { "NO CW CE SS SS SR SA CL", "NO CW CE SR SS SR SA CL" } },
	{ "SHUTDOWN ACK", SHUTDOWN_ACK, { "NO CW CE ES SA SA SA CL", "NO CW CE ES SA SA SA CL" } },
	{ "ERROR", ERROR, { "NO CW CE ES SS SR SA CL", "NO CW CL ES SS SR SA CL" } },
	{ "COOKIE ECHO", COOKIE_ECHO, { "NO CE CE ES SS SR SA CL", "NO CE CE ES SS SR SA CL" } },
	{ "COOKIE ACK", COOKIE_ACK, { "NO CW ES ES SS SR SA CL", "NO CW ES ES SS SR SA CL" } },
	{ "SHUTDOWN COMPLETE", SHUTDOWN_COMPLETE, { "NO CW CE ES SS SR CL CL", "NO CW CE ES SS SR CL CL" } },
	{ "HEARTBEAT", HEARTBEAT, { "NO CW CE ES SS SR SA CL", "NO CW CE ES SS SR SA CL" } },
	{ "HEARTBEAT ACK", HEARTBEAT_ACK, { "NO CW CE ES SS SR SA CL", "NO CW CE ES SS SR SA CL" } },
	{ "DATA", DATA, { "NO CW CE ES SS SR SA CL", "NO CW CE ES SS SR SA CL" } },
	{ "SACK", SACK, { "NO CW CE ES SS SR SA CL", "NO CW CE ES SS SR SA CL" } },
};

/* In the order of the columns above, with their timeouts in seconds. */
static const struct {
	char name[3];
	uint32_t state;
	uint32_t seconds;
} states[] = {
	{ "NO", NB_SCTP_NONE, 10 },
	{ "CW", NB_SCTP_COOKIE_WAIT, 3 },
	{ "CE", NB_SCTP_COOKIE_ECHOED, 3 },
	{ "ES", NB_SCTP_ESTABLISHED, 210 },
	{ "SS", NB_SCTP_SHUTDOWN_SENT, 3 },
	{ "SR", NB_SCTP_SHUTDOWN_RECD, 3 },
	{ "SA", NB_SCTP_SHUTDOWN_ACK_SENT, 3 },
	{ "CL", NB_SCTP_CLOSED, 10 },
};

static const char columns[] = "NO CW CE ES SS SR SA CL";

static size_t state_named(const char *name)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strncmp(states[i].name, name, 2))
			return i;
	fail_msg("no state %.2s", name);
	return 0;
}

/* Makes an answered association in this state, of which both tags are known and which ends soon. */
static void put_state(struct env *env, uint32_t sctp_state)
{
	const struct packet init = packet_of(0, false, INIT), init_ack = packet_of(0, true, INIT_ACK);
	struct nb_error err = { 0 };
	struct nb_conn conn;

	assert_int_equal(nb_conntrack_flush(&env->dp, NULL, &err), 0);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &init, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_run(env, FROM_POD, POD_B, &init_ack, NULL, NULL), TC_ACT_REDIRECT);
	assert_true(env_conn(env, &init, &conn));
	conn.life = nb_life_with(conn.life, sctp_state, NB_LIFE_SEEN_REPLY, env_now(env) + 2);
	env_conn_write(env, &init, &conn);
	assert_true(env_conn(env, &init_ack, &conn));
	conn.life = nb_life_with(conn.life, sctp_state, NB_LIFE_SEEN_REPLY, env_now(env) + 2);
	env_conn_write(env, &init_ack, &conn);
}

static void check_cell(struct env *env, const struct row *row, bool reply, size_t column)
{
	struct packet packet = packet_of(0, reply, row->type);
	const char *next = row->next[reply] + 3 * column;
	bool anew = !strncmp(next, "**", 2);
	size_t old = state_named(columns + 3 * column), want = state_named(anew ? "NO" : next);
	struct nb_conn conn, copy;
	uint32_t left;

	print_message("# %s %s in %s\n", reply ? "backend's" : "client's", row->name, states[old].name);
	put_state(env, states[old].state);
	assert_int_equal(env_run(env, FROM_POD, reply ? POD_B : POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
	packet = packet_of(0, false, DATA);
	assert_true(env_conn(env, &packet, &conn));
	packet = packet_of(0, true, DATA);
	assert_true(env_conn(env, &packet, &copy));
	assert_int_equal(nb_life_state(conn.life), states[want].state);
	assert_true(conn.life == copy.life);
	assert_int_equal(!!(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY), !anew);
	assert_int_equal(!!(nb_life_flags(conn.life) & NB_LIFE_ASSURED),
			 states[want].state == NB_SCTP_ESTABLISHED);
	left = nb_life_expires(conn.life) - env_now(env);
	if (row->type == INIT && old == want && states[old].seconds == 10)
		assert_in_range(left, 0, 2); /* INIT alone keeps nothing alive */
	else
		assert_in_range(left, nb_ticks_from_seconds(states[want].seconds),
				nb_ticks_from_seconds(states[want].seconds + 1) + 3);
}

static void test_every_cell(void **state)
{
	struct env *env = *state;

	serve(env);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int reply = 0; reply < 2; reply++)
			for (size_t column = 0; column < sizeof(columns) / 3; column++)
				check_cell(env, &rows[i], reply, column);
}

/* Several chunks in one packet: each one counts. */
static void test_bundles(void **state)
{
	static const struct {
		uint8_t chunks[4], n;
		uint32_t from, to;
	} bundles[] = {
		{ { SACK, SHUTDOWN }, 2, NB_SCTP_ESTABLISHED, NB_SCTP_SHUTDOWN_SENT },
		{ { HEARTBEAT_ACK, SACK, ERROR, ABORT }, 4, NB_SCTP_ESTABLISHED, NB_SCTP_CLOSED },
		{ { COOKIE_ECHO, DATA }, 2, NB_SCTP_COOKIE_WAIT, NB_SCTP_COOKIE_ECHOED },
		{ { COOKIE_ACK, SHUTDOWN }, 2, NB_SCTP_COOKIE_ECHOED, NB_SCTP_SHUTDOWN_SENT },
		{ { DATA, ABORT },
		  2,
		  NB_SCTP_ESTABLISHED,
		  NB_SCTP_ESTABLISHED }, /* not as RFC 9260 wants it */
	};
	struct env *env = *state;
	struct nb_conn conn;

	serve(env);
	for (size_t i = 0; i < sizeof(bundles) / sizeof(*bundles); i++) {
		struct packet packet = packet_of(0, false, SACK);

		put_state(env, bundles[i].from);
		memcpy(packet.chunks, bundles[i].chunks, sizeof(packet.chunks));
		packet.n_chunks = bundles[i].n;
		expect_translated(env, &packet, 0, 8080);
		assert_true(env_conn(env, &packet, &conn));
		assert_int_equal(nb_life_state(conn.life), bundles[i].to);
	}
}

/* B9: who does not know the tag changes nothing. A reflected tag counts where the flag T says so. */
static void test_tags(void **state)
{
	static const struct {
		uint8_t chunk;
		bool reply, t;
		uint32_t tag;
		bool closes;
	} tags[] = {
		{ ABORT, false, false, BACKENDS_TAG, true }, { ABORT, false, false, BACKENDS_TAG + 1, false },
		{ ABORT, false, false, CLIENTS_TAG, false }, { ABORT, false, true, CLIENTS_TAG, true },
		{ ABORT, false, true, BACKENDS_TAG, false }, { ABORT, true, false, CLIENTS_TAG, true },
		{ ABORT, true, false, BACKENDS_TAG, false }, { ABORT, true, true, BACKENDS_TAG, true },
		{ ABORT, true, true, CLIENTS_TAG, false },
	};
	struct env *env = *state;
	struct nb_conn conn;

	serve(env);
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		struct packet packet = packet_of(0, tags[i].reply, tags[i].chunk);

		put_state(env, NB_SCTP_ESTABLISHED);
		packet.seq = tags[i].tag;
		packet.chunk_t = tags[i].t;
		expect_translated(env, &packet, 0, 8080);
		packet = packet_of(0, false, DATA);
		assert_true(env_conn(env, &packet, &conn));
		assert_int_equal(nb_life_state(conn.life),
				 tags[i].closes ? NB_SCTP_CLOSED : NB_SCTP_ESTABLISHED);
	}
}

/* A client that restarts names another tag; so may one who forges its INIT. Both tags are right then. */
static void test_restart(void **state)
{
	struct env *env = *state;
	struct packet init = packet_of(0, false, INIT), answer = packet_of(0, true, SHUTDOWN);
	struct nb_conn conn;

	serve(env);
	for (int i = 0; i < 3; i++) {
		put_state(env, NB_SCTP_ESTABLISHED);
		init.ack = 0xabcdef;
		expect_translated(env, &init, 0, 8080);
		answer.seq = i == 0 ? CLIENTS_TAG : i == 1 ? 0xabcdef : 0xabcdee;
		expect_translated(env, &answer, 0, 0);
		assert_true(env_conn(env, &init, &conn));
		assert_int_equal(nb_life_state(conn.life),
				 i < 2 ? NB_SCTP_SHUTDOWN_RECD : NB_SCTP_ESTABLISHED);
	}
}

/* B12: INIT alone begins an association. */
static void test_begin(void **state)
{
	static const uint8_t others[] = {
		DATA,     INIT_ACK,     SACK,        HEARTBEAT,  ABORT,
		SHUTDOWN, SHUTDOWN_ACK, COOKIE_ECHO, COOKIE_ACK, SHUTDOWN_COMPLETE
	};
	struct env *env = *state;
	struct packet packet;

	serve(env);
	for (size_t i = 0; i < sizeof(others); i++) {
		packet = packet_of(0, false, others[i]);
		assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_SHOT);
	}
	assert_int_equal(env_counter(env, NB_DROP_INVALID), sizeof(others));
	assert_int_equal(env_conn_count(env), 0);
	/* An answer without its request, and a direct association, of which only INIT is tracked. */
	packet = packet_of(0, true, DATA);
	env_expect_untouched(env, FROM_POD, POD_B, &packet);
	packet = packet_of(0, false, DATA);
	packet.dst = pod_addr4[POD_B];
	packet.dport = 8080;
	env_expect_untouched(env, FROM_POD, POD_A, &packet);
	assert_int_equal(env_conn_count(env), 0);
	packet.chunks[0] = INIT;
	packet.seq = 0;
	packet.payload = NULL;
	env_expect_untouched(env, FROM_POD, POD_A, &packet);
	assert_int_equal(env_conn_count(env), 1);
}

/* B5: a client has one port for a Service and directly for its backend. */
static void test_clash(void **state)
{
	struct env *env = *state;
	struct packet direct = packet_of(0, false, INIT), init = direct, answer;
	uint8_t frame[FRAME_MAX];
	struct nb_conn conn;
	size_t len;

	serve(env);
	direct.dst = pod_addr4[POD_B];
	direct.dport = 8080;
	env_expect_untouched(env, FROM_POD, POD_A, &direct);
	assert_int_equal(env_run(env, FROM_POD, POD_A, &init, frame, &len), TC_ACT_REDIRECT);
	assert_true(env_conn(env, &init, &conn));
	assert_int_not_equal(ntohs(conn.sport), 40000);
	answer = packet_of(0, true, INIT_ACK);
	answer.dport = ntohs(conn.sport);
	init = answer;
	init.src = vips[0];
	init.sport = 80;
	init.dport = 40000;
	init.dmac = pod_mac[POD_A];
	env_expect(env, FROM_POD, POD_B, &answer, TC_ACT_REDIRECT, &init);
}

/* A5, A6: port unreachable, as kube-proxy has it. */
static void test_rejected(void **state)
{
	static const uint16_t ports[] = { 60 /* no backend */, 61 /* no such port */ };
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++)
		for (int i = 0; i < 2; i++) {
			struct packet in = packet_of(v6, false, INIT), out = { 0 };

			in.dport = ports[i];
			in.smac = pod_mac[POD_A];
			out.src = v6 ? GATEWAY6 : GATEWAY4;
			out.dst = in.src;
			out.smac = BRIDGE_MAC;
			out.dmac = pod_mac[POD_A];
			out.proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
			out.icmp_type = v6 ? 1 : 3;
			out.icmp_code = v6 ? 4 : 3;
			out.tos = v6 ? 0 : 0xc0;
			out.quoted = &in;
			out.quoted_len = 500;
			env_expect(env, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
		}
	assert_int_equal(env_counter(env, NB_DROP_NO_BACKEND), 2);
	assert_int_equal(env_counter(env, NB_DROP_NO_SERVICE), 2);
	assert_int_equal(env_conn_count(env), 0);
}

/* Chunks that cannot be: to a VIP they are dropped, elsewhere they pass. */
static void test_malformed(void **state)
{
	static const struct {
		uint8_t chunks[4], n;
		uint32_t tag;
	} bad[] = {
		{ { INIT }, 1, 1 },       /* with a tag */
		{ { INIT, DATA }, 2, 0 }, /* not alone */
		{ { SACK, INIT_ACK }, 2, 1 },
		{ { SHUTDOWN_COMPLETE, SACK }, 2, 1 },
		{ { SACK, COOKIE_ECHO }, 2, 1 }, /* not first */
	};
	struct env *env = *state;
	struct packet packet;
	uint8_t frame[FRAME_MAX], out[FRAME_MAX + 256];
	size_t len, out_len;

	serve(env);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		packet = packet_of(0, false, SACK);
		memcpy(packet.chunks, bad[i].chunks, sizeof(packet.chunks));
		packet.n_chunks = bad[i].n;
		packet.seq = bad[i].tag;
		assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_SHOT);
		packet.dst = pod_addr4[POD_B];
		packet.dport = 8080;
		env_expect_untouched(env, FROM_POD, POD_A, &packet);
	}
	assert_int_equal(env_counter(env, NB_DROP_UNPARSED), 5);
	/* A chunk without a length; a header without a chunk; half a header. */
	packet = packet_of(0, false, SACK);
	len = packet_build(&packet, frame);
	frame[14 + 20 + 12 + 3] = 0;
	assert_int_equal(env_run_frame(env, FROM_POD, POD_A, frame, len, out, &out_len), TC_ACT_SHOT);
	frame[14 + 3] = 20 + 12;
	assert_int_equal(env_run_frame(env, FROM_POD, POD_A, frame, len, out, &out_len), TC_ACT_SHOT);
	frame[14 + 3] = 20 + 6;
	assert_int_equal(env_run_frame(env, FROM_POD, POD_A, frame, len, out, &out_len), TC_ACT_SHOT);
	assert_int_equal(env_counter(env, NB_DROP_UNPARSED), 8);
	assert_int_equal(env_conn_count(env), 0);
}

/* B16: the checksum of a fragmented datagram can only stay as it is. */
static void test_fragments(void **state)
{
	static const uint16_t from[] = { 0, 40 };
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet init = packet_of(v6, false, INIT), packet, out;

		init.dport = 90;
		expect_translated(env, &init, v6, 90);
		packet = packet_of(v6, false, DATA);
		packet.payload = "a message that takes more than one fragment, though not many more than two";
		packet.id = 77;
		packet.dport = 90;
		out = received(&packet, v6, 90);
		for (int i = 0; i < 2; i++) {
			packet.slice_from = out.slice_from = from[i];
			packet.slice_len = out.slice_len = 40;
			env_expect(env, FROM_POD, POD_A, &packet, TC_ACT_REDIRECT, &out);
		}
		init.dport = 80;
		expect_translated(env, &init, v6, 8080);
		packet.dport = 80;
		packet.id = 78;
		for (int i = 0; i < 2; i++) {
			packet.slice_from = from[i];
			assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_SHOT);
		}
	}
	assert_int_equal(env_counter(env, NB_DROP_FRAGMENT), 4);
}

/* B15: an error about a translated packet. The quote's checksum stays. */
static void test_icmp(void **state)
{
	struct env *env = *state;

	serve(env);
	for (int v6 = 0; v6 < 2; v6++) {
		struct packet sent = packet_of(v6, false, INIT), seen = received(&sent, v6, 8080), error,
			      told;

		expect_translated(env, &sent, v6, 8080);
		error = (struct packet){ .src = v6 ? pod_addr6[POD_B] : pod_addr4[POD_B],
					 .dst = v6 ? pod_addr6[POD_A] : pod_addr4[POD_A],
					 .proto = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
					 .icmp_type = v6 ? 1 : 3,
					 .icmp_code = v6 ? 4 : 3,
					 .quoted = &seen };
		told = error;
		told.src = vips[v6];
		told.dmac = pod_mac[POD_A];
		told.quoted = &sent;
		env_expect(env, FROM_POD, POD_B, &error, TC_ACT_REDIRECT, &told);
	}
	assert_int_equal(env_counter(env, NB_COUNT_RELATED), 2);
}

/* A10, A11: as with TCP, an association goes on while its backend's pod exists. */
static void test_backend_removed(void **state)
{
	struct env *env = *state;
	struct packet packet = packet_of(0, false, INIT);

	serve(env);
	expect_translated(env, &packet, 0, 8080);
	env_service(env, "default/web", "10.96.0.10:80", IPPROTO_SCTP,
		    (const char *[]){ "10.1.0.4:8080", NULL });
	packet = packet_of(0, false, COOKIE_ECHO);
	expect_translated(env, &packet, 0, 8080);
	env_services_clear(env);
	packet = packet_of(0, false, DATA);
	expect_translated(env, &packet, 0, 8080);
}

/* A27: one number with three protocols. SCTP to a Service of TCP alone is rejected. */
static void test_three_protocols(void **state)
{
	struct env *env = *state;
	struct packet packet = packet_of(0, false, INIT);

	env_service(env, "default/tcp", "10.96.0.10:80", IPPROTO_TCP,
		    (const char *[]){ "10.1.0.4:8080", NULL });
	assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
	assert_int_equal(env_counter(env, NB_DROP_NO_SERVICE), 1);
	env_service(env, "default/udp", "10.96.0.10:80", IPPROTO_UDP,
		    (const char *[]){ "10.1.0.4:8080", NULL });
	env_service(env, "default/sctp", "10.96.0.10:80", IPPROTO_SCTP,
		    (const char *[]){ "10.1.0.3:8080", NULL });
	expect_translated(env, &packet, 0, 8080);
}

/* What concerns no Service is not looked at, whatever its chunks are. */
static void test_untouched(void **state)
{
	struct env *env = *state;
	struct packet packet = packet_of(0, false, INIT);

	serve(env);
	packet.dst = pod_addr4[POD_C];
	packet.dport = 4711;
	packet.sport = 4712;
	env_expect_untouched(env, FROM_POD, POD_A, &packet);
	packet.seq = 1;
	env_expect_untouched(env, FROM_POD, POD_A, &packet);
	env_expect_untouched(env, TO_POD, POD_C, &packet);
	packet = packet_of(0, false, INIT);
	packet.vlan = 5;
	env_expect_untouched(env, FROM_POD, POD_A, &packet);
	assert_int_equal(env_conn_count(env), 0);
}

int suite_sctp(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_association), ENV_TEST(test_checksum),        ENV_TEST(test_via_host),
		ENV_TEST(test_every_cell),  ENV_TEST(test_bundles),         ENV_TEST(test_tags),
		ENV_TEST(test_restart),     ENV_TEST(test_begin),           ENV_TEST(test_clash),
		ENV_TEST(test_rejected),    ENV_TEST(test_malformed),       ENV_TEST(test_fragments),
		ENV_TEST(test_icmp),        ENV_TEST(test_backend_removed), ENV_TEST(test_three_protocols),
		ENV_TEST(test_untouched),
	};

	return cmocka_run_group_tests_name("sctp", tests, NULL, NULL);
}
