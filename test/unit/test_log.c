// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines of both formats, with values that try to break out of them. */
#include "agent/log.h"
#include "lib/json/json.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int real_stderr, ends[2];
static char line[16384];

/* Everything that was logged since the last call. */
static const char *logged(void)
{
	ssize_t n;

	fflush(stderr);
	assert_int_equal(write(ends[1], "", 1), 1);
	n = read(ends[0], line, sizeof(line));
	assert_true(n > 0);
	return line;
}

static void expect_match(const char *text, const char *pattern)
{
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0))
		fail_msg("%s does not match %s", text, pattern);
	regfree(&regex);
}

static void test_text(void **state)
{
	char pattern[256];

	(void)state;
	nb_log_init(false, 1);
	nb_log_info(1, "Watch is up", NB_TEXT("resource", "services"), NB_NUMBER("count", -3));
	snprintf(pattern, sizeof(pattern),
		 "^I[01][0-9][0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6} +%d test_log.c:[0-9]+] "
		 "\"Watch is up\" resource=\"services\" count=-3\n$",
		 (int)getpid());
	expect_match(logged(), pattern);
	nb_log_info(2, "Not shown");
	assert_string_equal(logged(), "");
	nb_log_warning("No pairs");
	expect_match(logged(), "^W.*] \"No pairs\"\n$");
	nb_log_error("Hostile", NB_TEXT("err", "a\"b\\c\nE1129 \x1b[31m\x7f\xc3\xa4\xff\t"),
		     NB_TEXT("none", NULL));
	expect_match(logged(), "^E.*] \"Hostile\" err=\"a\\\\\"b\\\\\\\\c\\\\nE1129 "
			       "\\\\x1b\\[31m\\\\x7f\\\\xc3\\\\xa4\\\\xff\\\\t\" "
			       "none=\"\"\n$");
}

/* The text of a member of the line, which is one JSON object. */
static void expect_member(const char *key, const char *value)
{
	static const struct nb_json_limits limits = { .depth = 2, .values = 100 };
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;
	nb_autofree char *text = NULL;
	struct nb_error err = { 0 };

	if (nb_json_parse(line, strlen(line), &limits, &json, &err))
		fail_msg("%s: %s", err.msg, line);
	assert_int_equal(line[strlen(line) - 1], '\n');
	text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(json, key));
	assert_string_equal(text ? text : "none", value);
}

static void test_json(void **state)
{
	(void)state;
	nb_log_init(true, 0);
	nb_log_info(0, "Watch is up", NB_TEXT("resource", "services"), NB_NUMBER("count", -3));
	logged();
	expect_member("msg", "\"Watch is up\"");
	expect_member("v", "0");
	expect_member("level", "none");
	expect_member("resource", "\"services\"");
	expect_member("count", "-3");
	expect_match(line, "^\\{\"ts\":[0-9]{13}\\.[0-9]{3},\"caller\":\"test_log.c:[0-9]+\",");
	nb_log_error("Hostile", NB_TEXT("err", "a\"b\\c\n\x1b\x7f\xc3\xa4\xff\xe2\x82"));
	logged();
	expect_member("level", "\"error\"");
	expect_member("err", "\"a\\\"b\\\\c\\n\\u001b\x7f\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Long values are cut, and a line that is full has no half pair. */
static void test_long(void **state)
{
	nb_autofree char *value = malloc(20001);
	char *at;

	(void)state;
	memset(value, '\xc3', 20000);
	value[20000] = '\0';
	for (int json = 0; json < 2; json++) {
		nb_log_init(json, 0);
		nb_log_warning("Long", NB_TEXT("a", value), NB_TEXT("b", value), NB_TEXT("c", value));
		logged();
		assert_true(strlen(line) < 8192 && line[strlen(line) - 1] == '\n');
		at = strchr(line, '\n');
		assert_true(!at[1]);
	}
	expect_member("msg", "\"Long\"");
	expect_member("b", "none");
}

static int capture(void **state)
{
	(void)state;
	real_stderr = dup(STDERR_FILENO);
	return pipe(ends) || dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int release(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, capture, release),
		cmocka_unit_test_setup_teardown(test_json, capture, release),
		cmocka_unit_test_setup_teardown(test_long, capture, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
