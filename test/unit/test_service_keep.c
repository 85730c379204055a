// SPDX-License-Identifier: GPL-2.0-or-later
/* Which Services an apply leaves as the table has them: rows of input, table and result. */

#include "lib/service/keep.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

#include "kube_text.h"
#include "service_maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char told[1024];

static void tell(const struct nb_service *wanted, const struct nb_service *owner)
{
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s to %s\n", wanted->name, owner->name);
}

/* The table with Services of both origins, sorted as it is read. */
static struct nb_services make_table(const char *applied, const char *configured)
{
	struct nb_services table = test_services(applied, NB_ORIGIN_APPLY);
	struct nb_services config = test_services(configured, NB_ORIGIN_CONFIG);

	for (size_t i = 0; i < config.n; i++)
		*nb_services_add(&table, NULL) = config.items[i];
	free(config.items);
	assert_int_equal(nb_services_normalize(&table, NULL), 0);
	return table;
}

static const struct {
	const char *wanted, *applied, *configured, *names, *kept, *told;
} rows[] = {
	/* Nothing is incomplete */
	{ "a/a - 10.96.0.1:80/TCP 10.244.0.3:80\n",
	  "a/a - 10.96.0.1:80/TCP 10.244.0.4:80\nb/b - 10.96.0.2:80/TCP\n", "", "",
	  "a/a - 10.96.0.1:80/TCP 10.244.0.3:80\n", "" },
	/* Left out: as it was, all of its frontends, with backends that drain and affinity */
	{ "c/c - 10.96.0.3:80/TCP\n",
	  "a/a x 10.96.0.1:80/TCP ~30 10.244.0.4:80 10.244.0.5:80\n"
	  "a/a y 10.96.0.1:81/UDP 10.244.0.4:81\n"
	  "b/b - 10.96.0.2:80/TCP\n",
	  "", "a/a z/z",
	  "a/a x 10.96.0.1:80/TCP ~30 10.244.0.4:80 10.244.0.5:80\n"
	  "a/a y 10.96.0.1:81/UDP 10.244.0.4:81\n"
	  "c/c - 10.96.0.3:80/TCP\n",
	  "" },
	/* Wanted, but some slices are missing: as the table has it; if it does not, as it is wanted */
	{ "a/a - 10.96.0.1:80/TCP\nb/b - 10.96.0.2:80/TCP\n", "a/a - 10.96.0.9:80/TCP 10.244.0.4:80\n", "",
	  "b/b a/a", "a/a - 10.96.0.9:80/TCP 10.244.0.4:80\nb/b - 10.96.0.2:80/TCP\n", "" },
	/* The address belongs to another Service now */
	{ "b/b - 10.96.0.1:80/TCP 10.244.0.3:80\n", "a/a - 10.96.0.1:80/TCP\na/a - 10.96.0.1:81/TCP\n", "",
	  "a/a", "a/a - 10.96.0.1:81/TCP\nb/b - 10.96.0.1:80/TCP 10.244.0.3:80\n", "" },
	/* ... or to two that are incomplete */
	{ "a/a - 10.96.0.2:80/TCP\nb/b - 10.96.0.1:80/TCP\n",
	  "a/a - 10.96.0.1:80/TCP\nb/b - 10.96.0.2:80/TCP\n", "", "a/a b/b",
	  "a/a - 10.96.0.1:80/TCP\nb/b - 10.96.0.2:80/TCP\n", "" },
	/* The network config comes first, whatever the names */
	{ "a/a - 10.96.0.1:80/TCP\nb/b - 10.96.0.2:80/TCP\n", "",
	  "a/a - 10.96.0.1:80/TCP 10.244.0.3:80\nc/c - 10.96.0.3:80/TCP\n", "", "b/b - 10.96.0.2:80/TCP\n",
	  "a/a to a/a\n" },
	{ "a/a - 10.96.0.1:80/TCP\na/a - 10.96.0.1:81/TCP\n", "", "c/c - 10.96.0.1:81/TCP\n", "a/a",
	  "a/a - 10.96.0.1:80/TCP\n", "a/a to c/c\n" },
	/* Whoever has an address and port has it on both sides, and who loses it is told once */
	{ "a/a - 192.0.2.1:80/TCP external\na/a - 192.0.2.1:80/TCP@outside\n"
	  "a/a - 192.0.2.2:80/TCP external 10.244.0.3:80\na/a - 192.0.2.2:80/TCP@outside 10.244.0.4:80\n",
	  "", "c/c - 192.0.2.1:80/TCP external\n", "",
	  "a/a - 192.0.2.2:80/TCP external 10.244.0.3:80\na/a - 192.0.2.2:80/TCP@outside 10.244.0.4:80\n",
	  "a/a to c/c\n" },
	{ "b/b - 192.0.2.1:80/TCP external\n",
	  "a/a - 192.0.2.1:80/TCP external\na/a - 192.0.2.1:80/TCP@outside\n"
	  "a/a - 192.0.2.2:80/TCP external\na/a - 192.0.2.2:80/TCP@outside\n",
	  "", "a/a",
	  "a/a - 192.0.2.2:80/TCP external\na/a - 192.0.2.2:80/TCP@outside\n"
	  "b/b - 192.0.2.1:80/TCP external\n",
	  "" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nb_services wanted = test_services(rows[i].wanted, NB_ORIGIN_APPLY), kept = { 0 };
		struct nb_services expected = test_services(rows[i].kept, NB_ORIGIN_APPLY);
		struct nb_services table = make_table(rows[i].applied, rows[i].configured);
		char *names = strdup(rows[i].names), *rest = names, *name, is[1024], shall_be[1024];
		struct nb_service_names incomplete = { 0 };
		struct nb_error err = { 0 };

		print_message("row %zu\n", i);
		*told = '\0';
		while ((name = strsep(&rest, " ")))
			assert_int_equal(nb_service_names_add(&incomplete, name, &err), 0);
		assert_int_equal(nb_services_keep(&wanted, &table, &incomplete, &kept, tell, &err), 0);
		kube_format(&kept, is, sizeof(is));
		kube_format(&expected, shall_be, sizeof(shall_be));
		assert_string_equal(is, shall_be);
		assert_string_equal(told, rows[i].told);
		free(names);
		nb_service_names_free(&incomplete);
		nb_services_free(&wanted);
		nb_services_free(&expected);
		nb_services_free(&table);
		nb_services_free(&kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
