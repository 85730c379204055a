/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_NAMES_H
#define NATBRIDGE_LIB_SERVICE_NAMES_H

/* The part of a plan that says which name owns which frontend. */

#include "lib/util/error.h"

#include "plan.h"

/* Plans the elements of services[], after the frontends are planned, and counts names in the ledger. */
int nb_plan_names(struct nb_plan *plan, struct nb_error *err);

#endif
