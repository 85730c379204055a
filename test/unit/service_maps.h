/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_UNIT_SERVICE_MAPS_H
#define NATBRIDGE_TEST_UNIT_SERVICE_MAPS_H

/* Real service maps without programs, Services from text, and a check of all maps that does not use lib. */

#include "lib/maps/layout.h"
#include "lib/service/service.h"

struct nb_test_sizes {
	__u32 frontends, backends, services;
};

/* Makes the maps; false: not permitted here (errno). */
bool test_maps_make(struct nb_datapath *dp, const struct nb_test_sizes *sizes);

/*
 * One frontend a line: "default/web http 10.96.0.10:80/TCP 10.244.0.3:8080 [fd00::3]:8080"; "-" is no port
 * name, "~30" behind the frontend an affinity of 30 s, "external" an address that is no ClusterIP,
 * "elsewhere" that backends are on other nodes. "10.96.0.10:80/TCP@outside" is what clients outside meet.
 * Normalized.
 */
struct nb_services test_services(const char *text, enum nb_service_origin origin);

/* Fails unless reading gives exactly these Services, and every element of every map is as it shall be. */
void test_expect_tables(const struct nb_datapath *dp, const struct nb_services *expected);

/* At any moment, also in the middle of a change: each frontend has a whole set and a name, and its address is
 * marked and within the bounds. Empty, or what is wrong. */
const char *test_torn(const struct nb_datapath *dp);

struct nb_frontend test_frontend(const struct nb_datapath *dp, const char *frontend);
struct nb_frontend test_vip(const struct nb_datapath *dp, const char *address);
struct nb_settings test_settings(const struct nb_datapath *dp);

/*
 * From now on the process ends with status 42 before the n-th element is written or deleted; -1: never.
 * service_maps.c stands in front of libbpf's writing functions for it.
 */
void test_end_at_write(long n);

#endif
