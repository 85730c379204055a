// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * C13: connections that are brought from one table into another while programs use both (migrate_conns.h).
 * Both tables have this map layout here; netns/handover.bats has two.
 */
#include "env.h"

#include "lib/datapath/load.h"
#include "lib/datapath/migrate_conns.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/settings.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <linux/pkt_cls.h>
#include <natbridge/conn_life.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "suites.h"

#define VIP    "10.96.0.10"
#define OTHER  "10.96.0.11"
#define CLIENT "10.1.0.2"
#define SERVER "10.1.0.3"

enum { PORT = 40000, TABLE = 1024 };

/* ---- two datapaths for the same pods ---- */

static void expect_done(int rc, const struct nb_error *err)
{
	if (rc)
		fail_msg("%s", err->msg);
}

static void services(struct env *env)
{
	static const char *const backend[] = { SERVER ":8080", NULL };

	env_service(env, "a/tcp", VIP ":80", IPPROTO_TCP, backend);
	env_service(env, "a/udp", VIP ":80", IPPROTO_UDP, backend);
	env_service(env, "a/other", OTHER ":80", IPPROTO_UDP, backend);
}

/* The pods come in another order, so that they have other slots. */
static void add_pods(struct env *env)
{
	for (int pod = PODS - 1; pod >= 0; pod--) {
		struct nb_endpoint_spec spec = { .container_id = pod_addr4[pod],
						 .ifname = "eth0",
						 .ifindex = env->ifindex[pod],
						 .n_addrs = 1 };
		struct nb_error err = { 0 };

		assert_true(nb_addr_parse(pod_addr4[pod], &spec.addrs[0].addr));
		assert_true(nb_mac_parse(pod_mac[pod], spec.mac));
		expect_done(nb_endpoint_add(&env->dp, &spec, &err), &err);
	}
}

/* A new datapath beside *old, with a table for TABLE connections. */
static struct env begin(struct env *old)
{
	const struct nb_datapath_config config = { .network = "test.net",
						   .mode = NB_MODE_EBPF,
						   .limits = { .connections = TABLE } };
	struct env new = *old;
	struct nb_settings settings;
	struct nb_error err = { 0 };

	new.dp = (struct nb_datapath)NB_DATAPATH_INIT;
	expect_done(nb_datapath_load(&config, &new.dp, &err), &err);
	expect_done(nb_settings_read(&new.dp, &settings, &err), &err);
	assert_true(nb_mac_parse(BRIDGE_MAC, settings.bridge_mac));
	expect_done(nb_settings_write(&new.dp, &settings, &err), &err);
	expect_done(nb_conn_table_open(&new.dp, &new.table, &err), &err);
	add_pods(&new);
	services(old);
	services(&new);
	return new;
}

static void end(struct env *new)
{
	env_expect_whole(new);
	nb_conn_table_close(&new->table);
	nb_datapath_close(&new->dp);
}

/* Returns how many connections found no place. */
static unsigned int bring(struct env *old, struct env *new, enum nb_conns_walk walk)
{
	struct nb_error err = { 0 };
	unsigned int lost = 0;

	expect_done(nb_migrate_conns(&old->dp, &new->dp, walk, &lost, &err), &err);
	return lost;
}

/* ---- packets ---- */

static struct packet asks(const char *vip, uint8_t proto, uint16_t port, uint8_t flags)
{
	return (struct packet){ .src = CLIENT,
				.dst = vip,
				.sport = port,
				.dport = 80,
				.proto = proto,
				.tcp_flags = flags,
				.seq = 100 };
}

static struct packet answers(uint8_t proto, uint16_t port, uint8_t flags)
{
	return (struct packet){ .src = SERVER,
				.dst = CLIENT,
				.sport = 8080,
				.dport = port,
				.proto = proto,
				.tcp_flags = flags,
				.seq = 900,
				.ack = 101 };
}

static void deliver(struct env *env, enum pod pod, struct packet packet)
{
	assert_int_equal(env_run(env, FROM_POD, pod, &packet, NULL, NULL), TC_ACT_REDIRECT);
}

/* A connection of TCP up to this state. */
static void connect_tcp(struct env *env, uint16_t port, enum nb_tcp_state state)
{
	deliver(env, POD_A, asks(VIP, IPPROTO_TCP, port, SYN));
	if (state >= NB_TCP_SYN_RECV)
		deliver(env, POD_B, answers(IPPROTO_TCP, port, SYN | ACK));
	if (state >= NB_TCP_ESTABLISHED)
		deliver(env, POD_A, asks(VIP, IPPROTO_TCP, port, ACK));
	if (state < NB_TCP_TIME_WAIT)
		return;
	deliver(env, POD_A, asks(VIP, IPPROTO_TCP, port, FIN | ACK));
	deliver(env, POD_B, answers(IPPROTO_TCP, port, FIN | ACK));
	deliver(env, POD_A, asks(VIP, IPPROTO_TCP, port, ACK));
}

/* The state of a client's connection; -1: there is none. */
static int state_of(struct env *env, const char *vip, uint8_t proto, uint16_t port)
{
	const struct packet packet = asks(vip, proto, port, 0);
	struct nb_conn conn;

	return env_conn(env, &packet, &conn) ? (int)nb_life_state(conn.life) : -1;
}

/* ---- what is brought ---- */

/* The new programs serve it in both directions, also where the pods have other slots. */
static void test_served(void **state)
{
	struct env *old = *state, new = begin(old);
	struct packet in = answers(IPPROTO_TCP, PORT, ACK), out = in;

	out.src = VIP;
	out.sport = 80;
	out.dmac = pod_mac[POD_A];
	connect_tcp(old, PORT, NB_TCP_ESTABLISHED);
	assert_int_equal(bring(old, &new, NB_CONNS_CHECK), 0);
	assert_int_equal(env_conn_count(&new), 0);
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	env_expect(&new, FROM_POD, POD_B, &in, TC_ACT_REDIRECT, &out);
	in = out = asks(VIP, IPPROTO_TCP, PORT, ACK);
	out.dst = SERVER;
	out.dport = 8080;
	out.dmac = pod_mac[POD_B];
	env_expect(&new, FROM_POD, POD_A, &in, TC_ACT_REDIRECT, &out);
	assert_int_equal(env_conn_count(&new), 1);
	end(&new);
}

static void test_closed(void **state)
{
	struct env *old = *state, new = begin(old);

	connect_tcp(old, PORT, NB_TCP_TIME_WAIT);
	connect_tcp(old, PORT + 1, NB_TCP_SYN_SENT);
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, PORT), -1);
	assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, PORT + 1), NB_TCP_SYN_SENT);
	assert_int_equal(bring(old, &new, NB_CONNS_ALL), 0);
	assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, PORT), NB_TCP_TIME_WAIT);
	env_advance(old, 3600);
	connect_tcp(old, PORT + 2, NB_TCP_SYN_SENT);
	assert_int_equal(bring(old, &new, NB_CONNS_ALL), 0);
	assert_int_equal(env_conn_count(&new), 3);
	end(&new);
}

/* ---- what the new table has already ---- */

/* A packet that was under way has changed the connection in the old table. */
static void test_catches_up(void **state)
{
	struct env *old = *state, new = begin(old);
	struct packet asked = asks(VIP, IPPROTO_UDP, PORT, 0);
	struct nb_conn conn;

	connect_tcp(old, PORT, NB_TCP_SYN_SENT);
	deliver(old, POD_A, asked);
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	deliver(old, POD_B, answers(IPPROTO_TCP, PORT, SYN | ACK));
	deliver(old, POD_B, answers(IPPROTO_UDP, PORT, 0));
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, PORT), NB_TCP_SYN_RECV);
	assert_true(env_conn(&new, &asked, &conn));
	assert_true(nb_life_flags(conn.life) & NB_LIFE_SEEN_REPLY);
	/* From then on it lives in the new one alone, and is ahead there. */
	deliver(&new, POD_A, asks(VIP, IPPROTO_TCP, PORT, ACK));
	assert_int_equal(bring(old, &new, NB_CONNS_ALL), 0);
	assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, PORT), NB_TCP_ESTABLISHED);
	assert_int_equal(env_conn_count(&new), 2);
	end(&new);
}

/* A connection that began in the new table is newer than the old one, whatever the old one's state. */
static void test_newer_stays(void **state)
{
	struct env *old = *state, new = begin(old);

	for (int i = 0; i < 2; i++)
		connect_tcp(old, (uint16_t)(PORT + i), i ? NB_TCP_ESTABLISHED : NB_TCP_TIME_WAIT);
	/* For so long that a comparison of the time at which they began says the opposite. */
	env_advance(old, 50);
	for (int i = 0; i < 2; i++)
		connect_tcp(&new, (uint16_t)(PORT + i), NB_TCP_SYN_SENT);
	assert_int_equal(bring(old, &new, NB_CONNS_ALL), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, (uint16_t)(PORT + i)), NB_TCP_SYN_SENT);
	assert_int_equal(env_conn_count(&new), 2);
	end(&new);
}

/* What has expired in the new table makes room: here another connection with the same reply tuple. */
static void test_expired_gives_way(void **state)
{
	struct env *old = *state, new = begin(old);

	deliver(old, POD_A, asks(VIP, IPPROTO_UDP, PORT, 0));
	deliver(&new, POD_A, asks(OTHER, IPPROTO_UDP, PORT, 0));
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 1);
	assert_int_equal(state_of(&new, VIP, IPPROTO_UDP, PORT), -1);
	env_advance(&new, 3600);
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	assert_int_equal(state_of(&new, VIP, IPPROTO_UDP, PORT), NB_TCP_NONE);
	assert_int_equal(env_conn_count(&new), 1);
	end(&new);
}

/* A process that was killed while it added the connection left an unfinished pair. */
static void test_half_added(void **state)
{
	struct env *old = *state, new = begin(old);
	struct nb_pair *pair = new.table.pairs;

	connect_tcp(old, PORT, NB_TCP_ESTABLISHED);
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	while (nb_life_use(pair->dir[0].conn.life) != NB_USE_TAKEN)
		pair++;
	pair->dir[0].conn.life = nb_life_with_use(pair->dir[0].conn.life, NB_USE_ADDING);
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	deliver(&new, POD_A, asks(VIP, IPPROTO_TCP, PORT, ACK));
	assert_int_equal(env_conn_count(&new), 1);
	end(&new);
}

/* ---- a full table ---- */

/* Half-open connections give way to those that were answered, wherever both are in the old table. */
static void test_full(void **state)
{
	enum { ANSWERED = 100, HALF_OPEN = TABLE };
	struct env *old = *state, new = begin(old);
	unsigned int kept = 0;

	for (int i = 0; i < HALF_OPEN; i++)
		connect_tcp(old, (uint16_t)(10000 + i), NB_TCP_SYN_SENT);
	for (int i = 0; i < ANSWERED; i++)
		connect_tcp(old, (uint16_t)(PORT + i), NB_TCP_ESTABLISHED);
	for (int i = 0; i < ANSWERED; i++)
		connect_tcp(&new, (uint16_t)(50000 + i), NB_TCP_SYN_SENT);
	assert_int_equal(bring(old, &new, NB_CONNS_ALL), 0);
	for (int i = 0; i < ANSWERED; i++)
		kept += state_of(&new, VIP, IPPROTO_TCP, (uint16_t)(PORT + i)) == NB_TCP_ESTABLISHED;
	assert_int_equal(kept, ANSWERED);
	assert_int_equal(env_conn_count(&new), TABLE);
	end(&new);
}

/* New connections evict none of the half-open ones that have just been entered one beside the other. */
static void test_place(void **state)
{
	enum { ENTERED = 400, NEW = 500 };
	struct env *old = *state, new = begin(old);

	for (int i = 0; i < ENTERED; i++)
		connect_tcp(old, (uint16_t)(PORT + i), NB_TCP_SYN_SENT);
	connect_tcp(&new, 10000, NB_TCP_SYN_SENT);
	env_advance(old, 2); /* until none counts as young */
	assert_int_equal(bring(old, &new, NB_CONNS_OPEN), 0);
	for (int i = 0; i < NEW; i++)
		connect_tcp(&new, (uint16_t)(10001 + i), NB_TCP_SYN_SENT);
	for (int i = 0; i < ENTERED; i++)
		assert_int_equal(state_of(&new, VIP, IPPROTO_TCP, (uint16_t)(PORT + i)), NB_TCP_SYN_SENT);
	end(&new);
}

int suite_migrate_conns(void)
{
	const struct CMUnitTest tests[] = {
		ENV_TEST(test_served),      ENV_TEST(test_closed),     ENV_TEST(test_catches_up),
		ENV_TEST(test_newer_stays), ENV_TEST(test_half_added), ENV_TEST(test_expired_gives_way),
		ENV_TEST(test_full),        ENV_TEST(test_place),
	};

	return cmocka_run_group_tests_name("migrate_conns", tests, NULL, NULL);
}
