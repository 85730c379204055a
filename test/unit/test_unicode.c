// SPDX-License-Identifier: GPL-2.0-or-later
/* Byte order marks and UTF-16, against iconv(3) of the C library. */
#include "lib/json/unicode.h"
#include "lib/util/error.h"

#include <iconv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static void test_bom(void **state)
{
	(void)state;
	assert_int_equal(nb_bom_length(TEXT("\xef\xbb\xbf{}")), 3);
	assert_int_equal(nb_bom_length(TEXT("{\xef\xbb\xbf}")), 0);
	assert_int_equal(nb_bom_length(TEXT("\xef\xbb")), 0);
	assert_int_equal(nb_bom_length("", 0), 0);
}

static void test_rows(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *utf8;  /* NULL: it is not UTF-16, or an error */
		const char *error; /* NULL: none */
	} rows[] = {
		{ TEXT("\xff\xfe{\0}\0"), "{}", NULL },
		{ TEXT("\xfe\xff\0{\0}"), "{}", NULL },
		{ TEXT("\xff\xfe"), "", NULL },
		{ TEXT("\xff\xfe\xe9\0\xac\x20\x3d\xd8\x00\xde"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  NULL },
		{ TEXT("\xfe\xff\x00\xe9\x20\xac\xd8\x3d\xde\x00"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  NULL },
		{ TEXT("{}"), NULL, NULL },
		{ TEXT("\xef\xbb\xbf{}"), NULL, NULL },
		{ TEXT("\xff"), NULL, NULL },
		{ TEXT("\xff\xfe{\0}"), NULL, "not valid UTF-16: byte 5: incomplete character" },
		{ TEXT("\xff\xfe\x3d\xd8{\0"), NULL, "not valid UTF-16: byte 3: incomplete character" },
		{ TEXT("\xff\xfe{\0\x3d\xd8"), NULL, "not valid UTF-16: byte 5: incomplete character" },
		{ TEXT("\xff\xfe\x00\xde"), NULL, "not valid UTF-16: byte 3: incomplete character" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *copy = malloc(rows[i].len), *utf8 = NULL;
		struct nb_error err = { 0 };
		size_t len = 0;
		int rc;

		print_message("row %zu\n", i);
		memcpy(copy, rows[i].in, rows[i].len);
		rc = nb_utf16_decode(copy, rows[i].len, &utf8, &len, &err);
		free(copy);
		assert_string_equal(err.msg, rows[i].error ? rows[i].error : "");
		assert_int_equal(rc < 0, rows[i].error != NULL);
		assert_int_equal(utf8 != NULL, rows[i].utf8 != NULL);
		if (utf8) {
			assert_int_equal(len, strlen(rows[i].utf8));
			assert_memory_equal(utf8, rows[i].utf8, len);
		}
		free(utf8);
	}
}

static size_t convert(iconv_t to, const uint32_t *character, char out[4])
{
	size_t in_left = sizeof(*character), out_left = 4;
	char *in = (char *)character;

	assert_int_equal(iconv(to, &in, &in_left, &out, &out_left), 0);
	return 4 - out_left;
}

/* Every character that there is. */
static void test_all(void **state)
{
	iconv_t to_utf16 = iconv_open("UTF-16LE", "UTF-32LE"), to_utf8 = iconv_open("UTF-8", "UTF-32LE");

	(void)state;
	if (to_utf16 == (iconv_t)-1 || to_utf8 == (iconv_t)-1)
		skip(); /* the C library has its conversions elsewhere */
	for (uint32_t c = 1; c < 0x110000; c++) {
		char utf16[2 + 4] = "\xff\xfe", expected[4], *utf8;
		struct nb_error err = { 0 };
		size_t len;

		if (c >> 11 == 0xd800 >> 11)
			continue;
		len = convert(to_utf16, &c, utf16 + 2);
		assert_int_equal(nb_utf16_decode(utf16, 2 + len, &utf8, &len, &err), 0);
		assert_int_equal(convert(to_utf8, &c, expected), len);
		assert_memory_equal(utf8, expected, len);
		free(utf8);
	}
	iconv_close(to_utf16);
	iconv_close(to_utf8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bom),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
