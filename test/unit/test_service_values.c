// SPDX-License-Identifier: GPL-2.0-or-later
/* What programs read of Services beside addresses: epochs, marks, draining backends, bounds. Needs root. */
#include "lib/maps/layout.h"
#include "lib/maps/prefix.h"
#include "lib/maps/settings.h"
#include "lib/service/change.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/error.h"

#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service_changes.h"

/*
 * A change moves the epoch on, and that of its own frontends and of no other. The addresses of one service
 * port share a number.
 */
static void test_epochs(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes;
	__u32 epoch, web, dns;

	(void)state;
	test_apply(&dp, test_two);
	epoch = test_settings(&dp).epoch;
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").epoch, epoch);
	web = test_frontend(&dp, "10.96.0.10:80/TCP").service;
	dns = test_frontend(&dp, "10.96.0.2:53/UDP").service;
	assert_int_equal(web, test_frontend(&dp, "[fd00::10]:80/TCP").service);
	assert_int_not_equal(web, dns);
	assert_int_not_equal(dns, test_frontend(&dp, "10.96.0.2:53/TCP").service);

	changes = test_update(&dp, "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080\n"
				   "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n");
	test_expect_counts(&changes, 0, 1, 0);
	assert_int_equal(web, test_frontend(&dp, "10.96.0.10:80/TCP").service);
	assert_int_equal(test_settings(&dp).epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "[fd00::10]:80/TCP").epoch, epoch);
	assert_int_equal(test_frontend(&dp, "10.96.0.2:53/UDP").epoch, epoch);

	/* Nothing but what becomes of a backend changes. */
	changes = test_update(&dp, "default/web http 10.96.0.10:80/TCP !10.244.0.3:8080\n"
				   "default/web http [fd00::10]:80/TCP [fd01::3]:8080\n");
	test_expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").epoch, epoch + 2);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").count, 0);
	assert_int_equal(test_frontend(&dp, "10.96.0.10:80/TCP").known, 1);

	assert_int_equal(nb_service_delete(&dp, "default/web", &changes, NULL), 0);
	test_expect_counts(&changes, 0, 0, 2);
	assert_int_equal(changes.services, 1);
	assert_int_equal(test_settings(&dp).epoch, epoch + 3);
	test_expect(&dp, "kube-system/dns dns 10.96.0.2:53/UDP ~30 10.244.0.5:53\n"
			 "kube-system/dns dns-tcp 10.96.0.2:53/TCP 10.244.0.5:53\n");
	nb_datapath_close(&dp);
}

/* What the programs do not read leaves the epoch alone; affinity and a number that moves to them do not. */
static void test_epoch_of_names(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes;
	__u32 epoch;

	(void)state;
	test_apply(&dp, "a/a x 10.96.0.1:80/TCP 10.244.0.3:80\n");
	epoch = test_settings(&dp).epoch;
	changes = test_update(&dp, "a/a y 10.96.0.1:80/TCP 10.244.0.3:80\n");
	test_expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_settings(&dp).epoch, epoch);
	changes = test_update(&dp, "a/a y 10.96.0.1:80/TCP ~60 10.244.0.3:80\n");
	test_expect_counts(&changes, 0, 1, 0);
	assert_int_equal(test_settings(&dp).epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "10.96.0.1:80/TCP").epoch, epoch + 1);
	assert_int_equal(test_frontend(&dp, "10.96.0.1:80/TCP").affinity, 60);
	changes = test_apply(&dp, "b/b y 10.96.0.1:80/TCP ~60 10.244.0.3:80\n");
	assert_int_equal(test_frontend(&dp, "10.96.0.1:80/TCP").epoch, test_settings(&dp).epoch);
	test_expect(&dp, "b/b y 10.96.0.1:80/TCP ~60 10.244.0.3:80\n");
	nb_datapath_close(&dp);
}

/* An address is marked while a frontend has it. The mark counts frontends, and those without a backend. */
static void test_vip_marks(void **state)
{
	static const char other[] = "b/b - 10.96.0.1:443/TCP\n";
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_frontend mark;

	(void)state;
	test_apply(&dp, "a/a - 10.96.0.1:80/TCP 10.244.0.3:80\na/a - 10.96.0.1:80/UDP 10.244.0.3:80\n"
			"a/a - [fd00::1]:80/TCP [fd01::3]:80\n");
	mark = test_vip(&dp, "10.96.0.1");
	assert_int_equal(mark.flags, NB_FRONTEND_VIP);
	assert_int_equal(mark.refs, 2);
	assert_int_equal(mark.count, 0);
	assert_int_equal(test_vip(&dp, "fd00::1").refs, 1);
	assert_int_equal(test_vip(&dp, "10.244.0.3").flags, 0);

	test_update(&dp, other);
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 3);
	assert_int_equal(test_vip(&dp, "10.96.0.1").count, 1); /* one of which has no backend */
	test_update(&dp, "a/a - 10.96.0.1:80/UDP !10.244.0.3:80\n");
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 2);
	assert_int_equal(test_vip(&dp, "10.96.0.1").count, 2); /* a draining one takes no new connections */
	test_update(&dp, "a/a - 10.96.0.1:80/UDP 10.244.0.3:80\n");
	assert_int_equal(test_vip(&dp, "10.96.0.1").count, 1);
	assert_int_equal(test_vip(&dp, "fd00::1").flags, 0);
	assert_int_equal(nb_service_delete(&dp, "a/a", NULL, NULL), 0);
	assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 1);
	test_expect(&dp, other);
	assert_int_equal(nb_service_delete(&dp, "b/b", NULL, NULL), 0);
	assert_int_equal(test_vip(&dp, "10.96.0.1").flags, 0);
	test_expect(&dp, "");
	nb_datapath_close(&dp);
}

/* The mark says whether the host had the address when its frontends were last applied. */
static void test_vip_on_host(void **state)
{
	static const char text[] =
		"a/a - 10.96.0.1:80/TCP 10.244.0.3:80\na/a - 10.96.0.1:80/UDP 10.244.0.3:80\n"
		"b/b - 10.96.0.2:80/TCP 10.244.0.3:80\n";
	static int (*const fns[])(const struct nb_datapath *, const struct nb_services *,
				  enum nb_service_origin, struct nb_service_changes *,
				  struct nb_error *) = { nb_service_apply, nb_service_update };
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_error err = { 0 };

	(void)state;
	for (int times = 0; times < 8; times++) { /* comes, stays, goes, is gone; by both functions */
		struct nb_services services = test_services(text, NB_ORIGIN_APPLY);
		struct nb_service_changes changes = { 0 };
		bool on_host = times % 4 < 2;

		for (size_t i = 0; i < services.n; i++)
			services.items[i].on_host = on_host && !strcmp(services.items[i].name, "a/a");
		assert_int_equal(fns[times / 4](&dp, &services, NB_ORIGIN_APPLY, &changes, &err), 0);
		assert_int_equal(test_vip(&dp, "10.96.0.1").known, on_host);
		assert_int_equal(test_vip(&dp, "10.96.0.1").refs, 2);
		assert_int_equal(test_vip(&dp, "10.96.0.2").known, 0);
		assert_int_equal(changes.changed, times && times % 2 == 0 ? 2 : 0);
		nb_services_free(&services);
	}
	nb_datapath_close(&dp);
}

/* Backends that only keep what they have: which ones they are is part of the set. */
static void test_draining(void **state)
{
	static const char rows[][128] = {
		"a/a - 10.96.0.1:80/UDP 10.244.0.3:80 !10.244.0.4:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP 10.244.0.4:80 !10.244.0.3:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP !10.244.0.3:80 !10.244.0.4:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP 10.244.0.3:80 10.244.0.4:80 10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP 10.244.0.3:80 10.244.0.4:80 !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP !10.244.0.5:80\n",
		"a/a - 10.96.0.1:80/UDP\n",
	};
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_service_changes changes;

	(void)state;
	test_apply(&dp, rows[0]);
	for (size_t i = 1; i < sizeof(rows) / sizeof(*rows); i++) {
		__u32 epoch = test_settings(&dp).epoch;

		changes = i % 2 ? test_update(&dp, rows[i]) : test_apply(&dp, rows[i]);
		test_expect_counts(&changes, 0, 1, 0);
		test_expect(&dp, rows[i]);
		assert_int_equal(test_frontend(&dp, "10.96.0.1:80/UDP").epoch, epoch + 1);
		assert_int_equal(test_apply(&dp, rows[i]).map_writes, 0);
	}
	/* Half of a pair of them lost: only a whole snapshot can tell. */
	test_apply(&dp, rows[0]);
	assert_int_equal(bpf_map_delete_elem(
				 dp.map_fd[NB_MAP_BACKENDS],
				 &(struct nb_backend_key){ test_frontend(&dp, "10.96.0.1:80/UDP").set, 2 }),
			 0);
	test_apply(&dp, rows[0]);
	test_expect(&dp, rows[0]);
	nb_datapath_close(&dp);
}

static void expect_bounds(const struct nb_datapath *dp, const char *v6, const char *v4)
{
	const char *wanted[2] = { v6, v4 };
	struct nb_settings settings = test_settings(dp);

	for (int i = 0; i < 2; i++) {
		struct nb_prefix prefix = nb_prefix_none();
		struct nb_addr addr;
		unsigned int len;

		if (wanted[i]) {
			assert_true(nb_cidr_parse(wanted[i], &addr, &len));
			prefix = nb_prefix_make(&addr, len);
		}
		assert_memory_equal(&settings.vips[i], &prefix, sizeof(prefix));
	}
}

/* A change of some Services widens the bounds of all VIPs, an apply of all makes them tight again. */
static void test_bounds(void **state)
{
	struct nb_datapath dp = test_make(&test_roomy);
	struct nb_settings settings;
	struct nb_addr addr;
	unsigned int len;

	(void)state;
	expect_bounds(&dp, NULL, NULL);
	test_apply(&dp, "a/a - 10.96.0.1:80/TCP\n");
	expect_bounds(&dp, NULL, "10.96.0.1/32");
	test_update(&dp, "b/b - 10.96.0.14:80/TCP\nb/b - [fd00::10]:80/TCP\n");
	expect_bounds(&dp, "fd00::10/128", "10.96.0.0/28");
	assert_int_equal(nb_service_delete(&dp, "b/b", NULL, NULL), 0);
	expect_bounds(&dp, "fd00::10/128", "10.96.0.0/28");
	test_run(&dp, nb_service_apply, "c/c - 192.0.2.1:80/TCP\n", NB_ORIGIN_CONFIG);
	expect_bounds(&dp, "fd00::10/128", "0.0.0.0/0");
	test_run(&dp, nb_service_apply, "", NB_ORIGIN_CONFIG);
	test_apply(&dp, "a/a - 10.96.0.1:80/TCP\n");
	expect_bounds(&dp, NULL, "10.96.0.1/32");
	assert_int_equal(test_apply(&dp, "a/a - 10.96.0.1:80/TCP\n").map_writes, 0);

	/* The bounds hold the service ranges too, and all other settings stay. */
	settings = test_settings(&dp);
	settings.timeouts[NB_TIMEOUT_UDP] = 4711;
	assert_true(nb_cidr_parse("10.96.0.0/16", &addr, &len));
	settings.service_cidrs[0] = nb_prefix_make(&addr, len);
	settings.n_service_cidrs = 1;
	assert_int_equal(nb_settings_write(&dp, &settings, NULL), 0);
	test_apply(&dp, "a/a - 10.97.0.1:80/TCP\n");
	expect_bounds(&dp, NULL, "10.96.0.0/15");
	test_apply(&dp, "");
	expect_bounds(&dp, NULL, "10.96.0.0/16");
	assert_int_equal(test_settings(&dp).timeouts[NB_TIMEOUT_UDP], 4711);
	nb_datapath_close(&dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epochs),    cmocka_unit_test(test_epoch_of_names),
		cmocka_unit_test(test_vip_marks), cmocka_unit_test(test_vip_on_host),
		cmocka_unit_test(test_draining),  cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
