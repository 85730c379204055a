// SPDX-License-Identifier: GPL-2.0-or-later
/* Results: each spec version's JSON to the plain struct and back, and hostile JSON refused. */
#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "plugin/result.h"
#include "plugin/result_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct nb_json_limits LIMITS = { .depth = 64, .values = 10000 };

/* Takes JSON with ' for ". */
static int read_result(const char *json_text, struct nb_result *result, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	nb_autofree char *text = strdup(json_text);

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_int_equal(nb_json_parse(text, strlen(text), &LIMITS, &json, err), 0);
	return nb_result_from_json(json, result, err);
}

/* The whole of the newest version, as the bridge would give it. */
#define DNS "'dns':{'nameservers':['10.96.0.10'],'domain':'d','search':['s'],'options':['o']}"

static const char NEWEST[] =
	"{'cniVersion':'1.1.0',"
	"'interfaces':[{'name':'cni0','mac':'02:00:00:00:00:01'},{'name':'veth1','mac':'02:00:00:00:00:02'},"
	"{'name':'eth0','mac':'02:00:00:00:00:03','mtu':1400,'sandbox':'/run/netns/a'}],"
	"'ips':[{'interface':2,'address':'10.244.0.2/24','gateway':'10.244.0.1'},"
	"{'interface':2,'address':'10.244.0.3/24'},{'interface':2,'address':'fd00::2/64'}],"
	"'routes':[{'dst':'0.0.0.0/0','gw':'10.244.0.1','mtu':1300,'advmss':1200,'priority':5,'table':100,"
	"'scope':253},{'dst':'fd00:1::/64'}]," DNS "}";

/* The same in the shape of each version. */
static const struct {
	const char *version, *json;
} SHAPES[] = {
	{ "1.1.0", NEWEST },
	{ "1.0.0", "{'cniVersion':'1.0.0',"
		   "'interfaces':[{'name':'cni0','mac':'02:00:00:00:00:01'},{'name':'veth1','mac':'02:00:00:"
		   "00:00:02'},"
		   "{'name':'eth0','mac':'02:00:00:00:00:03','sandbox':'/run/netns/a'}],"
		   "'ips':[{'interface':2,'address':'10.244.0.2/24','gateway':'10.244.0.1'},"
		   "{'interface':2,'address':'10.244.0.3/24'},{'interface':2,'address':'fd00::2/64'}],"
		   "'routes':[{'dst':'0.0.0.0/0','gw':'10.244.0.1'},{'dst':'fd00:1::/64'}]," DNS "}" },
	{ "0.4.0", "{'cniVersion':'0.4.0',"
		   "'interfaces':[{'name':'cni0','mac':'02:00:00:00:00:01'},{'name':'veth1','mac':'02:00:00:"
		   "00:00:02'},"
		   "{'name':'eth0','mac':'02:00:00:00:00:03','sandbox':'/run/netns/a'}],"
		   "'ips':[{'version':'4','interface':2,'address':'10.244.0.2/24','gateway':'10.244.0.1'},"
		   "{'version':'4','interface':2,'address':'10.244.0.3/24'},"
		   "{'version':'6','interface':2,'address':'fd00::2/64'}],"
		   "'routes':[{'dst':'0.0.0.0/0','gw':'10.244.0.1'},{'dst':'fd00:1::/64'}]," DNS "}" },
	{ "0.2.0", "{'cniVersion':'0.2.0',"
		   "'ip4':{'ip':'10.244.0.2/24','gateway':'10.244.0.1',"
		   "'routes':[{'dst':'0.0.0.0/0','gw':'10.244.0.1'}]},"
		   "'ip6':{'ip':'fd00::2/64','routes':[{'dst':'fd00:1::/64'}]}," DNS "}" },
	{ "0.1.0", "{'cniVersion':'0.1.0',"
		   "'ip4':{'ip':'10.244.0.2/24','gateway':'10.244.0.1',"
		   "'routes':[{'dst':'0.0.0.0/0','gw':'10.244.0.1'}]},"
		   "'ip6':{'ip':'fd00::2/64','routes':[{'dst':'fd00:1::/64'}]}," DNS "}" },
};

static void print_quoted(const struct nb_result *result, const char *version, char *buf, size_t size)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	nb_autofree char *text = NULL;
	struct nb_error err = { 0 };

	json = nb_result_to_json(result, version, &err);
	assert_non_null(json);
	text = cJSON_PrintUnformatted(json);
	for (char *c = text; *c; c++)
		*c = *c == '"' ? '\'' : *c;
	snprintf(buf, size, "%s", text);
}

static void test_shapes(void **state)
{
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	struct nb_error err = { 0 };
	char text[4096];

	(void)state;
	assert_int_equal(read_result(NEWEST, &result, &err), 0);
	for (size_t i = 0; i < COUNT(SHAPES); i++) {
		nb_cleanup(nb_result_free) struct nb_result again = { 0 };

		print_quoted(&result, SHAPES[i].version, text, sizeof(text));
		assert_string_equal(text, SHAPES[i].json);
		assert_int_equal(read_result(text, &again, &err), 0); /* and back, and once more there */
		print_quoted(&again, SHAPES[i].version, text, sizeof(text));
		assert_string_equal(text, SHAPES[i].json);
	}
}

static void test_empty_parts(void **state)
{
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	struct nb_error err = { 0 };
	char text[256];

	(void)state;
	assert_int_equal(read_result("{'ips':[{'version':'6','address':'fd00::2/64','gateway':''}],'dns':{}}",
				     &result, &err),
			 0);
	assert_int_equal(result.ips[0].interface, -1);
	assert_false(result.ips[0].has_gateway);
	print_quoted(&result, "1.1.0", text, sizeof(text));
	assert_string_equal(text, "{'cniVersion':'1.1.0','ips':[{'address':'fd00::2/64'}]}");
	print_quoted(&result, "0.3.1", text, sizeof(text));
	assert_string_equal(text, "{'cniVersion':'0.3.1','ips':[{'version':'6','address':'fd00::2/64'}],"
				  "'dns':{}}");
	print_quoted(&result, "0.2.0", text, sizeof(text));
	assert_string_equal(text, "{'cniVersion':'0.2.0','ip6':{'ip':'fd00::2/64'},'dns':{}}");
}

static void test_refused(void **state)
{
	static const struct {
		const char *json, *msg;
	} rows[] = {
		{ "[]", "is an array, not an object" },
		{ "{'cniVersion':'9.0.0'}", "\"cniVersion\": \"9.0.0\"" },
		{ "{'cniVersion':1}", "\"cniVersion\"" },
		{ "{'ips':{}}", "\"ips\": is an object" },
		{ "{'ips':[null]}", "\"ips[0]\": is null" },
		{ "{'ips':[{}]}", "\"ips[0]\": \"address\" is missing" },
		{ "{'ips':[{'address':'10.0.0.1'}]}", "\"ips[0].address\": \"10.0.0.1\" is not" },
		{ "{'ips':[{'address':'10.0.0.1/33'}]}", "\"10.0.0.1/33\"" },
		{ "{'ips':[{'address':'10.0.0.1/24','gateway':'x'}]}", "\"ips[0].gateway\": \"x\"" },
		{ "{'ips':[{'address':'10.0.0.1/24','gateway':'fd00::1'}]}", "of another family" },
		{ "{'ips':[{'address':'10.0.0.1/24','interface':-1}]}", "\"ips[0].interface\": -1" },
		{ "{'interfaces':[{'name':'a'}],'ips':[{'address':'10.0.0.1/24','interface':1}]}",
		  "\"ips[0].interface\": 1, but there are 1 interfaces" },
		{ "{'interfaces':[{}]}", "the name \"\"" },
		{ "{'interfaces':[{'name':'a/b'}]}", "the name \"a/b\"" },
		{ "{'interfaces':[{'name':'a','mac':'nonsense'}]}", "\"interfaces[0].mac\": \"nonsense\"" },
		{ "{'interfaces':[{'name':'a','mtu':-5}]}", "\"interfaces[0].mtu\": -5" },
		{ "{'interfaces':[{'name':'a','sandbox':5}]}", "\"interfaces[0].sandbox\"" },
		{ "{'routes':[{'dst':'x'}]}", "\"routes[0].dst\": \"x\"" },
		{ "{'routes':[{'dst':'0.0.0.0/0','gw':'fd00::1'}]}", "of another family" },
		{ "{'routes':[{'dst':'0.0.0.0/0','scope':256}]}", "256 is more than 255" },
		{ "{'routes':[{'dst':'0.0.0.0/0','table':4294967296}]}", "\"routes[0].table\"" },
		{ "{'ip4':{'ip':'fd00::2/64'}}", "\"ip4\": the address is of the other family" },
		{ "{'ip4':{'ip':'10.0.0.1/8','routes':[{}]}}", "\"ip4.routes[0]\": \"dst\" is missing" },
		{ "{'dns':[]}", "\"dns\": is an array" },
		{ "{'dns':{'search':['a',5]}}", "\"dns.search[1]\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_result result = { .n_ips = 77 };
		struct nb_error err = { 0 };

		if (!read_result(rows[i].json, &result, &err))
			fail_msg("%s was taken", rows[i].json);
		assert_int_equal(result.n_ips, 77); /* untouched */
		if (!strstr(err.msg, rows[i].msg))
			fail_msg("%s: %s, not %s", rows[i].json, err.msg, rows[i].msg);
	}
}

static void test_too_many(void **state)
{
	nb_cleanup(nb_result_free) struct nb_result result = { 0 };
	struct nb_error err = { 0 };
	char text[8192] = "{'ips':[{'address':'10.0.0.1/24'}";

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(text, ",{'address':'10.0.0.1/24'}");
	strcat(text, "]}");
	assert_true(read_result(text, &result, &err) < 0);
	assert_string_equal(err.msg, "\"ips\": 41 items are more than 32");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_empty_parts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
