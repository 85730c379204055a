/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_COUNTERS_H
#define NATBRIDGE_LIB_MAPS_COUNTERS_H

/* What the programs count: events and dropped packets, by reason (NB_COUNTER_TABLE in natbridge/abi.h). */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

/* Sums over all CPUs, by number (enum nb_counter). They start at 0 when the datapath is loaded. */
int nb_counters_read(const struct nb_datapath *dp, __u64 counters[NB_COUNTERS], struct nb_error *err);

/* Name of a counter as operators see it ("insert_failed", "drop_no_backend"); NULL: the number is unused. */
const char *nb_counter_name(unsigned int counter);

#endif
