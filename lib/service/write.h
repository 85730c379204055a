/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_WRITE_H
#define NATBRIDGE_LIB_SERVICE_WRITE_H

/* From a plan to the maps, in an order in which packets see each frontend as before or as after. */

#include "lib/util/error.h"

#include "plan.h"

/* Writes a plan and counts plan->changes.map_writes. Needs the lock of the datapath. */
int nb_plan_write(struct nb_plan *plan, struct nb_error *err);

#endif
