// SPDX-License-Identifier: GPL-2.0-or-later
/* YAML into JSON trees: one row a document. */
#include <natbridge/yaml.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
	/* Refused */
	{ "a: &x 1\n", NULL, "not valid YAML: line 1, column 4: anchors and aliases are not supported" },
	{ "a: &x [1]\nb: *x\n", NULL,
	  "not valid YAML: line 1, column 4: anchors and aliases are not supported" },
	{ "a: *x\n", NULL, "not valid YAML: line 1, column 4: anchors and aliases are not supported" },
	{ "a: !!int '1'\n", NULL,
	  "not valid YAML: line 1, column 4: tags other than !!str are not supported" },
	{ "a: !x {}\n", NULL, "not valid YAML: line 1, column 4: tags other than !!str are not supported" },
	{ "? [a]\n: 1\n", NULL, "not valid YAML: line 1, column 3: a key that is a mapping or a sequence" },
	{ "a: 1\nb:\n  c: 1\n  c: 2\n", NULL, "\"[0].b.c\": the key appears more than once" },
	{ "a: .inf\n", NULL, "not valid YAML: line 1, column 4: a number that JSON does not have" },
	{ "a: -.INF\n", NULL, "not valid YAML: line 1, column 4: a number that JSON does not have" },
	{ "a: .NaN\n", NULL, "not valid YAML: line 1, column 4: a number that JSON does not have" },
	{ "a: 1e999\n", NULL, "not valid YAML: line 1, column 4: a number out of range" },
	{ "a: \"x\\0y\"\n", NULL, "not valid YAML: line 1, column 4: a NUL character in a string" },
	{ "a: [1\n", NULL, "not valid YAML: line 2, column 1: did not find expected ',' or ']'" },
	{ "a: b: c\n", NULL,
	  "not valid YAML: line 1, column 5: mapping values are not allowed in this context" },
	{ "\ta: 1\n", NULL, "not valid YAML: line 1, column 1: found character that cannot start any token" },
	{ "a: \xff\n", NULL, "not valid YAML: byte 4: invalid leading UTF-8 octet" },
	{ "a: \x01\n", NULL, "not valid YAML: byte 4: control characters are not allowed" },
	{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", NULL, "not valid YAML: line 1, column 17: nested too deep" },
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

/* Cut off anywhere, it is refused or a shorter document, and nothing is lost (run it under a sanitizer). */
static void test_cut_off(void **state)
{
	static const char text[] =
		"a: {b: [1, \"\\u00e9\", 'x'], ? c : |\n  d}\n---\n- e: !!str 1\n  f: >\n    g\n";

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
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_many_values),
		cmocka_unit_test(test_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
