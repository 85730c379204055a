/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_SETS_H
#define NATBRIDGE_LIB_SERVICE_SETS_H

/* Sets of backends and names of owners, looked up in a snapshot. */

#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "service.h"
#include "snapshot.h"

/* The first of the *n members of a set in nb_snapshot.members (whole only). */
const struct nb_member *nb_snapshot_members(const struct nb_snapshot *snapshot, __u32 set, size_t *n);

/* The first count backends of a set; fewer, if one is missing. The caller frees *backends. */
int nb_snapshot_set(const struct nb_snapshot *snapshot, __u32 set, __u32 count,
		    struct nb_service_backend **backends, size_t *n, struct nb_error *err);

/* The first of the *n source ranges of a service port, once they are read. */
const struct nb_source_range *nb_snapshot_ranges(const struct nb_snapshot *snapshot, __u32 service,
						 size_t *n);

/* Adds the owner's frontend, with its backends, to *services; nothing if the frontend is not in the map. */
int nb_snapshot_add_service(const struct nb_snapshot *snapshot, const struct nb_owner *owner,
			    struct nb_services *services, struct nb_error *err);

/* Writes to name (NB_NAME_MAX bytes) who owns the frontend, found by a walk over services[]; "?": nobody. */
int nb_snapshot_find_owner(const struct nb_snapshot *snapshot, const struct nb_frontend_key *key, char *name,
			   struct nb_error *err);

#endif
