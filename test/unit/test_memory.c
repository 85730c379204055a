// SPDX-License-Identifier: GPL-2.0-or-later
/* What nb_memory_give_back() gives back is resident no more, and comes back as it was. */
#include "agent/memory.h"
#include "lib/util/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <curl/curl.h>

#include <cmocka.h>

/* Resident pages of files, in kB. */
static long resident_of_files(void)
{
	nb_autofclose FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kilobytes = -1;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "RssFile: %ld kB", &kilobytes) == 1)
			return kilobytes;
	fail_msg("no RssFile");
	return -1;
}

static int changed = 1; /* in a segment that can be written */

static void test_give_back(void **state)
{
	const char *version = curl_version(); /* in libcurl's own memory, and its code becomes resident */
	char before[256];
	long resident;

	(void)state;
	changed = 2;
	snprintf(before, sizeof(before), "%s", version);
	resident = resident_of_files();
	nb_memory_give_back();
	assert_true(resident_of_files() < resident * 3 / 4);
	assert_int_equal(changed, 2);
	assert_string_equal(curl_version(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_give_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
