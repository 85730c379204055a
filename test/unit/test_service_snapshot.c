// SPDX-License-Identifier: GPL-2.0-or-later
/* The service maps under apply, update and delete. Real maps: needs root. */
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service_changes.h"

static void test_apply_twice(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes = test_apply(&dp, test_two);

	(void)state;
	test_expect_counts(&changes, 4, 0, 0);
	assert_int_equal(changes.services, 2);
	assert_int_equal(changes.frontends, 4);
	assert_int_equal(changes.backends, 5);
	test_expect(&dp, test_two);

	changes = test_apply(&dp, test_two);
	test_expect_counts(&changes, 0, 0, 0);
	assert_int_equal(changes.map_writes, 0);
	assert_int_equal(changes.services, 2);
	assert_int_equal(changes.backends, 5);

	changes = test_apply(&dp, "");
	test_expect_counts(&changes, 0, 0, 4);
	test_expect(&dp, "");
	changes = test_apply(&dp, "");
	assert_int_equal(changes.map_writes, 0);
	nb_datapath_close(&dp);
}

static void test_update_keeps_others(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes;

	(void)state;
	test_apply(&dp, test_two);
	/* A port gone, a port new, a VIP moved, a name changed; backends shared with another Service. */
	changes = test_update(&dp, "kube-system/dns metrics 10.96.0.2:9153/TCP 10.244.0.5:9153\n"
				   "kube-system/dns dns-udp 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
				   "a/new - 10.96.0.3:80/TCP 10.244.0.3:8080 10.244.0.3:8081\n");
	test_expect_counts(&changes, 2, 1, 1);
	assert_int_equal(changes.services, 3);
	assert_int_equal(changes.frontends, 5);
	assert_int_equal(changes.backends, 7);
	test_expect(&dp, "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080 10.244.0.4:8080\n"
			 "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n"
			 "kube-system/dns metrics 10.96.0.2:9153/TCP 10.244.0.5:9153\n"
			 "kube-system/dns dns-udp 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
			 "a/new - 10.96.0.3:80/TCP 10.244.0.3:8080 10.244.0.3:8081\n");
	assert_int_equal(test_frontend(&dp, "10.244.0.3:8080/TCP").refs, 2);

	changes = test_update(&dp, "a/new - 10.96.0.3:80/TCP\n");
	test_expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_frontend(&dp, "10.244.0.3:8080/TCP").refs, 1);
	assert_int_equal(test_frontend(&dp, "10.244.0.3:8081/TCP").flags, 0);
	/* It costs what it changes: the ledger twice, one frontend, its epoch, the marks of one backend and
	 * of the VIP, which has a backend from now on. */
	changes = test_update(&dp, "a/new - 10.96.0.3:80/TCP 10.244.0.9:1\n");
	assert_in_range(changes.map_writes, 1, 8);
	nb_datapath_close(&dp);
}

/* A frontend's address may be somebody's backend as well. */
static void test_backend_is_frontend(void **state)
{
	static const char chain[] = "a/outer - 10.96.0.1:80/TCP 10.96.0.2:80\n"
				    "b/inner - 10.96.0.2:80/TCP 10.244.0.3:80\n";
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes;

	(void)state;
	test_apply(&dp, chain);
	test_expect(&dp, chain);
	test_update(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.3:80\n");
	test_expect(&dp,
		    "a/outer - 10.96.0.1:80/TCP 10.96.0.3:80\nb/inner - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	test_update(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.2:80\n");
	test_expect(&dp, chain);
	assert_int_equal(nb_service_delete(&dp, "b/inner", &changes, NULL), 0);
	test_expect(&dp, "a/outer - 10.96.0.1:80/TCP 10.96.0.2:80\n");
	nb_datapath_close(&dp);
}

static void test_origins(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes;
	struct nb_services expected, config;

	(void)state;
	test_apply(&dp, "a/one - 10.96.0.1:80/TCP 10.244.0.3:80\nb/two - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	test_run(&dp, nb_service_apply,
		 "a/one - 10.96.1.1:80/TCP 10.244.0.3:80\nc/three - 10.96.1.3:80/TCP\n", NB_ORIGIN_CONFIG);
	test_expect_refused(&dp, nb_service_apply, "x/y - 10.96.1.3:80/TCP\n", NB_ORIGIN_APPLY,
			    "Service c/three and Service x/y both claim 10.96.1.3:80/TCP");
	test_expect_refused(&dp, nb_service_update, "x/y - 10.96.1.3:80/TCP\n", NB_ORIGIN_APPLY,
			    "Service c/three and Service x/y both claim 10.96.1.3:80/TCP");
	test_expect_refused(&dp, nb_service_apply, "a/one - 10.96.0.1:80/TCP\n", NB_ORIGIN_CONFIG,
			    "Service a/one and Service a/one both claim 10.96.0.1:80/TCP");

	/* Each source removes only its own frontends and leaves those of the other alone. */
	changes = test_run(&dp, nb_service_apply, "c/three - 10.96.1.3:80/TCP\n", NB_ORIGIN_CONFIG);
	test_expect_counts(&changes, 0, 0, 1);
	changes = test_run(&dp, nb_service_apply, "c/three - 10.96.1.3:80/TCP\n", NB_ORIGIN_CONFIG);
	assert_int_equal(changes.map_writes, 0);
	changes = test_apply(&dp, "b/two - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	test_expect_counts(&changes, 0, 0, 1);

	expected = test_services("b/two - 10.96.0.2:80/TCP 10.244.0.3:80\nc/three - 10.96.1.3:80/TCP\n",
				 NB_ORIGIN_APPLY);
	expected.items[1].origin = NB_ORIGIN_CONFIG;
	test_expect_tables(&dp, &expected);
	config = (struct nb_services){ 1, &expected.items[1] };
	test_run(&dp, nb_service_apply, "", NB_ORIGIN_APPLY);
	test_expect_tables(&dp, &config);
	nb_services_free(&expected);
	nb_datapath_close(&dp);
}

static void test_delete_unknown(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	char long_name[300];
	struct nb_error err = { 0 };

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	test_apply(&dp, test_two);
	assert_int_equal(nb_service_delete(&dp, "default/we", NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "there is no Service default/we");
	assert_int_equal(nb_service_delete(&dp, "", NULL, &err), -ENOENT);
	assert_int_equal(nb_service_delete(&dp, long_name, NULL, &err), -ENOENT);
	test_expect(&dp, test_two);
	nb_datapath_close(&dp);
}

static void test_no_capacity(void **state)
{
	static const char full[] = "a/a - 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\n"
				   "b/b - 10.0.0.2:1/TCP 10.1.0.3:1 !10.1.0.4:1\n";
	static const char third[] = "c/c - 10.0.0.3:1/TCP 10.1.0.1:1\n";
	static const struct {
		struct nb_test_sizes sizes;
		const char *message;
	} rows[] = {
		{ { 9, 5, 4 },
		  "too many services for this network: 10 frontends and addresses of backends needed, "
		  "its map frontends holds at most 9: No space left on device" },
		{ { 10, 4, 4 },
		  "too many services for this network: 5 backends needed, "
		  "its map backends holds at most 4: No space left on device" },
		{ { 10, 5, 3 },
		  "too many services for this network: 4 ports of Services needed, "
		  "its map services holds at most 3: No space left on device" },
	};
	char both[512];

	(void)state;
	snprintf(both, sizeof(both), "%s%s", full, third);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct nb_datapath dp = test_make(&rows[i].sizes);

		test_apply(&dp, full);
		test_expect_refused(&dp, nb_service_update, third, NB_ORIGIN_APPLY, rows[i].message);
		test_expect_refused(&dp, nb_service_apply, both, NB_ORIGIN_APPLY, rows[i].message);
		test_expect(&dp, full);
		nb_datapath_close(&dp);
	}
}

/* backends[] cannot hold all new sets beside the old ones: they are switched one after the other. */
static void test_little_capacity(void **state)
{
	static const struct nb_test_sizes tight = { 256, 7, 256 };
	struct nb_datapath dp = test_make(&tight);

	(void)state;
	test_apply(&dp,
		   "a/a - 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\nb/b - 10.0.0.2:1/TCP 10.1.0.3:1 10.1.0.4:1\n"
		   "c/c - 10.0.0.3:1/TCP 10.1.0.1:1\n");
	test_apply(&dp,
		   "a/a - 10.0.0.1:1/TCP 10.1.0.1:2 10.1.0.2:2\nb/b - 10.0.0.2:1/TCP 10.1.0.3:2 10.1.0.4:2\n"
		   "c/d - 10.0.0.3:1/TCP 10.1.0.1:2 10.1.0.2:2\n");
	test_expect(&dp,
		    "a/a - 10.0.0.1:1/TCP 10.1.0.1:2 10.1.0.2:2\nb/b - 10.0.0.2:1/TCP 10.1.0.3:2 10.1.0.4:2\n"
		    "c/d - 10.0.0.3:1/TCP 10.1.0.1:2 10.1.0.2:2\n");
	nb_datapath_close(&dp);
}

/* Numbers of sets and services wrap around; those in use are skipped. */
static void test_numbers_wrap_around(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_settings settings;
	struct nb_frontend one, two_;

	(void)state;
	assert_int_equal(nb_settings_read(&dp, &settings, NULL), 0);
	settings.next_set = 0xffffffff;
	settings.next_service = NB_MAX_SERVICE_PORTS - 1;
	assert_int_equal(nb_settings_write(&dp, &settings, NULL), 0);
	test_apply(&dp, "a/one - 10.96.0.1:80/TCP 10.244.0.3:80\n");
	test_update(&dp, "b/two - 10.96.0.2:80/TCP 10.244.0.3:80\n");
	one = test_frontend(&dp, "10.96.0.1:80/TCP");
	two_ = test_frontend(&dp, "10.96.0.2:80/TCP");
	assert_int_equal(one.set, 0xffffffff);
	assert_int_equal(two_.set, 1);
	assert_int_equal(one.service, NB_MAX_SERVICE_PORTS - 1);
	assert_int_equal(two_.service, 1);

	assert_int_equal(nb_settings_read(&dp, &settings, NULL), 0);
	settings.next_set = 0xffffffff;
	settings.next_service = NB_MAX_SERVICE_PORTS - 1;
	assert_int_equal(nb_settings_write(&dp, &settings, NULL), 0);
	test_update(&dp, "c/three - 10.96.0.3:80/TCP 10.244.0.3:80\n");
	assert_int_equal(test_frontend(&dp, "10.96.0.3:80/TCP").set, 2);
	assert_int_equal(test_frontend(&dp, "10.96.0.3:80/TCP").service, 2);
	test_expect(&dp, "a/one - 10.96.0.1:80/TCP 10.244.0.3:80\nb/two - 10.96.0.2:80/TCP 10.244.0.3:80\n"
			 "c/three - 10.96.0.3:80/TCP 10.244.0.3:80\n");
	nb_datapath_close(&dp);
}

/* An apply repairs whatever the maps hold. */
static void test_foreign_elements(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_frontend_key frontend = { .port = 1, .proto = IPPROTO_TCP };
	struct nb_frontend unowned = { .flags = NB_FRONTEND_SERVICE | NB_FRONTEND_BACKEND,
				       .refs = 7,
				       .set = 99,
				       .count = 3,
				       .service = 1 };
	struct nb_backend_key stray = { 77, 3 };
	struct nb_backend backend = { .port = 5 };
	struct nb_service_key name = { .name = "default/web", .index = 9 };
	struct nb_service_entry entry = { .frontend = frontend, .origin = 4711 };

	(void)state;
	test_apply(&dp, test_two);
	bpf_map_update_elem(dp.map_fd[NB_MAP_FRONTENDS], &frontend, &unowned, BPF_ANY);
	bpf_map_update_elem(dp.map_fd[NB_MAP_BACKENDS], &stray, &backend, BPF_ANY);
	bpf_map_update_elem(dp.map_fd[NB_MAP_SERVICES], &name, &entry, BPF_ANY);
	stray.set = test_frontend(&dp, "10.96.0.10:80/TCP").set;
	stray.index = 1;
	assert_int_equal(bpf_map_delete_elem(dp.map_fd[NB_MAP_BACKENDS], &stray), 0);
	test_apply(&dp, test_two);
	test_expect(&dp, test_two);
	nb_datapath_close(&dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_twice),         cmocka_unit_test(test_update_keeps_others),
		cmocka_unit_test(test_backend_is_frontend), cmocka_unit_test(test_origins),
		cmocka_unit_test(test_delete_unknown),      cmocka_unit_test(test_no_capacity),
		cmocka_unit_test(test_little_capacity),     cmocka_unit_test(test_numbers_wrap_around),
		cmocka_unit_test(test_foreign_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
