/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_RANGES_H
#define NATBRIDGE_LIB_SERVICE_RANGES_H

/* The part of a plan that says which source ranges a service port has. */

#include "lib/util/error.h"

#include "plan.h"

/*
 * Plans the elements of source_ranges[], after the frontends are planned. They are read only if the ranges of
 * some frontend change. -ENOSPC: the map cannot hold old and new ones together.
 */
int nb_plan_ranges(struct nb_plan *plan, struct nb_error *err);

#endif
