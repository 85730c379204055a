// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects that come and go, and the batches of frontends that follow: D1, D2, D5. */
#include "lib/json/json.h"
#include "lib/kube/table.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include "kube_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct nb_kube_table *table;
	char notes[KUBE_NOTES_MAX];
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));
	struct nb_kube_note note = { kube_add_note, fix->notes };

	fix->table = nb_kube_table_new(&note, "here", NULL);
	*state = fix;
	return !fix->table;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	nb_kube_table_free(&fix->table);
	free(fix);
	return 0;
}

static int call(struct fixture *fix, enum nb_kube_kind kind, const char *text, bool put, struct nb_error *err)
{
	static const struct nb_json_limits limits = { .depth = 32, .values = 10000 };
	struct cJSON *json = NULL;
	struct nb_json root;
	int rc;

	assert_int_equal(nb_json_parse(text, strlen(text), &limits, &json, err), 0);
	root = nb_json_root(json);
	rc = put ? nb_kube_table_put(fix->table, kind, &root, err)
		 : nb_kube_table_remove(fix->table, kind, &root, err);
	nb_json_free(&json);
	return rc;
}

/* spec: members in JSON. Without ports there is one, 80. */
static void service_text(char text[1024], const char *name, const char *spec)
{
	snprintf(text, 1024, "{\"metadata\": {\"name\": \"%s\", \"namespace\": \"n\"}, \"spec\": {%s%s}}",
		 name, spec, strstr(spec, "ports") ? "" : ", \"ports\": [{\"port\": 80}]");
}

static void put_service(struct fixture *fix, const char *name, const char *spec)
{
	struct nb_error err = { 0 };
	char text[1024];

	service_text(text, name, spec);
	if (call(fix, NB_KUBE_SERVICE, text, true, &err))
		fail_msg("%s", err.msg);
}

static void remove_service(struct fixture *fix, const char *name)
{
	char text[1024];

	service_text(text, name, "\"clusterIP\": \"\"");
	assert_int_equal(call(fix, NB_KUBE_SERVICE, text, false, NULL), 0);
}

/* endpoints: JSON objects. */
static void slice_text(char text[1024], const char *name, const char *service, const char *endpoints)
{
	snprintf(text, 1024,
		 "{\"metadata\": {\"name\": \"%s\", \"namespace\": \"n\", \"labels\": "
		 "{\"kubernetes.io/service-name\": "
		 "\"%s\"}, \"annotations\": {\"endpoints.kubernetes.io/last-change-trigger-time\": "
		 "\"2026-11-29T08:00:00.5Z\"}}, \"addressType\": \"IPv4\", \"ports\": [{\"port\": 8080}], "
		 "\"endpoints\": [%s]}",
		 name, service, endpoints);
}

#define AT(addr) "{\"addresses\": [\"" addr "\"]}"

static void put_slice(struct fixture *fix, const char *name, const char *service, const char *endpoints)
{
	struct nb_error err = { 0 };
	char text[1024];

	slice_text(text, name, service, endpoints);
	if (call(fix, NB_KUBE_SLICE, text, true, &err))
		fail_msg("%s", err.msg);
}

static void remove_slice(struct fixture *fix, const char *name, const char *service)
{
	char text[1024];

	slice_text(text, name, service, "");
	assert_int_equal(call(fix, NB_KUBE_SLICE, text, false, NULL), 0);
}

static void describe(const struct nb_kube_batch *batch, char text[4096])
{
	size_t used = 0;

	for (size_t i = 0; i < batch->names.n; i++)
		used += snprintf(text + used, 4096 - used, "%s%s", i ? " " : "", batch->names.items[i]);
	used += snprintf(text + used, 4096 - used, "\n");
	kube_format(&batch->services, text + used, 4096 - used);
}

/* Takes one batch: its names in a line, then its frontends. "": nothing is dirty. */
static void expect_batch(struct fixture *fix, const char *expected)
{
	struct nb_kube_batch batch = { 0 };
	char text[4096] = "";
	struct nb_error err = { 0 };

	if (nb_kube_table_n_dirty(fix->table)) {
		if (nb_kube_table_take(fix->table, 2, &batch, &err))
			fail_msg("%s", err.msg);
		describe(&batch, text);
		nb_kube_batch_free(&batch);
	}
	assert_string_equal(text, expected);
}

/* A Service without slices, slices without a Service, both, in any order. */
static void test_come_and_go(void **state)
{
	struct fixture *fix = *state;

	expect_batch(fix, "");
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP\n");
	expect_batch(fix, "");
	put_slice(fix, "a-1", "a", AT("10.244.0.2"));
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n");
	put_slice(fix, "a-2", "a", AT("10.244.0.3"));
	put_slice(fix, "b-1", "b", AT("10.244.0.4"));
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.0.3:8080\n");
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\"");
	remove_slice(fix, "a-1", "a");
	expect_batch(
		fix,
		"n/a n/b\nn/a - 10.96.0.1:80/TCP 10.244.0.3:8080\nn/b - 10.96.0.2:80/TCP 10.244.0.4:8080\n");
	remove_service(fix, "a");
	expect_batch(fix, "n/a\n");
	remove_slice(fix, "a-2", "a");
	remove_slice(fix, "a-2", "a");
	remove_service(fix, "never");
	expect_batch(fix, "n/a\n");
	expect_batch(fix, "");
}

/* The same again, or with what natbridge does not use, is no change. */
static void test_no_change(void **state)
{
	struct fixture *fix = *state;

	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	put_slice(fix, "a-1", "a", AT("10.244.0.2"));
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n");
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\", \"ipFamilyPolicy\": \"SingleStack\"");
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"hostname\": \"x\"}");
	expect_batch(fix, "");
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"here\"}");
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n");
}

/* A slice whose label changes goes from one Service to the other. */
static void test_slice_moves(void **state)
{
	struct fixture *fix = *state;

	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\"");
	put_slice(fix, "x", "a", AT("10.244.0.2"));
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080\nn/b - 10.96.0.2:80/TCP\n");
	put_slice(fix, "x", "b", AT("10.244.0.2"));
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP\nn/b - 10.96.0.2:80/TCP 10.244.0.2:8080\n");
	put_slice(fix, "x", "", AT("10.244.0.2"));
	expect_batch(fix, "n/b\nn/b - 10.96.0.2:80/TCP\n");
}

/* A set that is complete replaces what there was; one that breaks does nothing. */
static void test_sets(void **state)
{
	struct fixture *fix = *state;

	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\"");
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP\nn/b - 10.96.0.2:80/TCP\n");
	nb_kube_table_begin(fix->table, NB_KUBE_SERVICE);
	put_service(fix, "c", "\"clusterIP\": \"10.96.0.3\"");
	remove_service(fix, "b");
	expect_batch(fix, "");
	nb_kube_table_abort(fix->table, NB_KUBE_SERVICE);
	expect_batch(fix, "");
	nb_kube_table_begin(fix->table, NB_KUBE_SERVICE);
	put_service(fix, "c", "\"clusterIP\": \"10.96.0.3\"");
	put_service(fix, "d", "\"clusterIP\": \"10.96.0.4\"");
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	remove_service(fix, "d");
	assert_int_equal(nb_kube_table_end(fix->table, NB_KUBE_SERVICE, NULL), 0);
	expect_batch(fix, "n/b n/c\nn/c - 10.96.0.3:80/TCP\n");
	/* One that could not be read stays as it was. */
	nb_kube_table_begin(fix->table, NB_KUBE_SERVICE);
	put_service(fix, "c", "\"clusterIP\": \"10.96.0.3\"");
	assert_int_equal(nb_kube_table_keep(fix->table, NB_KUBE_SERVICE, "n/a", NULL), 0);
	assert_int_equal(nb_kube_table_end(fix->table, NB_KUBE_SERVICE, NULL), 0);
	expect_batch(fix, "");
	nb_kube_table_begin(fix->table, NB_KUBE_SERVICE);
	assert_int_equal(nb_kube_table_end(fix->table, NB_KUBE_SERVICE, NULL), 0);
	expect_batch(fix, "n/a n/c\n");
}

static void test_slice_sets(void **state)
{
	struct fixture *fix = *state;

	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	put_slice(fix, "a-1", "a", AT("10.244.0.2"));
	put_slice(fix, "a-2", "a", AT("10.244.0.3"));
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080 10.244.0.3:8080\n");
	nb_kube_table_begin(fix->table, NB_KUBE_SLICE);
	put_slice(fix, "a-3", "a", AT("10.244.0.4"));
	put_slice(fix, "a-2", "a", AT("10.244.0.3"));
	assert_int_equal(nb_kube_table_end(fix->table, NB_KUBE_SLICE, NULL), 0);
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.3:8080 10.244.0.4:8080\n");
}

/* D5: an object that cannot be used leaves the old one; a bad endpoint is left out alone. */
static void test_bad_objects(void **state)
{
	struct fixture *fix = *state;
	struct nb_error err = { 0 };
	char text[1024];

	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	put_slice(fix, "a-1", "a", AT("10.244.0.2"));
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.2:8080\n");
	service_text(text, "a", "\"clusterIP\": 5");
	assert_true(call(fix, NB_KUBE_SERVICE, text, true, &err) < 0);
	assert_int_equal(err.code, NB_ERR_CONFIG);
	assert_string_equal(err.msg, "Service n/a: \"spec.clusterIP\": is a number, not a string");
	expect_batch(fix, "");
	assert_string_equal(fix->notes, "");
	put_slice(fix, "a-1", "a", AT("127.0.0.1") ", " AT("10.244.0.3") ", " AT("224.0.0.1"));
	expect_batch(fix, "n/a\nn/a - 10.96.0.1:80/TCP 10.244.0.3:8080\n");
	assert_string_equal(
		fix->notes,
		"EndpointSlice n/a-1: \"endpoints[0].addresses[0]\": \"127.0.0.1\" is not an IPv4 address "
		"that an endpoint can have: skipped\n"
		"EndpointSlice n/a-1: \"endpoints[2].addresses[0]\": \"224.0.0.1\" is not an IPv4 address "
		"that an endpoint can have: skipped\n");
}

/* Whoever wins or loses an address is in the same batch, whatever is dirty besides. */
static void test_claims(void **state)
{
	struct fixture *fix = *state;

	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\", \"externalIPs\": [\"192.0.2.1\"]");
	expect_batch(fix, "n/b\nn/b - 10.96.0.2:80/TCP\nn/b - 192.0.2.1:80/TCP external\n");
	put_service(fix, "x", "\"clusterIP\": \"10.96.0.8\"");
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\", \"externalIPs\": [\"192.0.2.1\"]");
	put_service(fix, "y", "\"clusterIP\": \"10.96.0.9\"");
	expect_batch(fix, "n/a n/b n/x\nn/a - 10.96.0.1:80/TCP\nn/a - 192.0.2.1:80/TCP external\nn/b - "
			  "10.96.0.2:80/TCP\nn/x - 10.96.0.8:80/TCP\n");
	assert_string_equal(fix->notes,
			    "Service n/b: left out 192.0.2.1:80/TCP, which belongs to Service n/a\n");
	expect_batch(fix, "n/y\nn/y - 10.96.0.9:80/TCP\n");
	/* The winner lets go. */
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	expect_batch(
		fix,
		"n/a n/b\nn/a - 10.96.0.1:80/TCP\nn/b - 10.96.0.2:80/TCP\nn/b - 192.0.2.1:80/TCP external\n");
	/* A ClusterIP wins against an external address, whatever the names. */
	put_service(fix, "c", "\"clusterIP\": \"192.0.2.1\"");
	expect_batch(fix, "n/b n/c\nn/b - 10.96.0.2:80/TCP\nn/c - 192.0.2.1:80/TCP\n");
	remove_service(fix, "c");
	expect_batch(fix, "n/b n/c\nn/b - 10.96.0.2:80/TCP\nn/b - 192.0.2.1:80/TCP external\n");
	/* An address goes from one to the next, both dirty and far apart. */
	for (int i = 0; i < 10; i++) {
		char name[16], spec[64];

		snprintf(name, sizeof(name), "m%d", i);
		snprintf(spec, sizeof(spec), "\"clusterIP\": \"10.96.1.%d\"", i);
		put_service(fix, name, spec);
	}
	remove_service(fix, "b");
	put_service(fix, "z", "\"clusterIP\": \"10.96.0.2\"");
	for (int i = 0; i < 5; i++) {
		struct nb_kube_batch batch = { 0 };

		assert_int_equal(nb_kube_table_take(fix->table, 2, &batch, NULL), 0);
		assert_int_equal(batch.names.n, 2);
		nb_kube_batch_free(&batch);
	}
	expect_batch(fix, "n/b n/z\nn/z - 10.96.0.2:80/TCP\n");
}

/* A change of the node changes everything; listing takes nothing out. */
static void test_view_and_list(void **state)
{
	struct fixture *fix = *state;
	struct nb_kube_view view = { 0 };
	struct nb_kube_table_size size;
	struct nb_kube_batch batch = { 0 };
	struct nb_addr addr;
	char text[4096];

	assert_true(nb_addr_parse("192.168.0.1", &addr));
	put_service(fix, "a",
		    "\"clusterIP\": \"10.96.0.1\", \"ports\": [{\"port\": 80, \"nodePort\": 30081}]");
	put_slice(fix, "b-1", "b", AT("10.244.0.2"));
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP\n");
	put_service(fix, "c", "\"clusterIP\": \"10.96.0.3\"");
	expect_batch(fix, "n/c\nn/c - 10.96.0.3:80/TCP\n");
	view.node_addrs = &addr;
	view.n_node_addrs = 1;
	nb_kube_table_set_view(fix->table, &view);
	assert_int_equal(nb_kube_table_n_dirty(fix->table), 3);
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP\nn/a - 192.168.0.1:30081/TCP node\n");
	expect_batch(fix, "n/c\nn/c - 10.96.0.3:80/TCP\n");
	assert_int_equal(nb_kube_table_list(fix->table, "", 2, &batch, NULL), 0);
	describe(&batch, text);
	assert_string_equal(text, "n/a n/b\nn/a - 10.96.0.1:80/TCP\nn/a - 192.168.0.1:30081/TCP node\n");
	nb_kube_batch_free(&batch);
	assert_int_equal(nb_kube_table_list(fix->table, "n/b", 2, &batch, NULL), 0);
	describe(&batch, text);
	assert_string_equal(text, "n/c\nn/c - 10.96.0.3:80/TCP\n");
	nb_kube_batch_free(&batch);
	assert_int_equal(nb_kube_table_list(fix->table, "n/c", 2, &batch, NULL), 0);
	assert_int_equal(batch.names.n, 0);
	nb_kube_batch_free(&batch);
	nb_kube_table_count(fix->table, &size);
	assert_int_equal(size.services, 2);
	assert_int_equal(size.slices, 1);
	assert_int_equal(size.endpoints, 1);
	assert_true(nb_kube_table_has(fix->table, "n/a"));
	assert_false(nb_kube_table_has(fix->table, "n/b"));
}

static void expect_no_local(struct fixture *fix, enum nb_side side, size_t v4, size_t v6)
{
	struct nb_kube_batch batch = { 0 };
	struct nb_kube_table_size size;

	assert_int_equal(nb_kube_table_take(fix->table, 9, &batch, NULL), 0);
	nb_kube_batch_free(&batch);
	nb_kube_table_count(fix->table, &size);
	assert_int_equal(size.no_local[side][0], v4);
	assert_int_equal(size.no_local[side][1], v6);
}

/* By family, as the endpoints and the Service come and go. */
static void test_no_local_counts(void **state)
{
	static const char spec[] =
		"\"clusterIPs\": [\"10.96.0.1\", \"fd00:96::1\"], \"clusterIP\": \"10.96.0.1\", "
		"\"internalTrafficPolicy\": \"Local\"";
	struct fixture *fix = *state;

	put_service(fix, "a", spec);
	expect_no_local(fix, NB_SIDE_INSIDE, 0, 0);
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"there\"}");
	expect_no_local(fix, NB_SIDE_INSIDE, 1, 0);
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\"");
	expect_no_local(fix, NB_SIDE_INSIDE, 1, 0);
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"here\"}");
	expect_no_local(fix, NB_SIDE_INSIDE, 0, 0);
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"there\"}");
	expect_no_local(fix, NB_SIDE_INSIDE, 1, 0);
	remove_service(fix, "a");
	expect_no_local(fix, NB_SIDE_INSIDE, 0, 0);
}

/* A22: outside, each port counts once whatever its addresses are, and only while clients outside are served.
 */
static void test_no_local_outside(void **state)
{
	static const char spec[] =
		"\"clusterIPs\": [\"10.96.0.1\", \"fd00:96::1\"], \"clusterIP\": \"10.96.0.1\", "
		"\"externalTrafficPolicy\": \"Local\", \"externalIPs\": [\"192.0.2.1\", \"192.0.2.2\", "
		"\"2001:db8::1\"], \"ports\": [{\"port\": 80, \"nodePort\": 30080}, {\"port\": 81}, "
		"{\"port\": 82, \"name\": \"other\"}]";
	struct nb_kube_view view = { 0 };
	struct fixture *fix = *state;
	struct nb_addr addr;

	assert_true(nb_addr_parse("192.168.0.1", &addr));
	view.node_addrs = &addr;
	view.n_node_addrs = 1;
	put_service(fix, "a", spec);
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"there\"}");
	expect_no_local(fix, NB_SIDE_OUTSIDE, 0, 0);
	view.outside = true;
	nb_kube_table_set_view(fix->table, &view);
	expect_no_local(fix, NB_SIDE_OUTSIDE, 2, 0); /* ports 80 and 81: the slice's port has no name */
	expect_no_local(fix, NB_SIDE_INSIDE, 0, 0);
	put_slice(fix, "b-1", "b", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"there\"}");
	put_service(fix, "b",
		    "\"clusterIP\": \"10.96.0.2\", \"externalTrafficPolicy\": \"Local\", \"externalIPs\": "
		    "[\"192.0.2.3\"]");
	expect_no_local(fix, NB_SIDE_OUTSIDE, 3, 0);
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"here\"}");
	expect_no_local(fix, NB_SIDE_OUTSIDE, 1, 0);
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\", \"externalIPs\": [\"192.0.2.3\"]");
	expect_no_local(fix, NB_SIDE_OUTSIDE, 0, 0);
	put_slice(fix, "a-1", "a", "{\"addresses\": [\"10.244.0.2\"], \"nodeName\": \"there\"}");
	expect_no_local(fix, NB_SIDE_OUTSIDE, 2, 0);
	view.outside = false;
	nb_kube_table_set_view(fix->table, &view);
	expect_no_local(fix, NB_SIDE_OUTSIDE, 0, 0);
}

/* Who wins an address wins both sides of it, and who lost it gets both back. */
static void test_claims_outside(void **state)
{
	const struct nb_kube_view view = { .outside = true };
	struct fixture *fix = *state;

	nb_kube_table_set_view(fix->table, &view);
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\", \"externalIPs\": [\"192.0.2.1\"]");
	expect_batch(fix, "n/b\nn/b - 10.96.0.2:80/TCP\nn/b - 192.0.2.1:80/TCP external\nn/b - "
			  "192.0.2.1:80/TCP (outside) external\n");
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\", \"externalIPs\": [\"192.0.2.1\"]");
	expect_batch(fix, "n/a n/b\nn/a - 10.96.0.1:80/TCP\nn/a - 192.0.2.1:80/TCP external\nn/a - "
			  "192.0.2.1:80/TCP (outside) external\nn/b - 10.96.0.2:80/TCP\n");
	assert_string_equal(fix->notes,
			    "Service n/b: left out 192.0.2.1:80/TCP, which belongs to Service n/a\n");
	/* A ClusterIP has no side outside, and yet nobody else has it there. */
	put_service(fix, "a", "\"clusterIP\": \"192.0.2.1\"");
	expect_batch(fix, "n/a\nn/a - 192.0.2.1:80/TCP\n");
	remove_service(fix, "a");
	expect_batch(fix, "n/a n/b\nn/b - 10.96.0.2:80/TCP\nn/b - 192.0.2.1:80/TCP external\nn/b - "
			  "192.0.2.1:80/TCP (outside) external\n");
	put_service(fix, "b", "\"clusterIP\": \"10.96.0.2\"");
	expect_batch(fix, "n/b\nn/b - 10.96.0.2:80/TCP\n");
	put_service(fix, "c", "\"clusterIP\": \"10.96.0.3\", \"externalIPs\": [\"192.0.2.1\"]");
	expect_batch(fix, "n/c\nn/c - 10.96.0.3:80/TCP\nn/c - 192.0.2.1:80/TCP external\nn/c - "
			  "192.0.2.1:80/TCP (outside) external\n");
}

static void add_health(const struct nb_kube_health *health, void *arg)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s %u %zu\n", health->name, health->port, health->local);
}

static void expect_health(struct fixture *fix, const char *expected)
{
	char text[256] = "";

	nb_kube_table_health(fix->table, add_health, text);
	assert_string_equal(text, expected);
}

#define READY(addr) "{\"addresses\": [\"" addr "\"], \"nodeName\": \"here\"}"
#define ENDING(addr)                                                                                         \
	"{\"addresses\": [\"" addr "\"], \"nodeName\": \"here\", \"conditions\": {\"ready\": false, "        \
	"\"serving\": true, \"terminating\": true}}"

/* A24: only with type LoadBalancer and externalTrafficPolicy Local; ready endpoints of the node, each address
 * once. */
static void test_health(void **state)
{
	static const char balanced[] = "\"clusterIP\": \"10.96.0.1\", \"type\": \"LoadBalancer\", "
				       "\"externalTrafficPolicy\": \"Local\", \"healthCheckNodePort\": 32100";
	struct fixture *fix = *state;

	put_service(fix, "a", balanced);
	put_service(
		fix, "b",
		"\"clusterIP\": \"10.96.0.2\", \"type\": \"LoadBalancer\", \"healthCheckNodePort\": 32101");
	put_service(fix, "c",
		    "\"clusterIP\": \"10.96.0.3\", \"type\": \"NodePort\", \"externalTrafficPolicy\": "
		    "\"Local\", \"healthCheckNodePort\": 32102");
	expect_health(fix, "n/a 32100 0\n");
	put_slice(fix, "a-1", "a",
		  READY("10.244.0.2") "," READY("10.244.0.3") "," ENDING("10.244.0.4") "," AT("10.244.1.2"));
	put_slice(fix, "a-2", "a", READY("10.244.0.3") "," READY("10.244.0.5"));
	expect_health(fix, "n/a 32100 3\n");
	put_slice(fix, "a-1", "a", ENDING("10.244.0.2"));
	put_slice(fix, "a-2", "a", AT("10.244.1.2"));
	expect_health(fix, "n/a 32100 0\n");
	put_service(fix, "a",
		    "\"clusterIP\": \"10.96.0.1\", \"type\": \"LoadBalancer\", \"externalTrafficPolicy\": "
		    "\"Local\", \"healthCheckNodePort\": 32103");
	expect_health(fix, "n/a 32103 0\n");
	remove_service(fix, "a");
	expect_health(fix, "");
}

/* When a change was triggered is told once, in milliseconds. */
static void test_triggers(void **state)
{
	struct fixture *fix = *state;
	struct nb_kube_batch batch = { 0 };

	put_slice(fix, "a-1", "a", AT("10.244.0.2"));
	assert_int_equal(nb_kube_table_take(fix->table, 2, &batch, NULL), 0);
	assert_int_equal(batch.triggers.n, 1);
	assert_int_equal(batch.triggers.items[0], 1795939200500);
	nb_kube_batch_free(&batch);
	put_service(fix, "a", "\"clusterIP\": \"10.96.0.1\"");
	assert_int_equal(nb_kube_table_take(fix->table, 2, &batch, NULL), 0);
	assert_int_equal(batch.triggers.n, 0);
	nb_kube_batch_free(&batch);
}

#define TABLE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(test_come_and_go),      TABLE_TEST(test_no_change),
		TABLE_TEST(test_slice_moves),      TABLE_TEST(test_sets),
		TABLE_TEST(test_slice_sets),       TABLE_TEST(test_bad_objects),
		TABLE_TEST(test_claims),           TABLE_TEST(test_view_and_list),
		TABLE_TEST(test_triggers),         TABLE_TEST(test_no_local_counts),
		TABLE_TEST(test_no_local_outside), TABLE_TEST(test_claims_outside),
		TABLE_TEST(test_health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
