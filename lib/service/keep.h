/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_KEEP_H
#define NATBRIDGE_LIB_SERVICE_KEEP_H

/* What an apply leaves alone: Services of the network config, and those that its input knows only in part. */

#include <stddef.h>

#include "lib/util/error.h"

#include "service.h"

/* Names of Services ("namespace/name"), in no order. */
struct nb_service_names {
	size_t n;
	char **items; /* owned */
};

int nb_service_names_add(struct nb_service_names *names, const char *name, struct nb_error *err);
void nb_service_names_sort(struct nb_service_names *names);
void nb_service_names_free(struct nb_service_names *names); /* for nb_cleanup(); leaves it empty */

/*
 * Sets *kept to *wanted with two exceptions:
 * - a frontend whose address and port the network config gives to a Service is left out, on both sides; tell
 *   is called with the one inside and its owner;
 * - of the Services in names that *table has by NB_ORIGIN_APPLY, the frontends of *table replace those of
 *   *wanted, but for addresses and ports that *wanted gives to another Service.
 * *table is normalized (nb_service_read()), and so is *kept.
 */
int nb_services_keep(const struct nb_services *wanted, const struct nb_services *table,
		     const struct nb_service_names *names, struct nb_services *kept,
		     void (*tell)(const struct nb_service *wanted, const struct nb_service *owner),
		     struct nb_error *err);

#endif
