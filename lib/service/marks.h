/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_MARKS_H
#define NATBRIDGE_LIB_SERVICE_MARKS_H

/*
 * The part of a plan that marks addresses in frontends[]: VIPs, with the number of their frontends and of
 * those without a backend, and backends, with the number of sets they are in.
 */

#include "lib/util/error.h"

#include "plan.h"

/* Counts the marks after the change, once its frontends are planned, and completes the cells. */
int nb_plan_marks(struct nb_plan *plan, struct nb_error *err);

#endif
