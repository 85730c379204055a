/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_H

/* From the maps of one layout to those of another, map by map as nb_map_rows[] says. */

#include <linux/types.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/*
 * Fills the maps of *to, which are empty, with what those of *from hold, whose programs may run meanwhile.
 * Left out are the counters, and what is only known for seconds.
 */
int nb_migrate_maps(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err);

/* The connections alone, as far as both sides have any, after the settings, which get a seed if they have
 * none: up to layout 5 they were two elements each of a hash map. */
int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err);

/* How many a table of either kind was made for; without one *connections stays. */
int nb_migrate_capacity(const struct nb_datapath *from, __u32 *connections, struct nb_error *err);

#endif
