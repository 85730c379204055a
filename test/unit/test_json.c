// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Strict JSON: input that cJSON alone would accept is refused, with its position or path in the
 * message.
 */
#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct nb_json_limits LIMITS = { .depth = 8, .values = 100 };

static int parse(const char *text, size_t len, struct nb_error *err)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	int rc = nb_json_parse(text, len, &LIMITS, &json, err);

	assert_true((rc == 0) == (json != NULL));
	return rc;
}

static void test_accepted(void **state)
{
	static const char *const rows[] = {
		"{}",
		" [ ] \r\n\t",
		"null",
		"-0",
		"1.5e-3",
		"\"\"",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\"",
		"\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"",
		"{\"a\":{\"a\":[1,2,{\"a\":true}]},\"A\":false}",
		"[[[[[[[[]]]]]]]]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_error err = { 0 };

		assert_int_equal(parse(rows[i], strlen(rows[i]), &err), 0);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{ "", "empty" },
		{ " \n ", "empty" },
		{ "{} {}", "line 1, column 4: unexpected text" },
		{ "{}\n,", "line 2, column 1: unexpected text" },
		{ "{\"a\":1", "end of input" },
		{ "{\"a\" 1}", "expected ':'" },
		{ "{\"a\":1,}", "expected a string" },
		{ "{a:1}", "expected a string" },
		{ "{'a':1}", "expected a string" },
		{ "[1,]", "expected a value" },
		{ "[1 2]", "expected ',' or ']'" },
		{ "01", "unexpected text" },
		{ "+1", "expected a value" },
		{ "1.", "expected digits" },
		{ ".5", "expected a value" },
		{ "1e", "expected digits" },
		{ "0x10", "unexpected text" },
		{ "NaN", "expected a value" },
		{ "nul", "expected a value" },
		{ "True", "expected a value" },
		{ "// c\n{}", "expected a value" },
		{ "\xef\xbb\xbf{}", "expected a value" },
		{ "\"a", "unterminated string" },
		{ "\"\\", "unterminated string" },
		{ "\"\n\"", "control character" },
		{ "\"\\x\"", "unknown escape" },
		{ "\"\\u12g4\"", "hexadecimal" },
		{ "\"\\u0000\"", "\\u0000" },
		{ "\"\\ud800\"", "surrogate" },
		{ "\"\\udc00\"", "surrogate" },
		{ "\"\\ud800\\u0041\"", "surrogate" },
		{ "\"\x80\"", "UTF-8" },
		{ "\"\xc0\x80\"", "UTF-8" },
		{ "\"\xe0\x80\x80\"", "UTF-8" },
		{ "\"\xed\xa0\x80\"", "UTF-8" },
		{ "\"\xf4\x90\x80\x80\"", "UTF-8" },
		{ "\"\xe2\x82\"", "UTF-8" },
		{ "[[[[[[[[[]]]]]]]]]", "nested too deeply" },
		{ "{\"a\":1,\"a\":1}", "\"a\": duplicate key" },
		{ "{\"x\":[0,{\"b\":1,\"\\u0062\":2}]}", "\"x[1].b\": duplicate key" },
		{ "{\"0\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0,\"7\":0,\"8\":0,\"9\":0,\"a\":0,"
		  "\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"7\":0}",
		  "\"7\": duplicate key" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nb_error err = { 0 };

		assert_true(parse(rows[i].text, strlen(rows[i].text), &err) < 0);
		assert_int_equal(err.code, NB_ERR_DECODE);
		if (!strstr(err.msg, rows[i].msg))
			fail_msg("%s: %s, not %s", rows[i].text, err.msg, rows[i].msg);
	}
}

static void test_bounds(void **state)
{
	char deep[1000], many[1000] = "[0";
	struct nb_error err = { 0 };

	(void)state;
	memset(deep, '[', sizeof(deep));
	assert_true(parse(deep, sizeof(deep), &err) < 0);
	assert_non_null(strstr(err.msg, "column 10: nested too deeply"));
	for (size_t i = 0; i < 100; i++)
		strcat(many, ",0");
	strcat(many, "]");
	assert_true(parse(many, strlen(many), &err) < 0);
	assert_non_null(strstr(err.msg, "too many values"));
	assert_true(parse("{\0}", 3, &err) < 0); /* the length counts, not a NUL */
}

static void test_getters(void **state)
{
	static const char TEXT[] = "{\"s\":\"text\",\"t\":true,\"n\":1500,\"half\":1.5,\"huge\":1e400,"
				   "\"neg\":-1,\"null\":null,\"o\":{\"list\":[{\"k\":\"v\"}]}}";
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	struct nb_error err = { 0 };
	struct nb_json root, at, object, list, item;
	const char *text = "default";
	unsigned int number = 7;
	bool flag = false;

	(void)state;
	assert_int_equal(nb_json_parse(TEXT, sizeof(TEXT) - 1, &LIMITS, &json, &err), 0);
	root = nb_json_root(json);
	at = nb_json_get(&root, "S"); /* case counts */
	assert_int_equal(nb_json_string(&at, &text, &err), 0);
	assert_string_equal(text, "default");
	at = nb_json_get(&root, "null"); /* null is absent */
	assert_int_equal(nb_json_uint(&at, 0, 9, &number, &err), 0);
	assert_int_equal(number, 7);
	at = nb_json_get(&root, "s");
	assert_int_equal(nb_json_string(&at, &text, &err), 0);
	assert_string_equal(text, "text");
	assert_true(nb_json_bool(&at, &flag, &err) < 0);
	assert_string_equal(err.msg, "\"s\": \"text\" is a string, not true or false");
	assert_int_equal(err.code, NB_ERR_CONFIG);
	at = nb_json_get(&root, "t");
	assert_int_equal(nb_json_bool(&at, &flag, &err), 0);
	assert_true(flag);
	at = nb_json_get(&root, "n");
	assert_int_equal(nb_json_uint(&at, 0, 1500, &number, &err), 0);
	assert_int_equal(number, 1500);
	assert_true(nb_json_uint(&at, 0, 1499, &number, &err) < 0);
	assert_string_equal(err.msg, "\"n\": 1500 is not a whole number from 0 to 1499");
	for (size_t i = 0; i < 3; i++) {
		static const char *const keys[] = { "half", "huge", "neg" };

		at = nb_json_get(&root, keys[i]);
		assert_true(nb_json_uint(&at, 0, 1500, &number, &err) < 0);
		assert_int_equal(number, 1500);
	}
	object = nb_json_get(&root, "o");
	list = nb_json_get(&object, "list");
	item = nb_json_first(&list);
	at = nb_json_get(&item, "k");
	assert_true(nb_json_is_array(&at, &err) < 0);
	assert_string_equal(err.msg, "\"o.list[0].k\": \"v\" is a string, not an array");
	assert_true(nb_json_is_array(&item, &err) < 0);
	assert_string_equal(err.msg, "\"o.list[0]\": is an object, not an array");
	assert_null(nb_json_next(&item).node);
}

static void test_keys(void **state)
{
	static const char TEXT[] = "{\"a\":{\"mode\":1,\"x\":2},\"b\":{\"Bridge\":1}}";
	static const char *const keys[] = { "mode", "bridge", NULL };
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	struct nb_error err = { 0 };
	struct nb_json root, at;

	(void)state;
	assert_int_equal(nb_json_parse(TEXT, sizeof(TEXT) - 1, &LIMITS, &json, &err), 0);
	root = nb_json_root(json);
	at = nb_json_get(&root, "a");
	assert_int_equal(nb_json_check_case(&at, keys, &err), 0);
	assert_true(nb_json_check_known(&at, keys, &err) < 0);
	assert_string_equal(err.msg, "\"a.x\": unknown key");
	at = nb_json_get(&root, "b");
	assert_true(nb_json_check_case(&at, keys, &err) < 0);
	assert_string_equal(err.msg, "\"b.Bridge\": unknown key; did you mean \"bridge\"?");
	at = nb_json_get(&root, "absent");
	assert_int_equal(nb_json_check_known(&at, keys, &err), 0);
}

/*
 * Keys in another case become the ones that are meant; one that is there already stays, and nothing
 * else changes.
 */
static void test_corrected_case(void **state)
{
	static const char *const keys[] = { "mode", "bridge", NULL };
	static const struct {
		const char *before, *after;
	} rows[] = {
		{ "{}", "{}" },
		{ "{\"mode\":1}", "{\"mode\":1}" },
		{ "{\"Mode\":1,\"other\":2,\"BRIDGE\":{\"Mode\":3}}",
		  "{\"mode\":1,\"other\":2,\"bridge\":{\"Mode\":3}}" },
		{ "{\"Mode\":1,\"mode\":2}", "{\"mode\":2}" },
		{ "{\"mode\":2,\"Mode\":1}", "{\"mode\":2}" },
		{ "{\"Mode\":1,\"MODE\":2,\"x\":3}", "{\"mode\":1,\"x\":3}" },
		{ "[{\"Mode\":1}]", "[{\"Mode\":1}]" },
		{ "5", "5" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		nb_cleanup(nb_json_free) struct cJSON *json = NULL;
		struct nb_error err = { 0 };
		char *text;

		assert_int_equal(nb_json_parse(rows[i].before, strlen(rows[i].before), &LIMITS, &json, &err),
				 0);
		nb_json_correct_case(json, keys);
		text = cJSON_PrintUnformatted(json);
		assert_string_equal(text, rows[i].after);
		free(text);
	}
	nb_json_correct_case(NULL, keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),   cmocka_unit_test(test_getters),
		cmocka_unit_test(test_keys),     cmocka_unit_test(test_corrected_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
