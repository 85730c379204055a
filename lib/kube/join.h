/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_KUBE_JOIN_H
#define NATBRIDGE_LIB_KUBE_JOIN_H

/* Joins Services and their EndpointSlices to frontends and backends. */

#include <stdbool.h>

#include "lib/service/service.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "notes.h"
#include "service.h"
#include "slice.h"
#include "view.h"

/* The collected objects. */
struct nb_kube_objects {
	NB_VEC(struct nb_kube_service) services;
	NB_VEC(struct nb_kube_slice) slices;
	bool has_endpoints; /* the input has Endpoints (v1), which natbridge ignores */
	struct nb_kube_view view;
};

/*
 * Joins all objects into *services, normalized and of origin NB_ORIGIN_APPLY. NB_ERR_CONFIG: two
 * objects have the same kind and name. The caller frees *services.
 */
int nb_kube_join(const struct nb_kube_objects *objects, struct nb_kube_notes *notes,
		 struct nb_services *services, struct nb_error *err);

#endif
