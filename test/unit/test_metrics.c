// SPDX-License-Identifier: GPL-2.0-or-later
/* D9: Prometheus' text format, and what the metrics say in it. */
#include "agent/families.h"
#include "agent/http_stats.h"
#include "agent/metrics.h"
#include "agent/watch.h"
#include "agent/web.h"
#include "lib/metrics/exposition.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_samples(void **state)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 };

	(void)state;
	nb_exposition_head(&text, "a_total", "What a is.", NB_METRIC_COUNTER);
	nb_exposition_count(&text, "a_total", NB_LABELS(), UINT64_MAX);
	nb_exposition_head(&text, "b", "B.", NB_METRIC_GAUGE);
	nb_exposition_value(&text, "b", NB_LABELS({ "x", "1" }, { "y", "" }), 0.25);
	nb_exposition_value(&text, "b", NB_LABELS({ "x", "2" }), 1764437073.123);
	assert_false(text.failed);
	assert_string_equal(text.buf, "# HELP a_total What a is.\n# TYPE a_total counter\n"
				      "a_total 18446744073709551615\n"
				      "# HELP b B.\n# TYPE b gauge\n"
				      "b{x=\"1\",y=\"\"} 0.25\n"
				      "b{x=\"2\"} 1764437073.123\n");
}

static void test_escaping(void **state)
{
	static const struct {
		const char *value, *escaped;
	} cases[] = {
		{ "plain", "plain" },
		{ "a\"b\\c\nd", "a\\\"b\\\\c\\nd" },
		{ "} 1\nevil 2", "} 1\\nevil 2" },
		{ "\xc3\xa4\xf0\x9f\x98\x80", "\xc3\xa4\xf0\x9f\x98\x80" },
		{ "\xff\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 }, expected = { 0 };

		nb_exposition_count(&text, "m", NB_LABELS({ "l", cases[i].value }), 1);
		nb_strbuf_append(&expected, "m{l=\"%s\"} 1\n", cases[i].escaped);
		assert_string_equal(text.buf, expected.buf);
	}
}

/* A label longer than a piece of struct nb_strbuf may be. */
static void test_long_label(void **state)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 };
	char value[2000];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	nb_exposition_count(&text, "m", NB_LABELS({ "l", value }), 1);
	assert_false(text.failed);
	assert_int_equal(text.len, strlen("m{l=\"\"} 1\n") + sizeof(value) - 1);
}

static void test_histogram(void **state)
{
	static const unsigned int bounds[] = { 1, 250, 1000, 60000 };
	static const uint64_t counts[] = { 1, 0, 2, 0, 3 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf text = { 0 };

	(void)state;
	nb_exposition_histogram(
		&text, "h", NB_LABELS({ "f", "4" }),
		&(struct nb_histogram){ .bounds = bounds, .n = 4, .counts = counts, .sum = 181.5 });
	assert_string_equal(text.buf, "h_bucket{f=\"4\",le=\"0.001\"} 1\nh_bucket{f=\"4\",le=\"0.25\"} 1\n"
				      "h_bucket{f=\"4\",le=\"1\"} 3\nh_bucket{f=\"4\",le=\"60\"} 3\n"
				      "h_bucket{f=\"4\",le=\"+Inf\"} 6\nh_sum{f=\"4\"} 181.5\n"
				      "h_count{f=\"4\"} 6\n");
}

static struct nb_metrics *metrics;

static int new_metrics(void **state)
{
	struct nb_error err = { 0 };

	(void)state;
	metrics = nb_metrics_new(&err);
	return metrics ? 0 : -1;
}

static int free_metrics(void **state)
{
	(void)state;
	nb_metrics_free(&metrics);
	return 0;
}

static void expect(const char *const lines[], bool present)
{
	struct nb_web_answer answer = { 0 };

	nb_metrics_answer(&answer, metrics);
	assert_false(answer.body.failed);
	assert_string_equal(answer.type, NB_EXPOSITION_TYPE);
	for (; *lines; lines++) {
		const char *at = strstr(answer.body.buf, *lines);

		if (!!at != present || (at && at != answer.body.buf && at[-1] != '\n'))
			fail_msg("%s%s\n%s", present ? "not there: " : "there: ", *lines, answer.body.buf);
	}
	nb_strbuf_free(&answer.body);
}

#define EXPECT(...)     expect((const char *const[]){ __VA_ARGS__, NULL }, true)
#define EXPECT_NOT(...) expect((const char *const[]){ __VA_ARGS__, NULL }, false)

#define SYNC    "kubeproxy_sync_proxy_rules_duration_seconds"
#define FULL    "kubeproxy_sync_full_proxy_rules_duration_seconds"
#define PARTIAL "kubeproxy_sync_partial_proxy_rules_duration_seconds"
#define PROGRAM "kubeproxy_network_programming_duration_seconds"
#define TIMES   "rest_client_request_duration_seconds"
#define RULES   "kubeproxy_sync_proxy_rules_"

static void test_syncs(void **state)
{
	(void)state;
	nb_metrics_synced(metrics,
			  &(struct nb_metrics_sync){
				  .families = NB_FAMILY_V4, .full = true, .ok = true, .seconds = 0.001 });
	nb_metrics_synced(metrics,
			  &(struct nb_metrics_sync){ .families = NB_FAMILY_BOTH, .ok = true, .seconds = 20 });
	EXPECT(SYNC "_bucket{ip_family=\"IPv4\",le=\"0.001\"} 1\n",
	       SYNC "_bucket{ip_family=\"IPv4\",le=\"16.384\"} 1\n", SYNC "_count{ip_family=\"IPv4\"} 2\n",
	       SYNC "_sum{ip_family=\"IPv4\"} 20.001\n", SYNC "_bucket{ip_family=\"IPv6\",le=\"16.384\"} 0\n",
	       SYNC "_bucket{ip_family=\"IPv6\",le=\"+Inf\"} 1\n", FULL "_count{ip_family=\"IPv4\"} 1\n",
	       FULL "_count{ip_family=\"IPv6\"} 0\n", PARTIAL "_count{ip_family=\"IPv4\"} 1\n",
	       PARTIAL "_count{ip_family=\"IPv6\"} 1\n");
}

static void test_programmed(void **state)
{
	(void)state;
	nb_metrics_programmed(metrics, NB_FAMILY_V6, -5);
	nb_metrics_programmed(metrics, NB_FAMILY_V6, 250);
	nb_metrics_programmed(metrics, NB_FAMILY_V6, 251);
	nb_metrics_programmed(metrics, NB_FAMILY_V6, 299999);
	nb_metrics_programmed(metrics, NB_FAMILY_V6, 300001);
	EXPECT(PROGRAM "_bucket{ip_family=\"IPv6\",le=\"0.25\"} 2\n",
	       PROGRAM "_bucket{ip_family=\"IPv6\",le=\"0.5\"} 3\n",
	       PROGRAM "_bucket{ip_family=\"IPv6\",le=\"59\"} 3\n",
	       PROGRAM "_bucket{ip_family=\"IPv6\",le=\"115\"} 3\n",
	       PROGRAM "_bucket{ip_family=\"IPv6\",le=\"270\"} 3\n",
	       PROGRAM "_bucket{ip_family=\"IPv6\",le=\"300\"} 4\n",
	       PROGRAM "_bucket{ip_family=\"IPv6\",le=\"+Inf\"} 5\n",
	       PROGRAM "_count{ip_family=\"IPv4\"} 0\n");
}

/* What was not written stays pending. */
static void test_changes(void **state)
{
	struct nb_metrics_sync sync = { .families = NB_FAMILY_BOTH };

	(void)state;
	EXPECT(RULES "last_timestamp_seconds{ip_family=\"IPv4\"} 0\n");
	nb_metrics_changed(metrics, NB_METRICS_SERVICE);
	nb_metrics_changed(metrics, NB_METRICS_ENDPOINTS);
	nb_metrics_changed(metrics, NB_METRICS_ENDPOINTS);
	nb_metrics_queued(metrics, NB_FAMILY_V4);
	nb_metrics_synced(metrics, &sync);
	EXPECT(RULES "service_changes_pending 1\n", RULES "endpoint_changes_pending 2\n",
	       RULES "last_timestamp_seconds{ip_family=\"IPv4\"} 0\n",
	       RULES "last_queued_timestamp_seconds{ip_family=\"IPv6\"} 0\n");
	sync.ok = true;
	nb_metrics_synced(metrics, &sync);
	nb_metrics_changed(metrics, NB_METRICS_ENDPOINTS);
	EXPECT(RULES "service_changes_pending 0\n", RULES "service_changes_total 1\n",
	       RULES "endpoint_changes_pending 1\n", RULES "endpoint_changes_total 3\n");
	EXPECT_NOT(RULES "last_timestamp_seconds{ip_family=\"IPv4\"} 0\n",
		   RULES "last_queued_timestamp_seconds{ip_family=\"IPv4\"} 0\n");
}

static void test_networks(void **state)
{
	(void)state;
	nb_metrics_written(metrics, "one", true);
	nb_metrics_written(metrics, "two", false);
	nb_metrics_written(metrics, "two", false);
	EXPECT("natbridge_table_writes_total{network=\"one\"} 1\n",
	       "natbridge_table_write_failures_total{network=\"one\"} 0\n",
	       "natbridge_table_write_failures_total{network=\"two\"} 2\n");
	nb_metrics_forget_network(metrics, "one");
	nb_metrics_forget_network(metrics, "none");
	EXPECT_NOT("natbridge_table_writes_total{network=\"one\"}");
	EXPECT("natbridge_table_write_failures_total{network=\"two\"} 2\n");
}

static void test_gauges(void **state)
{
	(void)state;
	nb_metrics_set(metrics, NB_GAUGE_SERVICES, 10000);
	nb_metrics_set(metrics, NB_GAUGE_ENDPOINTS, 7);
	nb_metrics_set(metrics, NB_GAUGE_NO_LOCAL_INTERNAL, 4);
	nb_metrics_set(metrics, NB_GAUGE_NO_LOCAL_EXTERNAL_V6, 3);
	nb_metrics_probed(metrics, NB_METRICS_HEALTHZ, true);
	nb_metrics_probed(metrics, NB_METRICS_LIVEZ, false);
	EXPECT("natbridge_services 10000\n", "natbridge_endpoints 7\n",
	       RULES "no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"internal\"} 4\n",
	       RULES "no_local_endpoints_total{ip_family=\"IPv4\",traffic_policy=\"external\"} 0\n",
	       RULES "no_local_endpoints_total{ip_family=\"IPv6\",traffic_policy=\"external\"} 3\n",
	       RULES "no_local_endpoints_total{ip_family=\"IPv6\",traffic_policy=\"internal\"} 0\n",
	       "kubeproxy_proxy_healthz_total{code=\"200\"} 1\n",
	       "kubeproxy_proxy_healthz_total{code=\"503\"} 0\n",
	       "kubeproxy_proxy_livez_total{code=\"503\"} 1\n");
}

static void test_client(void **state)
{
	static struct nb_http_stats requests;
	static const struct nb_watch_stats watch = {
		.synced = true, .requests = 4, .bad = 2, .failures = 1, .last_event_ms = 1764437073123
	};
	struct nb_error err = { 0 };

	(void)state;
	nb_http_stats_head(&requests, "10.0.0.1:6443", 100);
	nb_http_stats_end(&requests, "10.0.0.1:6443", 200);
	nb_http_stats_end(&requests, "10.0.0.1:6443", 0);
	nb_http_stats_clock(&requests, "10.0.0.1:6443", 1000, 1060);
	nb_metrics_requests(metrics, &requests);
	assert_int_equal(nb_metrics_watch(metrics, "services", &watch, &err), 0);
	EXPECT("rest_client_requests_total{code=\"200\",host=\"10.0.0.1:6443\",method=\"GET\"} 1\n",
	       "rest_client_requests_total{code=\"<error>\",host=\"10.0.0.1:6443\",method=\"GET\"} 1\n");
	EXPECT(TIMES "_bucket{verb=\"GET\",host=\"10.0.0.1:6443\",le=\"0.1\"} 1\n",
	       TIMES "_sum{verb=\"GET\",host=\"10.0.0.1:6443\"} 0.1\n");
	EXPECT("natbridge_api_clock_offset_seconds{host=\"10.0.0.1:6443\"} -60\n");
	EXPECT("natbridge_api_watch_synced{resource=\"services\"} 1\n",
	       "natbridge_api_watch_up{resource=\"services\"} 0\n",
	       "natbridge_api_watch_restarts_total{resource=\"services\"} 4\n",
	       "natbridge_api_watch_skipped_objects_total{resource=\"services\"} 2\n",
	       "natbridge_api_watch_last_event_timestamp_seconds{resource=\"services\"} 1764437073.123\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_long_label),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test_setup_teardown(test_syncs, new_metrics, free_metrics),
		cmocka_unit_test_setup_teardown(test_programmed, new_metrics, free_metrics),
		cmocka_unit_test_setup_teardown(test_changes, new_metrics, free_metrics),
		cmocka_unit_test_setup_teardown(test_networks, new_metrics, free_metrics),
		cmocka_unit_test_setup_teardown(test_gauges, new_metrics, free_metrics),
		cmocka_unit_test_setup_teardown(test_client, new_metrics, free_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
