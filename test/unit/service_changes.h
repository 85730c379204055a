/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_UNIT_SERVICE_CHANGES_H
#define NATBRIDGE_TEST_UNIT_SERVICE_CHANGES_H

/* Changes of real service maps in one line each, in the notation of test_services(). */

#include "lib/maps/layout.h"
#include "lib/service/service.h"
#include "lib/util/error.h"

#include "service_maps.h"

extern const struct nb_test_sizes test_roomy;

/* Two Services of two frontends each, five backends. */
extern const char test_two[];

/* The maps of one test, or the test is skipped with the reason. */
struct nb_datapath test_make(const struct nb_test_sizes *sizes);

typedef int (*test_change_fn)(const struct nb_datapath *dp, const struct nb_services *services,
			      enum nb_service_origin origin, struct nb_service_changes *changes,
			      struct nb_error *err);

/* Fails the test if the change does. The short ones are of origin NB_ORIGIN_APPLY. */
struct nb_service_changes test_run(const struct nb_datapath *dp, test_change_fn fn, const char *text,
				   enum nb_service_origin origin);
struct nb_service_changes test_apply(const struct nb_datapath *dp, const char *text);
struct nb_service_changes test_update(const struct nb_datapath *dp, const char *text);

/* Fails the test unless the change fails with that message. */
void test_expect_refused(const struct nb_datapath *dp, test_change_fn fn, const char *text,
			 enum nb_service_origin origin, const char *message);

/* test_expect_tables() for services of origin NB_ORIGIN_APPLY. */
void test_expect(const struct nb_datapath *dp, const char *text);

void test_expect_counts(const struct nb_service_changes *is, size_t added, size_t changed, size_t removed);

#endif
