// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes of Services, killed before each of their writes, and the next change. Real maps: needs root. */
#include "lib/maps/layout.h"
#include "lib/service/change.h"
#include "lib/service/service.h"

#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "service_changes.h"

static const char before_kill[] = "a/a x 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\n"
				  "a/a y 10.0.0.1:2/TCP 10.1.0.1:2\n"
				  "a/a z 10.0.0.1:3/UDP 10.1.0.1:3 !10.1.0.5:3\n"
				  "b/gone - 10.0.0.2:1/TCP 10.1.0.2:1\n"
				  "c/moved - 10.0.0.3:1/TCP 10.1.0.3:1\n"
				  "d/same - 10.0.0.4:1/TCP 10.1.0.1:1 10.0.0.1:1\n"
				  "f/sides - 10.0.0.6:1/TCP external 10.1.0.6:1 10.1.0.7:1\n"
				  "f/sides - 10.0.0.6:1/TCP@outside 10.1.0.6:1\n"
				  "f/sides - 10.0.0.7:1/TCP external 10.1.0.6:1\n"
				  "f/sides - 10.0.0.7:1/TCP@outside 10.1.0.6:1\n";
static const char after_kill[] = "a/a x 10.0.0.1:1/TCP 10.1.0.2:1 10.1.0.4:1\n"
				 "a/a x [fd00::1]:1/TCP [fd01::1]:1\n"
				 "a/a zz 10.0.0.1:3/UDP 10.1.0.1:3\n"
				 "c/new - 10.0.0.3:1/TCP 10.1.0.3:1\n"
				 "d/same - 10.0.0.4:1/TCP 10.1.0.1:1 10.0.0.1:1\n"
				 "e/empty - 10.0.0.5:1/TCP\n"
				 "f/sides - 10.0.0.6:1/TCP external 10.1.0.7:1\n"
				 "f/sides - 10.0.0.6:1/TCP@outside 10.1.0.8:1\n";

/* Runs the change in a child that ends before its n-th write. False: it finished. */
static bool killed_at(const struct nb_datapath *dp, test_change_fn fn, const char *text, long n)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct nb_services services = test_services(text, NB_ORIGIN_APPLY);

		test_end_at_write(n);
		_exit(fn(dp, &services, NB_ORIGIN_APPLY, NULL, NULL) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) != 42)
		assert_int_equal(WEXITSTATUS(status), 0);
	return WEXITSTATUS(status) == 42;
}

/* After a killed change, and one of another Service, each frontend is as before or as after the first. */
static void expect_before_or_after(const struct nb_datapath *dp)
{
	struct nb_services read = { 0 };

	assert_string_equal(test_torn(dp), "");
	assert_int_equal(nb_service_read(dp, &read, NULL), 0);
	test_expect_tables(dp, &read);
	nb_services_free(&read);
}

/* What a connection that begins now knows: the backends of its frontend, and the epoch. */
struct moment {
	struct nb_services services;
	__u32 epoch;
};

static struct moment look(const struct nb_datapath *dp)
{
	struct moment moment = { .epoch = test_settings(dp).epoch };

	assert_int_equal(nb_service_read(dp, &moment.services, NULL), 0);
	return moment;
}

static bool same_backends(const struct nb_service *x, const struct nb_service *y)
{
	return x->n_eligible == y->n_eligible && x->n_backends == y->n_backends &&
	       nb_service_digest(x->backends, x->n_backends) == nb_service_digest(y->backends, y->n_backends);
}

/* A connection of that moment checks its frontend again if its backends are others now, or it is gone. */
static void expect_noticed(const struct nb_datapath *dp, const struct moment *then)
{
	struct moment now = look(dp);

	for (size_t i = 0; i < then->services.n; i++) {
		const struct nb_service *was = &then->services.items[i], *is = NULL;
		struct nb_frontend element;

		for (size_t k = 0; k < now.services.n && !is; k++)
			if (!memcmp(&now.services.items[k].key, &was->key, sizeof(was->key)))
				is = &now.services.items[k];
		if (is && same_backends(is, was))
			continue;
		assert_int_not_equal(now.epoch, then->epoch);
		if (!is)
			continue;
		assert_int_equal(bpf_map_lookup_elem(dp->map_fd[NB_MAP_FRONTENDS], &is->key, &element), 0);
		assert_true((__s32)(element.epoch - then->epoch) > 0);
	}
	nb_services_free(&now.services);
}

/* After the kill, another Service changes first, or the same change runs again, which may find all done. */
static void kill_at_every_write(test_change_fn fn, const char *text, const char *last, bool other_first)
{
	bool killed = true;
	long n;

	for (n = 0; killed && n < 500; n++) {
		struct nb_datapath dp = test_make(&test_roomy);
		struct moment before, during;

		test_apply(&dp, before_kill);
		before = look(&dp);
		killed = killed_at(&dp, fn, text, n);
		assert_string_equal(test_torn(&dp), "");
		during = look(&dp);
		if (other_first) {
			test_update(&dp, "z/other - 10.0.0.9:1/TCP 10.1.0.9:1\n");
			expect_before_or_after(&dp);
			expect_noticed(&dp, &before);
			expect_noticed(&dp, &during);
		}
		test_run(&dp, fn, text, NB_ORIGIN_APPLY);
		expect_noticed(&dp, &before);
		expect_noticed(&dp, &during);
		if (other_first && fn == nb_service_update)
			assert_int_equal(nb_service_delete(&dp, "z/other", NULL, NULL), 0);
		test_expect(&dp, last);
		nb_services_free(&before.services);
		nb_services_free(&during.services);
		nb_datapath_close(&dp);
	}
	print_message("# %ld kills\n", n - 1);
	assert_in_range(n, 30, 499);
}

static void test_killed_apply(void **state)
{
	(void)state;
	kill_at_every_write(nb_service_apply, after_kill, after_kill, true);
	kill_at_every_write(nb_service_apply, after_kill, after_kill, false);
}

static void test_killed_update(void **state)
{
	static const char change[] = "a/a x 10.0.0.1:1/TCP 10.1.0.2:1 10.1.0.4:1\n"
				     "a/a x [fd00::1]:1/TCP [fd01::1]:1\n"
				     "a/a zz 10.0.0.1:3/UDP 10.1.0.1:3\n"
				     "b/gone - 10.0.0.2:1/TCP\n"
				     "e/empty - 10.0.0.5:1/TCP\n"
				     "f/sides - 10.0.0.6:1/TCP external 10.1.0.7:1\n"
				     "f/sides - 10.0.0.6:1/TCP@outside 10.1.0.8:1\n";
	char last[1024];

	(void)state;
	snprintf(last, sizeof(last), "%s%s", change,
		 "c/moved - 10.0.0.3:1/TCP 10.1.0.3:1\n"
		 "d/same - 10.0.0.4:1/TCP 10.1.0.1:1 10.0.0.1:1\n");
	kill_at_every_write(nb_service_update, change, last, true);
	kill_at_every_write(nb_service_update, change, last, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_apply),
		cmocka_unit_test(test_killed_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
