// SPDX-License-Identifier: GPL-2.0-or-later
/* YAML into JSON trees: one row for each text. */
#include "lib/json/json.h"
#include "lib/json/yaml.h"
#include "lib/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

static const struct nb_json_limits limits = { .depth = 16, .values = 1000 };

static const struct {
	const char *yaml;
	const char *json; /* the list of documents; NULL: refused */
	const char *error;
} rows[] = {
	/* Scalars of the core schema, YAML 1.2.2, 10.3.2 */
	{ "[null, Null, NULL, ~, ]", "[[null,null,null,null]]", NULL },
	{ "[true, True, TRUE, false, False, FALSE]", "[[true,true,true,false,false,false]]", NULL },
	{ "[nULL, tRUE, TRue, yes, no, on, off, y]",
	  "[[\"nULL\",\"tRUE\",\"TRue\",\"yes\",\"no\",\"on\",\"off\",\"y\"]]", NULL },
	{ "[0, 7, -12, +3, 0o17, 0xfF, 010]", "[[0,7,-12,3,15,255,10]]", NULL },
	{ "[1.5, .5, 5., 1e3, -2.5E-1]", "[[1.5,0.5,5,1000,-0.25]]", NULL },
	{ "[1.2.3.4, 1e, e1, ., -, +, 0o8, 0x, 1_000, 12:30, 0b1]",
	  "[[\"1.2.3.4\",\"1e\",\"e1\",\".\",\"-\",\"+\",\"0o8\",\"0x\",\"1_000\",\"12:30\",\"0b1\"]]",
	  NULL },
	{ "['80', \"true\", '', \"\\u00e9\"]", "[[\"80\",\"true\",\"\",\"é\"]]", NULL },
	{ "[!!str 80, ! true]", "[[\"80\",\"true\"]]", NULL },
	{ "a: |\n  80\nb: >-\n  true\n", "[{\"a\":\"80\\n\",\"b\":\"true\"}]", NULL },
	/* Structure */
	{ "a:\n- b: 1\n  c: [2, {d: 3}]\n", "[{\"a\":[{\"b\":1,\"c\":[2,{\"d\":3}]}]}]", NULL },
	{ "80: x\ntrue: y\n", "[{\"80\":\"x\",\"true\":\"y\"}]", NULL },
	{ "a:\nb:\n", "[{\"a\":null,\"b\":null}]", NULL },
	{ "a: 1\n---\nb: 2\n...\n---\n---\nc: 3\n", "[{\"a\":1},{\"b\":2},{\"c\":3}]", NULL },
	{ "", "[]", NULL },
	{ "# nothing\n---\n", "[]", NULL },
	{ "%YAML 1.2\n---\na: 1\n", "[{\"a\":1}]", NULL },
	{ "\xef\xbb\xbf"
	  "a: 1\n",
	  "[{\"a\":1}]", NULL },
	/* Anchors and aliases: in values, in keys, named anew; each document has its own */
	{ "a: &x 80\nb: *x\nc: &y {d: &z [1, *x]}\ne: [*y, *z]\n",
	  "[{\"a\":80,\"b\":80,\"c\":{\"d\":[1,80]},\"e\":[{\"d\":[1,80]},[1,80]]}]", NULL },
	{ "&k app: web\nb: {*k : *k}\n", "[{\"app\":\"web\",\"b\":{\"app\":\"app\"}}]", NULL },
	{ "a: &x web\nb: {*x : 1}\n", "[{\"a\":\"web\",\"b\":{\"web\":1}}]", NULL },
	{ "[&x 1, *x, &x 2, *x]", "[[1,1,2,2]]", NULL },
	{ "a: &x 1\n---\nb: &x 2\nc: *x\n", "[{\"a\":1},{\"b\":2,\"c\":2}]", NULL },
	{ "- &x\n- *x\n- &y ''\n- *y\n", "[[null,null,\"\",\"\"]]", NULL },
	/* Merge keys (yaml.org/type/merge.html): what is there counts, then the first of a list */
	{ "- &a {x: 1, y: 2}\n- &b {x: 3, z: 4}\n- {<<: *a, y: 5}\n- {y: 6, <<: [*a, *b]}\n- {<<: [*b, {x: "
	  "7, v: "
	  "8}]}\n",
	  "[[{\"x\":1,\"y\":2},{\"x\":3,\"z\":4},{\"y\":5,\"x\":1},{\"y\":6,\"x\":1,\"z\":4},{\"x\":3,"
	  "\"z\":4,\"v\":8}]]",
	  NULL },
	{ "a: &a {x: {y: [1]}}\nb: &b {<<: *a, z: 1}\nc: {<<: *b}\n",
	  "[{\"a\":{\"x\":{\"y\":[1]}},\"b\":{\"z\":1,\"x\":{\"y\":[1]}},\"c\":{\"z\":1,\"x\":{\"y\":[1]}}}]",
	  NULL },
	{ "a:\n  <<: &m {x: &v 1}\nb: *m\nc: *v\n", "[{\"a\":{\"x\":1},\"b\":{\"x\":1},\"c\":1}]", NULL },
	{ "a: {<<: {}}\nb: {<<: []}\nc: {'<<': 1}\nd: <<\n",
	  "[{\"a\":{},\"b\":{},\"c\":{\"<<\":1},\"d\":\"<<\"}]", NULL },
	/* Two escapes for one character, as JSON has it */
	{ "{\"a\": \"x\\ud83d\\ude00y\", \"b\": \"\\uD83D\\uDE00\"}",
	  "[{\"a\":\"x\xf0\x9f\x98\x80y\",\"b\":\"\xf0\x9f\x98\x80\"}]", NULL },
	{ "a: \"\\\\\\ud83d\\ude00\"\n", "[{\"a\":\"\\\\\xf0\x9f\x98\x80\"}]", NULL },
	{ "a: '\\ud83d\\ude00'\nb: \\ud83d\\ude00\n",
	  "[{\"a\":\"\\\\ud83d\\\\ude00\",\"b\":\"\\\\ud83d\\\\ude00\"}]", NULL },
	/* Refused */
	{ "a: *x\n", NULL, "not valid YAML: line 1, column 4: alias without an anchor" },
	{ "a: &x 1\n---\nb: *x\n", NULL, "not valid YAML: line 3, column 4: alias without an anchor" },
	{ "a: &x [1, *x]\n", NULL, "not valid YAML: line 1, column 11: alias inside of its own anchor" },
	{ "a: &x {<<: *x}\n", NULL, "not valid YAML: line 1, column 12: alias inside of its own anchor" },
	{ "a: &x [1]\n*x : 1\n", NULL, "not valid YAML: line 2, column 1: key is not a string" },
	{ "a: {<<: 1}\n", NULL,
	  "not valid YAML: line 1, column 5: << requires a mapping or a list of mappings" },
	{ "a: {<<: [{b: 1}, 1]}\n", NULL,
	  "not valid YAML: line 1, column 5: << requires a mapping or a list of mappings" },
	{ "a: {<<: {b: 1}, <<: {c: 1}}\n", NULL,
	  "not valid YAML: line 1, column 17: second << in a mapping" },
	{ "a: &x {b: 1}\nc: {<<: *x, b: 2, b: 3}\n", NULL, "\"[0].c.b\": duplicate key" },
	{ "a: &a [[[[[[[[[[]]]]]]]]]]\nb: [[[[[*a]]]]]\nc: [[[[[[*a]]]]]]\n", NULL,
	  "not valid YAML: line 3, column 10: nested too deeply" },
	{ "a: \"\\ud83d\"\n", NULL,
	  "not valid YAML: line 1, column 7: found invalid Unicode character escape code" },
	{ "a: \"\\ude00\\ud83d\"\n", NULL,
	  "not valid YAML: line 1, column 7: found invalid Unicode character escape code" },
	{ "a: \"\\\\ud83d\\ude00\"\n", NULL,
	  "not valid YAML: line 1, column 14: found invalid Unicode character escape code" },
	{ "a: !!int '1'\n", NULL,
	  "not valid YAML: line 1, column 4: tags other than !!str are not supported" },
	{ "a: !x {}\n", NULL, "not valid YAML: line 1, column 4: tags other than !!str are not supported" },
	{ "? [a]\n: 1\n", NULL, "not valid YAML: line 1, column 3: key is a mapping or a sequence" },
	{ "a: 1\nb:\n  c: 1\n  c: 2\n", NULL, "\"[0].b.c\": duplicate key" },
	{ "a: .inf\n", NULL, "not valid YAML: line 1, column 4: JSON has no infinity and no NaN" },
	{ "a: -.INF\n", NULL, "not valid YAML: line 1, column 4: JSON has no infinity and no NaN" },
	{ "a: .NaN\n", NULL, "not valid YAML: line 1, column 4: JSON has no infinity and no NaN" },
	{ "a: 1e999\n", NULL, "not valid YAML: line 1, column 4: number out of range" },
	{ "a: \"x\\0y\"\n", NULL, "not valid YAML: line 1, column 4: NUL character in a string" },
	{ "a: [1\n", NULL, "not valid YAML: line 2, column 1: did not find expected ',' or ']'" },
	{ "a: b: c\n", NULL,
	  "not valid YAML: line 1, column 5: mapping values are not allowed in this context" },
	{ "\ta: 1\n", NULL, "not valid YAML: line 1, column 1: found character that cannot start any token" },
	{ "a: \xff\n", NULL, "not valid YAML: byte 4: invalid leading UTF-8 octet" },
	{ "a: \x01\n", NULL, "not valid YAML: byte 4: control characters are not allowed" },
	{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", NULL,
	  "not valid YAML: line 1, column 17: nested too deeply" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cJSON *json = NULL;
		struct nb_error err = { 0 };
		int rc = nb_yaml_parse(rows[i].yaml, strlen(rows[i].yaml), &limits, &json, &err);
		char *text;

		print_message("row %zu\n", i);
		if (!rows[i].json) {
			assert_true(rc < 0);
			assert_null(json);
			assert_int_equal(err.code, NB_ERR_DECODE);
			assert_string_equal(err.msg, rows[i].error);
			continue;
		}
		if (rc)
			fail_msg("%s", err.msg);
		text = cJSON_PrintUnformatted(json);
		assert_string_equal(text, rows[i].json);
		free(text);
		cJSON_Delete(json);
	}
}

static void test_many_values(void **state)
{
	char text[4096] = "[";
	struct cJSON *json = NULL;
	struct nb_error err = { 0 };

	(void)state;
	for (size_t i = 1; i <= 2000; i += 2) {
		text[i] = '1';
		text[i + 1] = ',';
	}
	text[2001] = ']';
	assert_true(nb_yaml_parse(text, strlen(text), &limits, &json, &err) < 0);
	assert_string_equal(err.msg, "not valid YAML: line 1, column 2000: too many values");
}

/* A copy by an alias counts as much as a written value. */
static void test_many_copies(void **state)
{
	char text[4096] = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: [";
	struct cJSON *json = NULL;
	struct nb_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < 100; i++)
		strcat(text, "*a,");
	strcat(text, "]\n");
	assert_true(nb_yaml_parse(text, strlen(text), &limits, &json, &err) < 0);
	assert_string_equal(err.msg, "not valid YAML: line 2, column 272: aliases expand to too many values");
}

/* A sanitizer needs more memory than the limit below. */
static bool is_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return false;
#endif
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * A few lines that would expand to 10^11 values, and a text of 1 MB that would expand to some 10^11
 * bytes.
 */
static void assert_bounded(const char *text)
{
	static const struct nb_json_limits wide = { .depth = 64, .values = 64 << 20 };
	struct cJSON *json = NULL;
	struct nb_error err = { 0 };
	const double begin = seconds();
	struct rlimit was, small;

	assert_int_equal(getrlimit(RLIMIT_DATA, &was), 0);
	small = was;
	small.rlim_cur = 64 << 20;
	if (!is_sanitized())
		assert_int_equal(setrlimit(RLIMIT_DATA, &small), 0);
	assert_true(nb_yaml_parse(text, strlen(text), &wide, &json, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_DATA, &was), 0);
	assert_non_null(strstr(err.msg, ": aliases expand to too many values"));
	assert_true(seconds() - begin < 3);
}

static void test_bombs(void **state)
{
	char text[1 << 20] = "a: &a [x,x,x,x,x,x,x,x,x,x]\n", *at;

	(void)state;
	for (int c = 'b'; c < 'm'; c++)
		sprintf(text + strlen(text), "%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c,
			c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	assert_bounded(text);

	/* A long string */
	memset(text, 'x', sizeof(text));
	memcpy(text, "a: &a ", 6);
	strcpy(text + sizeof(text) / 2, "\nb: [");
	for (at = text + sizeof(text) / 2 + 5; at < text + sizeof(text) - 16; at += 3)
		memcpy(at, "*a,", 3);
	strcpy(at, "]\n");
	assert_bounded(text);

	/* Two mappings of many keys, to be compared each with each */
	at = text + sprintf(text, "a: &a {k0: ");
	for (size_t i = 1; i < 20000; i++)
		at += sprintf(at, ",k%zu: ", i);
	at += sprintf(at, "}\nb: {<<: *a");
	for (size_t i = 0; i < 20000; i++)
		at += sprintf(at, ",l%zu: ", i);
	sprintf(at, "}\n");
	assert_bounded(text);
}

/* Positions count from the beginning of the text, wherever the parse begins. */
static void test_from(void **state)
{
	static const char text[] = "{}\n---\na: 1\nb: *x\n";
	struct cJSON *json = NULL;
	struct nb_error err = { 0 };

	(void)state;
	assert_true(nb_yaml_parse_from(text, strlen(text), 7, &limits, &json, &err) < 0);
	assert_string_equal(err.msg, "not valid YAML: line 4, column 4: alias without an anchor");
	assert_int_equal(nb_yaml_parse_from(text, strlen(text) - 6, 7, &limits, &json, &err), 0);
	assert_int_equal(cJSON_GetArraySize(json), 1);
	cJSON_Delete(json);
}

/*
 * Cut off anywhere, it is refused or a shorter document, and nothing is lost (run it under a
 * sanitizer).
 */
static void test_cut_off(void **state)
{
	static const char text[] =
		"a: {b: [1, \"\\u00e9\", 'x'], ? c : |\n  d}\n---\n- &a e: &b !!str 1\n  f: >\n    g\n"
		"- &c {*a : *b, <<: [{h: &d [1]}, &e {i: 2}]}\n- [*c, *d, *e]\n- \"\\ud83d\\ude00\"\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct cJSON *json = NULL;
		struct nb_error err = { 0 };

		if (nb_yaml_parse(text, len, &limits, &json, &err))
			assert_true(err.msg[0] && !json);
		cJSON_Delete(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),        cmocka_unit_test(test_many_values),
		cmocka_unit_test(test_many_copies), cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_from),        cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
