/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_CAPACITY_H
#define NATBRIDGE_LIB_SERVICE_CAPACITY_H

/* Whether the service maps can hold what a plan wants. */

#include "lib/util/error.h"

#include "plan.h"

/*
 * Fills in plan->ledger and the totals of plan->changes, after the names are planned. -ENOSPC: a map cannot
 * hold the result. New sets of backends need no room beside the old ones (write.c).
 */
int nb_plan_check_capacity(struct nb_plan *plan, struct nb_error *err);

#endif
