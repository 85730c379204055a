// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The splitter gives the same pieces wherever the chunks end: each row is split with a border
 * before each byte, in bytes, and whole.
 */
#include "lib/json/splitter.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Appends each piece in <>, with its size if it is over the limit. */
static int hear(const struct nb_json_piece *piece, void *arg)
{
	struct nb_strbuf *heard = arg;
	nb_autofree char *text = strndup(piece->text, piece->len);

	assert_non_null(piece->text);
	if (piece->size > piece->len)
		nb_strbuf_append(heard, "<%.8s... %zu of %zu>", text, piece->len, piece->size);
	else
		nb_strbuf_append(heard, "<%s>", text);
	return strcmp(text, "\"stop\"") == 0 ? -7 : 0;
}

/* A copy that ends where its memory ends, so that a sanitizer sees who reads on. */
static int feed(struct nb_json_splitter *splitter, const char *text, size_t len, struct nb_error *err)
{
	nb_autofree char *copy = malloc(len + !len);

	memcpy(copy, text, len);
	return nb_json_splitter_feed(splitter, copy, len, err);
}

/* Splits text in chunks: up to border, then step bytes each. Returns the pieces, frame and error. */
static char *split(const char *key, const char *text, size_t border, size_t step)
{
	struct nb_strbuf heard = { 0 };
	nb_cleanup(nb_json_splitter_free) struct nb_json_splitter splitter = {
		.key = key, .limit = 2 * NB_JSON_HEAD, .fn = hear, .arg = &heard
	};
	const size_t len = strlen(text);
	struct nb_error err = { 0 };
	int rc = feed(&splitter, text, border, &err);

	for (size_t at = border; !rc && at < len; at += step)
		rc = feed(&splitter, text + at, step < len - at ? step : len - at, &err);
	if (!rc)
		rc = nb_json_splitter_end(&splitter, &err);
	if (!rc && key)
		nb_strbuf_append(&heard, "%.*s", (int)splitter.frame.len, splitter.frame.text);
	else if (rc == -7)
		nb_strbuf_put(&heard, " stopped");
	else if (rc)
		nb_strbuf_append(&heard, " %s", err.msg);
	assert_false(heard.failed);
	return heard.buf ? heard.buf : strdup("");
}

static const struct row {
	const char *key, *text, *pieces;
} rows[] = {
	{ NULL, "", "" },
	{ NULL, " \r\n\t", "" },
	{ NULL, "{}", "<{}>" },
	{ NULL, "{\"a\":1}\n{\"b\":[2,{}]}\n", "<{\"a\":1}><{\"b\":[2,{}]}>" },
	{ NULL, "{}{}[]", "<{}><{}><[]>" },
	{ NULL, "{\"}\":\"{[\\\"\\\\\"}\n{}", "<{\"}\":\"{[\\\"\\\\\"}><{}>" },
	{ NULL, "{\n \"a\": [\n1\n]\n}\n{}", "<{\n \"a\": [\n1\n]\n}><{}>" },
	{ NULL, "{\"a\":\"\\u007b\"}", "<{\"a\":\"\\u007b\"}>" },
	{ NULL, "null\n{}", "<null><{}>" },
	{ NULL, "} ]\n{}", "<} ]><{}>" },
	{ NULL, "<html>\n{}", "<<html>><{}>" },
	{ NULL, "\"{\"\n{}", "<\"{\"><{}>" },
	{ NULL, "{\"a\":\"x\n{\"b\":1}\n", "<{\"a\":\"x><{\"b\":1}>" },
	{ NULL, "{\"a\":\"x\\\n{}\n", "<{\"a\":\"x\\><{}>" },
	{ NULL, "{\"a", " ends in the middle of a JSON value" },
	{ NULL, "{}\n{\"a\":{}", "<{}> ends in the middle of a JSON value" },
	{ NULL, "\"stop\"\n{}", "<\"stop\"> stopped" },
	{ "items", "{\"items\":[]}", "{\"items\":[]}" },
	{ "items", "{\"items\" : [ ] }\n", "{\"items\" : [] }" },
	{ "items", "{\"items\":null,\"kind\":\"L\"}", "{\"items\":null,\"kind\":\"L\"}" },
	{ "items",
	  "{\"kind\":\"L\",\"items\":[{\"a\":[1,2]}, {\"b\":\"]},\"} ,3\n],\"metadata\":{\"items\":[1]}}",
	  "<{\"a\":[1,2]}><{\"b\":\"]},\"}><3>{\"kind\":\"L\",\"items\":[],\"metadata\":{\"items\":[1]}}" },
	{ "items", "{\"metadata\":{\"items\":[{}]},\"items\":[\"a,\",{}]}",
	  "<\"a,\"><{}>{\"metadata\":{\"items\":[{}]},\"items\":[]}" },
	{ "items", "{\"x\":\"items\",\"y\":[1],\"\\\"items\":[2],\"item\":[3]}",
	  "{\"x\":\"items\",\"y\":[1],\"\\\"items\":[2],\"item\":[3]}" },
	{ "items", "{\"items\":[{}],\"items\":[{}]}", "<{}><{}>{\"items\":[],\"items\":[]}" },
	{ "items", "{\"items\":[,{}]}", "<><{}>{\"items\":[]}" },
	{ "items", "{\"items\":[{},]}", "<{}><>{\"items\":[]}" },
	{ "items", "{\"items\":[{}}{},{]]}", "<{}}{}><{]>{\"items\":[]}" },
	{ "items", "{\"items\":[\"stop\",{}]}", "<\"stop\"> stopped" },
	{ "items", "{\"items\":[{}],\"metadata\":{", "<{}> ends in the middle of a JSON value" },
	{ "items", "{\"items\":[{},", "<{}> ends in the middle of a JSON value" },
	{ "items", "", " ends in the middle of a JSON value" },
	{ "items", "[]", " not a JSON object" },
	{ "items", "{} {}", " unexpected text after the JSON value" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const size_t len = strlen(rows[i].text);

		for (size_t border = 0; border <= len; border++) {
			nb_autofree char *is = split(rows[i].key, rows[i].text, border, len + 1);

			assert_string_equal(is, rows[i].pieces);
		}
		for (size_t step = 1; step <= 3; step++) {
			nb_autofree char *is = split(rows[i].key, rows[i].text, 0, step);

			assert_string_equal(is, rows[i].pieces);
		}
	}
}

/* before, then a string of n letters, then after. */
static char *long_text(const char *before, size_t n, const char *after)
{
	char *text = NULL;

	assert_true(asprintf(&text, "%s\"%0*d\"%s", before, (int)n, 0, after) > 0);
	return text;
}

/* Pieces of the limit pass, longer ones keep their head, and the rest goes on. */
static void test_limit(void **state)
{
	static const struct {
		const char *key, *before, *after;
		size_t n;
		const char *pieces;
	} long_rows[] = {
		{ NULL, "{}{\"a\":", "}{}", 8185, "<{}><{\"a\":\"00... 4096 of 8193><{}>" },
		{ NULL, "{}{\"a\":", "}}", 100000, "<{}><{\"a\":\"00... 4096 of 100008> ends" },
		{ "items", "{\"items\":[[", "],{}]}", 8189, "<[\"000000... 4096 of 8193><{}>{\"items\":[]}" },
		{ "items", "{\"items\":[{}],\"x\":", "}", 8300,
		  "<{}> more than 8192 bytes besides \"items\"" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(long_rows); i++) {
		nb_autofree char *text = long_text(long_rows[i].before, long_rows[i].n, long_rows[i].after);
		static const size_t steps[] = { 1, 4095, 4096, 4097, 1 << 20 };

		for (size_t step = 0; step < COUNT(steps); step++) {
			nb_autofree char *is = split(long_rows[i].key, text, 0, steps[step]);

			assert_memory_equal(is, long_rows[i].pieces, strlen(long_rows[i].pieces));
		}
	}
}

/* A piece of exactly the limit is whole. */
static int count_whole(const struct nb_json_piece *piece, void *arg)
{
	*(size_t *)arg += piece->len == piece->size && piece->len == (size_t)2 * NB_JSON_HEAD;
	return 0;
}

static void test_exact_limit(void **state)
{
	nb_autofree char *most = long_text("{\"a\":", 8184, "}");
	size_t whole = 0;
	nb_cleanup(nb_json_splitter_free) struct nb_json_splitter splitter = { .limit = 2 * NB_JSON_HEAD,
									       .fn = count_whole,
									       .arg = &whole };
	struct nb_error err = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(feed(&splitter, most, strlen(most), &err), 0);
	assert_int_equal(nb_json_splitter_end(&splitter, &err), 0);
	assert_int_equal(whole, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_exact_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
