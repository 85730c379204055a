/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_USAGE_H
#define NATBRIDGE_LIB_MAPS_USAGE_H

/* How full a map is, in the units that an operator counts: connections, not entries or sets. */

#include <linux/types.h>

#include "lib/util/error.h"

#include "layout.h"

enum { NB_USAGE_MAPS = 7 };

/* The maps that fill up. The others are arrays, which are always full. */
extern const enum nb_map nb_usage_maps[NB_USAGE_MAPS];

/* How many elements a map can hold; of NB_MAP_FLOWS, flows in all its sets. */
int nb_map_capacity(const struct nb_datapath *dp, enum nb_map map, __u32 *capacity, struct nb_error *err);

/* How many it holds; of NB_MAP_CONNECTIONS, expired ones included. Of NB_MAP_SERVICES, Services alone. */
int nb_map_count(const struct nb_datapath *dp, enum nb_map map, __u32 *count, struct nb_error *err);

#endif
