// SPDX-License-Identifier: GPL-2.0-or-later
/* Applies a text and compares the maps with another one. */
#include "lib/maps/layout.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

#include "service_changes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

const struct nb_test_sizes test_roomy = { 256, 256, 256 };

const char test_two[] = "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080 10.244.0.4:8080\n"
			"default/web http [fd00::10]:80/TCP [fd01::3]:8080\n"
			"kube-system/dns dns 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
			"kube-system/dns dns-tcp 10.96.0.2:53/TCP 10.244.0.5:53\n";

/* The maps of one test, or the test is skipped with the reason. */
struct nb_datapath test_make(const struct nb_test_sizes *sizes)
{
	struct nb_datapath dp;

	if (!test_maps_make(&dp, sizes)) {
		print_message("# cannot make eBPF maps here: %s\n", strerror(errno));
		nb_datapath_close(&dp);
		skip();
	}
	return dp;
}

struct nb_service_changes test_run(const struct nb_datapath *dp, test_change_fn fn, const char *text,
				   enum nb_service_origin origin)
{
	struct nb_services services = test_services(text, origin);
	struct nb_service_changes changes = { 0 };
	struct nb_error err = { 0 };

	if (fn(dp, &services, origin, &changes, &err))
		fail_msg("%s", err.msg);
	nb_services_free(&services);
	return changes;
}

struct nb_service_changes test_apply(const struct nb_datapath *dp, const char *text)
{
	return test_run(dp, nb_service_apply, text, NB_ORIGIN_APPLY);
}

struct nb_service_changes test_update(const struct nb_datapath *dp, const char *text)
{
	return test_run(dp, nb_service_update, text, NB_ORIGIN_APPLY);
}

void test_expect_refused(const struct nb_datapath *dp, test_change_fn fn, const char *text,
			 enum nb_service_origin origin, const char *message)
{
	struct nb_services services = test_services(text, origin);
	struct nb_service_changes changes = { 0 };
	struct nb_error err = { 0 };

	assert_true(fn(dp, &services, origin, &changes, &err) < 0);
	assert_string_equal(err.msg, message);
	nb_services_free(&services);
}

void test_expect(const struct nb_datapath *dp, const char *text)
{
	struct nb_services services = test_services(text, NB_ORIGIN_APPLY);

	test_expect_tables(dp, &services);
	nb_services_free(&services);
}

void test_expect_counts(const struct nb_service_changes *is, size_t added, size_t changed, size_t removed)
{
	assert_int_equal(is->added, added);
	assert_int_equal(is->changed, changed);
	assert_int_equal(is->removed, removed);
}
