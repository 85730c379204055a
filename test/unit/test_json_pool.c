// SPDX-License-Identifier: GPL-2.0-or-later
/* Trees out of the pool: alone, beside each other, larger than the block. */
#include "lib/json/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include <cmocka.h>

/* An array of n strings, "0" and so on. */
static cJSON *make(int n)
{
	cJSON *array = cJSON_CreateArray();
	char text[16];

	assert_non_null(array);
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_true(cJSON_AddItemToArray(array, cJSON_CreateString(text)));
	}
	return array;
}

static void expect(const cJSON *array, int n)
{
	const cJSON *item;
	char text[16];
	int i = 0;

	cJSON_ArrayForEach(item, array) {
		snprintf(text, sizeof(text), "%d", i++);
		assert_string_equal(item->valuestring, text);
		assert_int_equal((uintptr_t)item % _Alignof(max_align_t), 0);
	}
	assert_int_equal(i, n);
}

/* Where the next tree begins. */
static const void *place(void)
{
	cJSON *json = cJSON_CreateNull();
	const void *at = json;

	cJSON_Delete(json);
	return at;
}

static void test_one_after_the_other(void **state)
{
	const void *start = place();

	(void)state;
	for (int i = 0; i < 100; i++) {
		cJSON *json = make(1000);

		assert_ptr_equal(json, start);
		expect(json, 1000);
		cJSON_Delete(json);
	}
}

static void test_beside_each_other(void **state)
{
	const void *start = place();
	cJSON *first = make(500), *second = make(600);

	(void)state;
	cJSON_Delete(first);
	expect(second, 600);
	assert_ptr_not_equal(place(), start);
	first = make(700);
	expect(second, 600);
	cJSON_Delete(second);
	expect(first, 700);
	cJSON_Delete(first);
	assert_ptr_equal(place(), start);
}

static void test_larger_than_the_block(void **state)
{
	const void *start = place();
	cJSON *json = make(100000), *other;

	(void)state;
	other = make(10);
	expect(json, 100000);
	cJSON_Delete(json);
	expect(other, 10);
	cJSON_Delete(other);
	assert_ptr_equal(place(), start);
}

static void test_printed_text(void **state)
{
	cJSON *json = make(3);
	char *text = cJSON_PrintUnformatted(json);

	(void)state;
	cJSON_Delete(json);
	assert_string_equal(text, "[\"0\",\"1\",\"2\"]");
	cJSON_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_beside_each_other),
		cmocka_unit_test(test_larger_than_the_block),
		cmocka_unit_test(test_printed_text),
	};

	nb_json_use_pool();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
