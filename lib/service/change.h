/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_CHANGE_H
#define NATBRIDGE_LIB_SERVICE_CHANGE_H

/*
 * Changes and listings of the service maps. A change reads what there is (snapshot.h), plans each element
 * (plan.h) and writes in an order in which no packet sees half a set (write.h). Only what differs is written.
 * A change that fails leaves the maps consistent, and *err says what is missing. All changes need the lock of
 * the datapath.
 */

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "keep.h"
#include "service.h"

/*
 * Makes the frontends of that origin equal to *services (normalized) and keeps those of the other origin.
 * -EEXIST: both origins claim a frontend. -ENOSPC, and nothing is written: a map is too small.
 */
int nb_service_apply(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_service_changes *changes, struct nb_error *err);

/* Whether nb_service_apply() would succeed: the same errors. Writes nothing. Needs the lock, too. */
int nb_service_check(const struct nb_datapath *dp, const struct nb_services *services,
		     enum nb_service_origin origin, struct nb_error *err);

/*
 * Like nb_service_apply(), but only for the Services (names) in *services; all others are kept. Costs what
 * changed, however many Services there are.
 */
int nb_service_update(const struct nb_datapath *dp, const struct nb_services *services,
		      enum nb_service_origin origin, struct nb_service_changes *changes,
		      struct nb_error *err);

/*
 * The same for the Services in *names (sorted, no duplicates), of which *services has the frontends: those
 * without any are removed.
 */
int nb_service_replace(const struct nb_datapath *dp, const struct nb_service_names *names,
		       const struct nb_services *services, enum nb_service_origin origin,
		       struct nb_service_changes *changes, struct nb_error *err);

/* What nb_service_replace() would do: the same errors and changes, but for map_writes. Writes nothing. */
int nb_service_preview(const struct nb_datapath *dp, const struct nb_service_names *names,
		       const struct nb_services *services, enum nb_service_origin origin,
		       struct nb_service_changes *changes, struct nb_error *err);

/* The names of all Services of that origin, sorted. The caller frees *names (zeroed). Needs no lock. */
int nb_service_list_names(const struct nb_datapath *dp, enum nb_service_origin origin,
			  struct nb_service_names *names, struct nb_error *err);

/* Removes the Service "namespace/name", whatever its origin. -ENOENT: there is none. */
int nb_service_delete(const struct nb_datapath *dp, const char *name, struct nb_service_changes *changes,
		      struct nb_error *err);

/* All frontends of the maps, normalized; the caller frees *services. Needs no lock. */
int nb_service_read(const struct nb_datapath *dp, struct nb_services *services, struct nb_error *err);

#endif
