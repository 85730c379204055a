// SPDX-License-Identifier: GPL-2.0-or-later
/* The plain model of services: order, doubles, digest, text. */
#include "lib/service/service.h"
#include "lib/util/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service_maps.h"

static void test_normalize(void **state)
{
	struct nb_services services =
		test_services("b/b - 10.96.0.2:80/TCP\n"
			      "a/a y [fd00::1]:80/TCP\n"
			      "a/a y 10.96.0.1:80/TCP\n"
			      "a/a z 10.96.0.1:80/UDP\n"
			      "a/a x 10.96.0.1:9/TCP 10.0.0.2:1 10.0.0.1:300 10.0.0.1:2 10.0.0.2:1\n",
			      NB_ORIGIN_APPLY);
	static const char *const order[] = { "10.96.0.1:9/TCP", "10.96.0.1:80/TCP", "[fd00::1]:80/TCP",
					     "10.96.0.1:80/UDP", "10.96.0.2:80/TCP" };
	const struct nb_service_backend *backends = services.items[0].backends;
	char buf[NB_FRONTEND_STRLEN];

	(void)state;
	assert_int_equal(services.n, 5);
	for (size_t i = 0; i < services.n; i++)
		assert_string_equal(nb_frontend_format(&services.items[i].key, buf), order[i]);
	assert_int_equal(services.items[0].n_backends, 3);
	assert_int_equal(backends[0].port, htons(2));
	assert_int_equal(backends[1].port, htons(300));
	assert_int_equal(backends[2].port, htons(1));
	nb_services_free(&services);
	assert_int_equal(services.n, 0);
	assert_null(services.items);
	nb_services_free(&services);
}

/* What clients outside meet stands behind the same address and port inside, and says so. */
static void test_sides(void **state)
{
	static const char *const order[] = { "10.96.0.1:80/TCP", "192.0.2.1:80/TCP",
					     "192.0.2.1:80/TCP (outside)", "[2001:db8::1]:80/TCP",
					     "[2001:db8::1]:80/TCP (outside)" };
	struct nb_services services = test_services("a/a - [2001:db8::1]:80/TCP@outside [fd01::3]:1\n"
						    "a/a - 192.0.2.1:80/TCP@outside 10.0.0.1:1\n"
						    "a/a - [2001:db8::1]:80/TCP external [fd01::4]:1\n"
						    "a/a - 192.0.2.1:80/TCP external 10.0.0.2:1\n"
						    "a/a - 10.96.0.1:80/TCP 10.0.0.2:1\n",
						    NB_ORIGIN_APPLY);
	char buf[NB_FRONTEND_STRLEN];

	(void)state;
	assert_int_equal(services.n, 5);
	for (size_t i = 0; i < services.n; i++)
		assert_string_equal(nb_frontend_format(&services.items[i].key, buf), order[i]);
	assert_int_equal(nb_frontend_compare_place(&services.items[1].key, &services.items[2].key), 0);
	assert_true(nb_frontend_compare_place(&services.items[2].key, &services.items[3].key) < 0);
	nb_services_free(&services);
}

/* A view shares backends, and leaves the frontends of clients outside out where they never come. */
static void test_view(void **state)
{
	struct nb_services services = test_services("a/a - 10.96.0.1:80/TCP 10.0.0.1:1\n"
						    "a/a - 192.0.2.1:80/TCP external 10.0.0.1:1\n"
						    "a/a - 192.0.2.1:80/TCP@outside 10.0.0.2:1\n"
						    "b/b - 192.0.2.2:80/TCP@outside\n",
						    NB_ORIGIN_APPLY);
	struct nb_services none = { 0 }, view = { 0 };

	(void)state;
	assert_int_equal(nb_services_view(&services, false, &view, NULL), 0);
	assert_int_equal(view.n, 2);
	for (size_t i = 0; i < view.n; i++) {
		assert_memory_equal(&view.items[i], &services.items[i], sizeof(view.items[i]));
		view.items[i].on_host = true;
		assert_false(services.items[i].on_host);
	}
	nb_services_view_free(&view);
	assert_int_equal(view.n, 0);
	assert_int_equal(nb_services_view(&services, true, &view, NULL), 0);
	assert_int_equal(view.n, 4);
	assert_memory_equal(view.items, services.items, view.n * sizeof(*view.items));
	nb_services_view_free(&view);
	assert_int_equal(nb_services_view(&none, false, &view, NULL), 0);
	assert_int_equal(view.n, 0);
	nb_services_view_free(&view);
	nb_services_free(&services);
}

static void test_double_frontend(void **state)
{
	struct nb_services services = test_services("a/a - [fd00::1]:53/UDP\n", NB_ORIGIN_APPLY);
	struct nb_service *other = nb_services_add(&services, NULL);
	struct nb_error err = { 0 };

	(void)state;
	snprintf(other->name, sizeof(other->name), "b/b");
	other->key = services.items[0].key;
	assert_true(nb_services_normalize(&services, &err) < 0);
	assert_int_equal(err.code, NB_ERR_CONFIG);
	assert_string_equal(err.msg, "Service a/a and Service b/b both claim [fd00::1]:53/UDP");
	nb_services_free(&services);
}

static void test_digest(void **state)
{
	struct nb_services services = test_services("a/a - 10.0.0.1:1/TCP 10.1.0.1:1 10.1.0.2:1\n"
						    "a/a - 10.0.0.1:2/TCP 10.1.0.2:1 10.1.0.1:1\n"
						    "a/a - 10.0.0.1:3/TCP 10.1.0.1:1 10.1.0.2:2\n"
						    "a/a - 10.0.0.1:4/TCP 10.1.0.1:1\n",
						    NB_ORIGIN_APPLY);
	__u64 digests[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < services.n; i++)
		digests[i] = nb_service_digest(services.items[i].backends, services.items[i].n_backends);
	assert_true(digests[0] == digests[1]);
	assert_true(digests[0] != digests[2]);
	assert_true(digests[0] != digests[3]);
	/* It stands in pinned maps: another result would look like a change of every service. */
	assert_true(nb_service_digest(NULL, 0) == 0xcbf29ce484222325ULL);
	nb_services_free(&services);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_normalize), cmocka_unit_test(test_sides),
		cmocka_unit_test(test_view),      cmocka_unit_test(test_double_frontend),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
