// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One address and port with other backends for clients outside of the cluster than inside: A21, A22. Real
 * maps: needs root.
 */
#include "lib/maps/layout.h"
#include "lib/service/change.h"
#include "lib/service/keep.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <natbridge/seal.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service_changes.h"

static const char both[] = "a/a x 10.96.0.1:80/TCP ~30 10.244.0.3:1 10.244.1.3:1\n"
			   "a/a x 192.0.2.1:80/TCP ~30 external 10.244.0.3:1 10.244.1.3:1\n"
			   "a/a x 192.0.2.1:80/TCP@outside ~30 10.244.0.3:1 !10.244.1.3:1\n"
			   "a/a y 192.0.2.1:81/UDP external 10.244.1.4:1\n"
			   "a/a y 192.0.2.1:81/UDP@outside elsewhere\n";

/* Each side has its own set and its own marks; the number of the service port, and so affinity and source
 * ranges, are of both. */
static void test_both_sides(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_frontend inside, outside;

	(void)state;
	test_apply(&dp, both);
	test_expect(&dp, both);
	inside = test_frontend(&dp, "192.0.2.1:80/TCP");
	outside = test_frontend(&dp, "192.0.2.1:80/TCP@outside");
	assert_int_equal(inside.count, 2);
	assert_int_equal(outside.count, 1);
	assert_int_equal(outside.known, 2);
	assert_int_equal(inside.service, outside.service);
	assert_int_equal(inside.service, test_frontend(&dp, "10.96.0.1:80/TCP").service);
	assert_int_not_equal(inside.set, outside.set);
	assert_int_equal(test_frontend(&dp, "192.0.2.1:81/UDP@outside").flags & NB_FRONTEND_LOCAL,
			 NB_FRONTEND_LOCAL);
	assert_int_equal(test_frontend(&dp, "10.244.0.3:1/TCP").refs, 2);
	assert_int_equal(test_frontend(&dp, "10.244.0.3:1/TCP@outside").refs, 1);
	assert_int_equal(test_frontend(&dp, "10.244.1.4:1/UDP").refs, 1);
	assert_int_equal(test_frontend(&dp, "10.244.1.4:1/UDP@outside").flags, 0);
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 1);
	assert_int_equal(test_vip(&dp, "192.0.2.1").flags, 0);
	assert_int_equal(test_apply(&dp, both).map_writes, 0);
	assert_int_equal(test_update(&dp, both).map_writes, 0);
	nb_datapath_close(&dp);
}

/* A program that looked up one side does not take the other one's element for it, whose place it may have
 * got. */
static void test_seal(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_frontend_key key = { .port = htons(80), .proto = IPPROTO_TCP, .side = NB_SIDE_OUTSIDE };
	struct nb_frontend outside;

	(void)state;
	test_apply(&dp, both);
	assert_true(nb_addr_parse("192.0.2.1", &key.addr));
	outside = test_frontend(&dp, "192.0.2.1:80/TCP@outside");
	assert_int_equal(outside.seal, nb_frontend_seal(&key, &outside));
	key.side = NB_SIDE_INSIDE;
	assert_int_not_equal(outside.seal, nb_frontend_seal(&key, &outside));
	nb_datapath_close(&dp);
}

/* Rows follow each other, by apply and by update, with what the change counts. */
static void test_changes(void **state)
{
	static const char in[] = "a/a x 192.0.2.1:80/TCP external 10.244.0.3:1 10.244.1.3:1\n";
	static const struct {
		const char *text;
		size_t added, changed, removed;
	} rows[] = {
		{ in, 1, 0, 0 },
		{ "a/a x 192.0.2.1:80/TCP external 10.244.0.3:1 10.244.1.3:1\n"
		  "a/a x 192.0.2.1:80/TCP@outside 10.244.0.3:1\n",
		  1, 0, 0 },
		{ "a/a x 192.0.2.1:80/TCP external 10.244.0.3:1 10.244.1.3:1\n"
		  "a/a x 192.0.2.1:80/TCP@outside elsewhere\n",
		  0, 1, 0 },
		{ "a/a x 192.0.2.1:80/TCP external 10.244.1.3:1\n"
		  "a/a x 192.0.2.1:80/TCP@outside elsewhere\n",
		  0, 1, 0 },
		{ "a/a x 192.0.2.1:80/TCP external\na/a x 192.0.2.1:80/TCP@outside\n", 0, 2, 0 },
		{ in, 0, 1, 1 },
		/* A backend that is a frontend itself, on both sides. */
		{ "a/a x 192.0.2.1:80/TCP external 192.0.2.1:80\na/a x 192.0.2.1:80/TCP@outside "
		  "192.0.2.1:80\n",
		  1, 1, 0 },
		{ "a/a x 192.0.2.1:80/TCP external 192.0.2.1:80\na/a x 192.0.2.1:80/TCP@outside\n", 0, 1, 0 },
		/* Both go to another Service. */
		{ "a/b x 192.0.2.1:80/TCP external 10.244.0.3:1\na/b x 192.0.2.1:80/TCP@outside "
		  "10.244.0.4:1\n",
		  0, 2, 0 },
		{ "", 0, 0, 2 },
	};
	static const test_change_fn fns[] = { nb_service_apply, nb_service_update };

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct nb_datapath dp = test_make(&test_roomy);

		for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			/* An update names no other Service: it cannot take an address from one. */
			test_change_fn fn = i < 8 ? fns[f] : nb_service_apply;
			struct nb_service_changes changes = test_run(&dp, fn, rows[i].text, NB_ORIGIN_APPLY);

			print_message("row %zu\n", i);
			test_expect(&dp, rows[i].text);
			test_expect_counts(&changes, rows[i].added, rows[i].changed, rows[i].removed);
		}
		nb_datapath_close(&dp);
	}
}

/* A Service that loses its address to another one loses both sides in one change; by name, as an agent does.
 */
static void test_replace(void **state)
{
	static const char after[] = "a/a x 10.96.0.1:80/TCP\n"
				    "b/b x 192.0.2.1:80/TCP external 10.244.0.5:1\n"
				    "b/b x 192.0.2.1:80/TCP@outside 10.244.0.5:1\n";
	nb_cleanup(nb_service_names_free) struct nb_service_names names = { 0 };
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_services services = test_services(after, NB_ORIGIN_APPLY);
	struct nb_service_changes changes;
	struct nb_error err = { 0 };

	(void)state;
	assert_int_equal(nb_service_names_add(&names, "a/a", NULL), 0);
	assert_int_equal(nb_service_names_add(&names, "b/b", NULL), 0);
	test_apply(&dp, both);
	if (nb_service_replace(&dp, &names, &services, NB_ORIGIN_APPLY, &changes, &err))
		fail_msg("%s", err.msg);
	test_expect(&dp, after);
	test_expect_counts(&changes, 0, 3, 2);
	assert_int_equal(nb_service_delete(&dp, "b/b", NULL, NULL), 0);
	test_expect(&dp, "a/a x 10.96.0.1:80/TCP\n");
	nb_services_free(&services);
	nb_datapath_close(&dp);
}

/* Source ranges are the service port's: both sides have them, and neither loses them by the other. */
static void test_ranges(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_addr addr;
	unsigned int len;

	(void)state;
	assert_true(nb_cidr_parse("203.0.113.0/24", &addr, &len));
	for (size_t n = 2; n--;) { /* with the one outside, without */
		struct nb_services services = test_services("a/a - 192.0.2.1:80/TCP external 10.244.0.3:1\n"
							    "a/a - 192.0.2.1:80/TCP@outside 10.244.0.3:1\n",
							    NB_ORIGIN_APPLY);
		struct nb_services some = { 1 + n, services.items }, read = { 0 };

		for (size_t i = 0; i < services.n; i++) {
			services.items[i].kind = NB_LOAD_BALANCER;
			assert_int_equal(nb_service_add_range(&services.items[i], &addr, len, NULL), 0);
		}
		assert_int_equal(nb_service_apply(&dp, &some, NB_ORIGIN_APPLY, NULL, NULL), 0);
		assert_int_equal(nb_service_read(&dp, &read, NULL), 0);
		assert_int_equal(read.n, 1 + n);
		for (size_t i = 0; i < read.n; i++) {
			assert_int_equal(read.items[i].key.side, i ? NB_SIDE_OUTSIDE : NB_SIDE_INSIDE);
			assert_int_equal(read.items[i].kind, NB_LOAD_BALANCER);
			assert_int_equal(read.items[i].n_ranges, 1);
		}
		nb_services_free(&read);
		nb_services_free(&services);
	}
	nb_datapath_close(&dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_sides), cmocka_unit_test(test_seal),
		cmocka_unit_test(test_changes),    cmocka_unit_test(test_replace),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
