// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What programs tell those who listen of connections (natbridge/event.h), what lib/monitor/conn_watch.c finds
 * besides, and that each end is told once.
 */
#include "env.h"

#include "lib/datapath/fd_array.h"
#include "lib/maps/endpoint.h"
#include "lib/monitor/conn_watch.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <natbridge/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "suites.h"

#define VIP "10.96.0.10"

enum {
	HEARD_MAX = 8192,
	INIT = 1, /* chunks of SCTP (RFC 9260, 3.2) */
	INIT_ACK = 2,
	ABORT = 6,
	ALL = 1 << NB_EVENT_DROP | 1 << NB_EVENT_BEGIN | 1 << NB_EVENT_END,
};

static const struct packet segment = { .src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80 };
static const struct packet answer = { .src = "10.1.0.3", .dst = "10.1.0.2", .sport = 8080, .dport = 40000 };
static const struct packet query = {
	.src = "10.1.0.2", .dst = VIP, .sport = 40000, .dport = 80, .proto = IPPROTO_UDP
};

/* One who listens. */
struct ear {
	int ring_fd;
	struct ring_buffer *ring;
	struct nb_event heard[HEARD_MAX];
	size_t n, read;
};

static struct ear ear;

static int hear(void *context, void *data, size_t size)
{
	struct nb_event *event = &ear.heard[ear.n];

	(void)context;
	assert_true(ear.n < HEARD_MAX);
	*event = (struct nb_event){ 0 };
	assert_true(size <= sizeof(*event));
	memcpy(event, data, size);
	assert_int_equal(size, nb_event_size(event->kind));
	ear.n++;
	return 0;
}

/* kinds: 1 << enum nb_event_kind. Ends with the datapath. */
static void listen_to(struct env *env, unsigned int kinds)
{
	struct nb_error err = { 0 };

	ear.n = ear.read = 0;
	ear.ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "nb_mon_test", 0, 0, NB_LISTENER_BYTES, NULL);
	assert_true(ear.ring_fd >= 0);
	ear.ring = ring_buffer__new(ear.ring_fd, hear, NULL, NULL);
	assert_non_null(ear.ring);
	for (unsigned int kind = 0; kind < NB_EVENT_KINDS; kind++)
		if (kinds & 1U << kind)
			assert_int_equal(nb_fd_array_set(&env->dp, NB_MAP_LISTENERS,
							 kind * NB_LISTENERS + NB_LISTENERS - 1, ear.ring_fd,
							 &err),
					 0);
}

static int tear_down(void **state)
{
	ring_buffer__free(ear.ring);
	if (ear.ring_fd > 0)
		close(ear.ring_fd);
	ear.ring = NULL;
	ear.ring_fd = 0;
	return env_teardown(state);
}

/* The next event; NULL: there is none. */
static const struct nb_event *next(void)
{
	if (ear.read == ear.n)
		ring_buffer__consume(ear.ring);
	return ear.read < ear.n ? &ear.heard[ear.read++] : NULL;
}

static void expect_nothing(void)
{
	assert_null(next());
}

/* Expects that the tuples of an event are those of pod A's client and, translated, of the backend. */
static void expect_tuples(const struct nb_event *event, uint16_t sport, const char *backend)
{
	const struct nb_addr client = env_addr("10.1.0.2"), vip = env_addr(VIP), to = env_addr(backend);

	assert_true(nb_addr_equal(&event->tuple.src, &client) && nb_addr_equal(&event->tuple.dst, &vip));
	assert_int_equal(event->tuple.sport, htons(sport));
	assert_int_equal(event->tuple.dport, htons(80));
	assert_true(nb_addr_equal(&event->translated.src, &client) &&
		    nb_addr_equal(&event->translated.dst, &to));
	assert_int_equal(event->translated.sport, htons(sport));
	assert_int_equal(event->translated.dport, htons(8080));
	assert_int_equal(event->translated.proto, event->tuple.proto);
}

static void expect_begin(struct env *env, uint16_t sport, const char *backend)
{
	const struct nb_event *event = next();

	assert_non_null(event);
	assert_int_equal(event->kind, NB_EVENT_BEGIN);
	assert_int_equal(event->ifindex, env->ifindex[POD_A]);
	expect_tuples(event, sport, backend);
}

static void expect_end(struct env *env, enum nb_end why, uint32_t tcp_state, uint16_t sport,
		       const char *backend)
{
	const struct nb_event *event = next();

	assert_non_null(event);
	assert_int_equal(event->kind, NB_EVENT_END);
	assert_int_equal(event->reason, why);
	assert_int_equal(event->ifindex, env->ifindex[POD_A]);
	assert_int_equal(nb_life_state(event->life), tcp_state);
	expect_tuples(event, sport, backend);
}

static void serve_at(struct env *env, uint8_t proto, const char *const *backends)
{
	env_service(env, "default/web", VIP ":80", proto, backends);
}

static void serve(struct env *env, uint8_t proto)
{
	serve_at(env, proto, (const char *[]){ "10.1.0.3:8080", NULL });
}

static void run_tcp(struct env *env, bool backend, uint16_t sport, uint8_t flags)
{
	struct packet packet = backend ? answer : segment;

	*(backend ? &packet.dport : &packet.sport) = sport;
	packet.tcp_flags = flags;
	assert_int_equal(env_run(env, FROM_POD, backend ? POD_B : POD_A, &packet, NULL, NULL),
			 TC_ACT_REDIRECT);
}

static void establish(struct env *env, uint16_t sport)
{
	run_tcp(env, false, sport, SYN);
	run_tcp(env, true, sport, SYN | ACK);
	run_tcp(env, false, sport, ACK);
}

/* ---- what packets do ---- */

/* Told when both sides have sent FIN, not again for late packets nor when its place is taken by another. */
static void test_fin(void **state)
{
	struct env *env = *state;

	serve(env, IPPROTO_TCP);
	listen_to(env, ALL);
	establish(env, 40000);
	expect_begin(env, 40000, "10.1.0.3");
	run_tcp(env, false, 40000, ACK);
	run_tcp(env, false, 40000, FIN | ACK);
	run_tcp(env, true, 40000, FIN | ACK);
	expect_nothing();
	run_tcp(env, false, 40000, ACK);
	expect_end(env, NB_END_CLOSED, NB_TCP_TIME_WAIT, 40000, "10.1.0.3");
	run_tcp(env, false, 40000, ACK);
	run_tcp(env, true, 40000, RST);
	expect_nothing();
	run_tcp(env, false, 40000, SYN);
	expect_begin(env, 40000, "10.1.0.3");
	expect_nothing();
}

static void test_reset(void **state)
{
	struct env *env = *state;

	serve(env, IPPROTO_TCP);
	listen_to(env, ALL);
	establish(env, 40000);
	expect_begin(env, 40000, "10.1.0.3");
	run_tcp(env, true, 40000, RST);
	expect_end(env, NB_END_CLOSED, NB_TCP_CLOSE, 40000, "10.1.0.3");
	/* Before any answer, it is over at once. */
	run_tcp(env, false, 40001, SYN);
	expect_begin(env, 40001, "10.1.0.3");
	run_tcp(env, true, 40001, RST | ACK);
	expect_end(env, NB_END_CLOSED, NB_TCP_SYN_SENT, 40001, "10.1.0.3");
	expect_nothing();
}

static void test_sctp(void **state)
{
	struct env *env = *state;
	struct packet packet = segment;

	serve(env, IPPROTO_SCTP);
	listen_to(env, ALL);
	packet.proto = IPPROTO_SCTP;
	packet.n_chunks = 1;
	packet.chunks[0] = INIT;
	packet.ack = 7;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT);
	expect_begin(env, 40000, "10.1.0.3");
	packet = answer;
	packet.proto = IPPROTO_SCTP;
	packet.n_chunks = 1;
	packet.chunks[0] = ABORT;
	packet.seq = 7;
	assert_int_equal(env_run(env, FROM_POD, POD_B, &packet, NULL, NULL), TC_ACT_REDIRECT);
	expect_end(env, NB_END_CLOSED, NB_SCTP_CLOSED, 40000, "10.1.0.3");
	expect_nothing();
}

/* A new connection with the tuple of one whose time is over: in its place, or with another backend. */
static void test_again(void **state)
{
	struct env *env = *state;

	serve(env, IPPROTO_UDP);
	listen_to(env, ALL);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_begin(env, 40000, "10.1.0.3");
	env_advance(env, 32);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_end(env, NB_END_EXPIRED, 0, 40000, "10.1.0.3");
	expect_begin(env, 40000, "10.1.0.3");
	/* The backend is not in the Service any more. */
	serve_at(env, IPPROTO_UDP, (const char *[]){ "10.1.0.4:8080", NULL });
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	expect_end(env, NB_END_GONE, 0, 40000, "10.1.0.3");
	expect_begin(env, 40000, "10.1.0.4");
	expect_nothing();
}

/* A drop for which the table has nothing any more; whether others want ends or not. */
static void expect_drop_backend_gone(struct env *env, bool ends)
{
	struct packet packet = segment;
	const struct nb_event *event;

	packet.tcp_flags = ACK;
	assert_int_equal(env_run(env, FROM_POD, POD_A, &packet, NULL, NULL), TC_ACT_REDIRECT); /* rejected */
	if (ends)
		expect_end(env, NB_END_GONE, NB_TCP_ESTABLISHED, 40000, "10.1.0.4");
	event = next();
	assert_non_null(event);
	assert_int_equal(event->kind, NB_EVENT_DROP);
	assert_int_equal(event->reason, NB_DROP_BACKEND_GONE);
	expect_tuples(event, 40000, "10.1.0.4");
	assert_int_equal(event->pair_id, 0);
	assert_int_equal(event->head_len, 54);
	/* The same packet once more belongs to no connection. */
	env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
	event = next();
	assert_non_null(event);
	assert_int_equal(event->kind, NB_EVENT_DROP);
	assert_int_not_equal(event->reason, NB_DROP_BACKEND_GONE);
	assert_int_equal(event->translated.proto, 0);
	expect_nothing();
}

static void lose_backend(struct env *env, unsigned int kinds)
{
	struct packet packet = segment;
	struct nb_error err = { 0 };

	serve_at(env, IPPROTO_TCP, (const char *[]){ "10.1.0.4:8080", NULL });
	packet.tcp_flags = SYN;
	env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
	packet = answer;
	packet.src = pod_addr4[POD_C];
	packet.tcp_flags = SYN | ACK;
	env_run(env, FROM_POD, POD_C, &packet, NULL, NULL);
	packet = segment;
	packet.tcp_flags = ACK;
	env_run(env, FROM_POD, POD_A, &packet, NULL, NULL);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_C], "eth0", &err), 0);
	serve_at(env, IPPROTO_TCP, (const char *[]){ NULL });
	listen_to(env, kinds);
}

static void test_drop_all(void **state)
{
	lose_backend(*state, ALL);
	expect_drop_backend_gone(*state, true);
}

static void test_drop_alone(void **state)
{
	lose_backend(*state, 1 << NB_EVENT_DROP);
	expect_drop_backend_gone(*state, false);
}

/* Each kind goes to those who want it. */
static void test_kinds(void **state)
{
	struct env *env = *state;

	serve(env, IPPROTO_TCP);
	listen_to(env, 1 << NB_EVENT_END);
	establish(env, 40000);
	expect_nothing();
	run_tcp(env, true, 40000, RST);
	expect_end(env, NB_END_CLOSED, NB_TCP_CLOSE, 40000, "10.1.0.3");
	expect_nothing();
}

/* ---- a full table ---- */

static unsigned int count(enum nb_event_kind kind, enum nb_end why)
{
	unsigned int n = 0;

	for (size_t i = 0; i < ear.n; i++)
		n += ear.heard[i].kind == kind && (kind != NB_EVENT_END || ear.heard[i].reason == why);
	return n;
}

/* As many ends as connections that gave way, or were over; as many begin as were entered. */
static void test_evicted(void **state)
{
	struct env *env = *state;
	const uint16_t n = 3000;

	serve(env, IPPROTO_TCP);
	listen_to(env, ALL);
	for (uint16_t i = 0; i < n; i++)
		run_tcp(env, false, 1024 + i, SYN);
	ring_buffer__consume(ear.ring);
	assert_int_equal(count(NB_EVENT_BEGIN, 0), n);
	assert_int_equal(count(NB_EVENT_END, NB_END_EVICTED), env_counter(env, NB_COUNT_EARLY_DROP));
	assert_int_equal(count(NB_EVENT_END, NB_END_EVICTED), n - 1024);
	env_advance(env, 200);
	for (uint16_t i = 0; i < 1024; i++)
		run_tcp(env, false, 10000 + i, SYN);
	ring_buffer__consume(ear.ring);
	assert_int_equal(count(NB_EVENT_END, NB_END_EXPIRED), 1024);
	assert_int_equal(env_counter(env, NB_COUNT_RECLAIMED), 1024);
	assert_int_equal(count(NB_EVENT_END, NB_END_EVICTED), n - 1024);
	assert_int_equal(env_counter(env, NB_COUNT_UNHEARD), 0);
}

/* ---- what a turn of the watch finds ---- */

static struct nb_event told[4];
static size_t n_told;

static int tell(struct nb_event *event, void *arg)
{
	(void)arg;
	assert_true(n_told < 4);
	told[n_told++] = *event;
	return 0;
}

static void turn(struct env *env, struct nb_conn_watch *watch, size_t expected)
{
	struct nb_error err = { 0 };

	n_told = 0;
	assert_int_equal(nb_conn_watch_turn(watch, &env->dp, tell, NULL, &err), 0);
	assert_int_equal(n_told, expected);
}

static struct nb_conn_watch *watch_begin(struct env *env)
{
	struct nb_conn_watch *watch = NULL;
	struct nb_error err = { 0 };

	assert_int_equal(nb_conn_watch_new(&env->dp, &env->table, &watch, &err), 0);
	return watch;
}

/* Time: told by the turn, and not again when a program takes the place. */
static void test_watch_expired(void **state)
{
	struct env *env = *state;
	struct nb_conn_watch *watch;
	const struct nb_event *event;

	serve(env, IPPROTO_UDP);
	listen_to(env, 1 << NB_EVENT_END);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	watch = watch_begin(env);
	turn(env, watch, 0);
	env_advance(env, 32);
	turn(env, watch, 1);
	assert_int_equal(told[0].reason, NB_END_EXPIRED);
	assert_int_equal(told[0].ifindex, env->ifindex[POD_A]);
	expect_tuples(&told[0], 40000, "10.1.0.3");
	turn(env, watch, 0);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	event = next();
	assert_non_null(event);
	assert_false(nb_conn_watch_note(watch, event));
	/* The same where a turn has seen the new connection before the event was read. */
	env_advance(env, 32);
	turn(env, watch, 1);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	turn(env, watch, 0);
	event = next();
	assert_non_null(event);
	assert_false(nb_conn_watch_note(watch, event));
	/* Where no turn has seen the end, the event counts, and the next turn adds none. */
	env_advance(env, 32);
	env_run(env, FROM_POD, POD_A, &query, NULL, NULL);
	event = next();
	assert_non_null(event);
	assert_true(nb_conn_watch_note(watch, event));
	assert_false(nb_conn_watch_note(watch, event));
	turn(env, watch, 0);
	nb_conn_watch_free(&watch);
}

/* What has left the table without an event is told by the second turn, since an event may be on its way. */
static void test_watch_flushed(void **state)
{
	struct env *env = *state;
	struct nb_conn_watch *watch;
	__u32 entry_id;
	struct nb_tuple key;

	serve(env, IPPROTO_TCP);
	listen_to(env, 1 << NB_EVENT_END);
	establish(env, 40000);
	establish(env, 40001);
	watch = watch_begin(env);
	key = (struct nb_tuple){ .src = env_addr("10.1.0.2"),
				 .dst = env_addr(VIP),
				 .sport = htons(40000),
				 .dport = htons(80),
				 .proto = IPPROTO_TCP };
	assert_non_null(nb_conn_table_find(&env->table, &key, &entry_id));
	assert_true(nb_conn_table_end(&env->table, entry_id / 2));
	turn(env, watch, 0);
	turn(env, watch, 1);
	assert_int_equal(told[0].reason, NB_END_FLUSHED);
	assert_int_equal(nb_life_state(told[0].life), NB_TCP_ESTABLISHED);
	expect_tuples(&told[0], 40000, "10.1.0.3");
	turn(env, watch, 0);
	/* Closed, of which the event was lost. */
	run_tcp(env, true, 40001, RST | ACK);
	expect_end(env, NB_END_CLOSED, NB_TCP_CLOSE, 40001, "10.1.0.3");
	turn(env, watch, 0);
	turn(env, watch, 1);
	assert_int_equal(told[0].reason, NB_END_CLOSED);
	turn(env, watch, 0);
	expect_nothing();
	nb_conn_watch_free(&watch);
}

static void test_watch_gone(void **state)
{
	struct env *env = *state;
	struct nb_conn_watch *watch;
	struct nb_error err = { 0 };

	serve(env, IPPROTO_TCP);
	listen_to(env, 1 << NB_EVENT_END);
	establish(env, 40000);
	watch = watch_begin(env);
	assert_int_equal(nb_endpoint_delete(&env->dp, pod_addr4[POD_B], "eth0", &err), 0);
	turn(env, watch, 1);
	assert_int_equal(told[0].reason, NB_END_GONE);
	turn(env, watch, 0);
	nb_conn_watch_free(&watch);
	/* What is over when the watch begins is not told. */
	watch = watch_begin(env);
	turn(env, watch, 0);
	nb_conn_watch_free(&watch);
}

/* The node's own table: its connections have no pod's port as their client. */
static void test_node_table(void **state)
{
	struct env *env = *state;
	const struct packet packet = {
		.src = "192.0.2.1", .dst = VIP, .sport = 40000, .dport = 80, .proto = IPPROTO_UDP
	};
	const struct nb_addr backend = env_addr("10.1.0.3");
	const struct nb_event *event;
	struct nb_conn_watch *watch;

	serve(env, IPPROTO_UDP);
	/* Without drops: the kernel sends multicast by nb0. */
	listen_to(env, ALL & ~(1U << NB_EVENT_DROP));
	watch = watch_begin(env);
	env_run(env, NB0_OUT, NB0, &packet, NULL, NULL);
	event = next();
	assert_non_null(event);
	assert_int_equal(event->kind, NB_EVENT_BEGIN);
	assert_int_equal(event->ifindex, 0);
	assert_true(nb_addr_equal(&event->translated.dst, &backend));
	assert_true(nb_conn_watch_note(watch, event));
	turn(env, watch, 0);
	env_advance(env, 32);
	turn(env, watch, 1);
	assert_int_equal(told[0].reason, NB_END_EXPIRED);
	assert_int_equal(told[0].ifindex, 0);
	expect_nothing();
	nb_conn_watch_free(&watch);
}

#define TELL_TEST(fn) cmocka_unit_test_setup_teardown(fn, env_setup_small, tear_down)

int suite_tell(void)
{
	const struct CMUnitTest tests[] = {
		TELL_TEST(test_fin),
		TELL_TEST(test_reset),
		TELL_TEST(test_sctp),
		TELL_TEST(test_again),
		TELL_TEST(test_drop_all),
		TELL_TEST(test_drop_alone),
		TELL_TEST(test_kinds),
		TELL_TEST(test_evicted),
		TELL_TEST(test_watch_expired),
		TELL_TEST(test_watch_flushed),
		TELL_TEST(test_watch_gone),
		cmocka_unit_test_setup_teardown(test_node_table, env_setup_node, tear_down),
	};

	return cmocka_run_group_tests_name("tell", tests, NULL, NULL);
}
