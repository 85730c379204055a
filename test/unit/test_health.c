// SPDX-License-Identifier: GPL-2.0-or-later
/* D8: /healthz, /livez and /readyz, codes and JSON, under clocks that the test sets. */
#include "agent/families.h"
#include "agent/health.h"
#include "agent/log.h"
#include "agent/metrics.h"
#include "agent/tables.h"
#include "agent/watch.h"
#include "agent/web.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 2025-11-29T17:24:33.123Z */
#define EPOCH_MS 1764437073123
#define NOW      "2025-11-29T17:24:33.123Z"
#define ZERO     "0001-01-01T00:00:00Z"

static int64_t monotonic_ms, realtime_ms;
static struct nb_metrics *metrics;
static struct nb_health *health;

static int64_t monotonic(void)
{
	return monotonic_ms;
}

static int64_t realtime(void)
{
	return realtime_ms;
}

static void pass(int64_t ms)
{
	monotonic_ms += ms;
	realtime_ms += ms;
}

static int begin(void **state)
{
	static const struct nb_health_clock clock = { .monotonic = monotonic, .realtime = realtime };
	struct nb_error err = { 0 };

	(void)state;
	monotonic_ms = 5000;
	realtime_ms = EPOCH_MS;
	metrics = nb_metrics_new(&err);
	health = nb_health_new(metrics, &clock, &err);
	return health ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	nb_health_free(&health);
	nb_metrics_free(&metrics);
	return 0;
}

typedef void (*probe_fn)(struct nb_web_answer *answer, void *arg);

static void expect_answer(probe_fn probe, unsigned int code, const char *text)
{
	struct nb_web_answer answer = { 0 };

	probe(&answer, health);
	assert_int_equal(answer.code, code);
	assert_string_equal(answer.type, "application/json");
	assert_string_equal(answer.body.buf, text);
	nb_strbuf_free(&answer.body);
}

static void expect_codes(unsigned int healthz, unsigned int livez)
{
	struct nb_web_answer answers[2] = { 0 };

	nb_health_healthz(&answers[0], health);
	nb_health_livez(&answers[1], health);
	assert_int_equal(answers[0].code, healthz);
	assert_int_equal(answers[1].code, livez);
	nb_strbuf_free(&answers[0].body);
	nb_strbuf_free(&answers[1].body);
}

static void expect_readyz(unsigned int code)
{
	struct nb_web_answer answer = { 0 };

	nb_health_readyz(&answer, health);
	assert_int_equal(answer.code, code);
	nb_strbuf_free(&answer.body);
}

/* Healthy, however long the first write takes; a family is named from its first write on. */
static void test_start(void **state)
{
	(void)state;
	expect_answer(
		nb_health_healthz, 200,
		"{\"lastUpdated\":\"" NOW "\",\"currentTime\":\"" NOW
		"\",\"nodeEligible\":true,\"healthy\":true,\"status\":{},\"natbridge\":{\"watches\":{}}}");
	nb_health_queued(health, NB_FAMILY_BOTH);
	pass(3600000);
	expect_codes(200, 200);
	nb_health_written(health, NB_FAMILY_V4);
	expect_answer(
		nb_health_livez, 200,
		"{\"lastUpdated\":\"2025-11-29T18:24:33.123Z\",\"currentTime\":\"2025-11-29T18:24:33.123Z\","
		"\"healthy\":true,\"status\":{\"IPv4\":{\"lastUpdated\":\"2025-11-29T18:24:33.123Z\","
		"\"healthy\":true}},\"natbridge\":{\"watches\":{}}}");
}

/* 60 s from the oldest change that waits; one family suffices. */
static void test_late(void **state)
{
	(void)state;
	nb_health_written(health, NB_FAMILY_BOTH);
	nb_health_queued(health, NB_FAMILY_V6);
	pass(30000);
	nb_health_queued(health, NB_FAMILY_BOTH);
	pass(29999);
	expect_codes(200, 200);
	pass(1);
	expect_answer(nb_health_healthz, 503,
		      "{\"lastUpdated\":\"" NOW "\",\"currentTime\":\"2025-11-29T17:25:33.123Z\","
		      "\"nodeEligible\":true,\"healthy\":false,\"status\":{\"IPv4\":{\"lastUpdated\":\"" NOW
		      "\",\"healthy\":true},\"IPv6\":{\"lastUpdated\":\"" NOW "\",\"healthy\":false}},"
		      "\"natbridge\":{\"watches\":{}}}");
	expect_codes(503, 503);
	nb_health_written(health, NB_FAMILY_V6);
	expect_codes(200, 200);
	pass(30000);
	expect_codes(503, 503);
	nb_health_written(health, NB_FAMILY_V4);
	pass(3600000);
	expect_codes(200, 200);
}

/* Not before the first write of both families; then as /livez, whatever the Node is. */
static void test_ready(void **state)
{
	(void)state;
	expect_readyz(503);
	nb_health_written(health, NB_FAMILY_V4);
	expect_readyz(503);
	nb_health_written(health, NB_FAMILY_BOTH);
	nb_health_node(health, false);
	expect_answer(nb_health_readyz, 200,
		      "{\"lastUpdated\":\"" NOW "\",\"currentTime\":\"" NOW
		      "\",\"healthy\":true,\"status\":{\"IPv4\":{\"lastUpdated\":\"" NOW
		      "\",\"healthy\":true},\"IPv6\":{\"lastUpdated\":\"" NOW
		      "\",\"healthy\":true}},\"natbridge\":{\"watches\":{}}}");
	nb_health_detached(health, "veth1");
	expect_readyz(503);
	nb_health_detached(health, NULL);
	nb_health_queued(health, NB_FAMILY_V4);
	pass(60000);
	expect_readyz(503);
}

/* A step of the realtime clock makes nothing late. */
static void test_clock_step(void **state)
{
	(void)state;
	nb_health_written(health, NB_FAMILY_BOTH);
	nb_health_queued(health, NB_FAMILY_BOTH);
	realtime_ms += 3600000;
	expect_codes(200, 200);
	realtime_ms -= 7200000;
	monotonic_ms += 60000;
	expect_codes(503, 503);
}

static void test_node(void **state)
{
	(void)state;
	nb_health_written(health, NB_FAMILY_V4);
	nb_health_node(health, true);
	expect_codes(200, 200);
	nb_health_node(health, false);
	expect_codes(503, 200);
	nb_health_node(health, true);
	expect_codes(200, 200);
}

static void test_detached(void **state)
{
	(void)state;
	nb_health_detached(health, NULL);
	expect_codes(200, 200);
	nb_health_detached(health, "veth\"1\": no program at ingress");
	expect_answer(nb_health_livez, 503,
		      "{\"lastUpdated\":\"" ZERO "\",\"currentTime\":\"" NOW
		      "\",\"healthy\":false,\"status\":{},\"natbridge\":{\"detached\":\"veth\\\"1\\\": no "
		      "program at "
		      "ingress\",\"watches\":{}}}");
	expect_codes(503, 503);
	nb_health_detached(health, NULL);
	expect_codes(200, 200);
}

/* What could not be written is told, and does not end the health: the other tables serve. */
static void test_not_written(void **state)
{
	struct nb_table good = { .name = (char *)"net" };
	struct nb_table bad = { .name = (char *)"a\"b", .has_failed = true, .why = { .msg = "too many" } };
	struct nb_table *all[] = { &bad, &good };
	const struct nb_tables tables = { .all = { .items = all, .n = 2 } };

	(void)state;
	nb_health_tables(health, &tables);
	expect_answer(nb_health_livez, 200,
		      "{\"lastUpdated\":\"" NOW "\",\"currentTime\":\"" NOW
		      "\",\"healthy\":true,\"status\":{},\"natbridge\":{\"notWritten\":{\"a\\\"b\":\"too "
		      "many\"},\"watches\":{}}}");
	bad.has_failed = false;
	expect_answer(nb_health_livez, 200,
		      "{\"lastUpdated\":\"" NOW "\",\"currentTime\":\"" NOW
		      "\",\"healthy\":true,\"status\":{},\"natbridge\":{\"watches\":{}}}");
}

/* Each change of what is detached is one line of the log. */
static void test_log(void **state)
{
	static const char *const changes[] = { "a", "a", "b", NULL, NULL, "a" };
	const int real_stderr = dup(STDERR_FILENO);
	size_t lines = 0;
	char text[4096];
	int ends[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		nb_health_detached(health, changes[i]);
	dup2(real_stderr, STDERR_FILENO);
	n = read(ends[0], text, sizeof(text));
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	close(real_stderr);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(lines, 4);
}

static void test_watches(void **state)
{
	static struct nb_watch_stats services = { .synced = true, .up = true, .bad = 2 }, nodes;
	struct nb_error err = { 0 };

	(void)state;
	assert_int_equal(nb_health_watch(health, "services", &services, &err), 0);
	assert_int_equal(nb_health_watch(health, "nodes", &nodes, &err), 0);
	expect_answer(
		nb_health_livez, 200,
		"{\"lastUpdated\":\"" NOW "\",\"currentTime\":\"" NOW
		"\",\"healthy\":true,\"status\":{},\"natbridge\":{\"watches\":{\"services\":{\"synced\":true,"
		"\"up\":true,\"skippedObjects\":2},\"nodes\":{\"synced\":false,\"up\":false,"
		"\"skippedObjects\":0}}}}");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_start),      TEST(test_late),    TEST(test_ready),
		TEST(test_clock_step), TEST(test_node),    TEST(test_detached),
		TEST(test_log),        TEST(test_watches), TEST(test_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
