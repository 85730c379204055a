/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_COUNTERS_H
#define NATBRIDGE_LIB_MAPS_COUNTERS_H

/* What the programs count: events and dropped packets, by reason (NB_COUNTER_TABLE in natbridge/abi.h). */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

/* Sums over all CPUs, by number. */
int nb_counters_read(const struct nb_datapath *dp, __u64 counters[NB_COUNTERS], struct nb_error *err);

/* Name of a counter ("insert_failed", "drop_no_backend"); NULL: no counter has this number. */
const char *nb_counter_name(unsigned int counter);

#endif
