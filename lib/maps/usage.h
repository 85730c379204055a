/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_USAGE_H
#define NATBRIDGE_LIB_MAPS_USAGE_H

/* How full maps are. Of NB_MAP_CONNECTIONS and NB_MAP_FLOWS it is connections that count. */

#include <linux/types.h>

#include "lib/util/error.h"

#include "layout.h"

/* How many elements a map has room for; of NB_MAP_FLOWS, flows in all sets. */
int nb_map_capacity(const struct nb_datapath *dp, enum nb_map map, __u32 *room, struct nb_error *err);

/* How many of them are in use. */
int nb_map_count(const struct nb_datapath *dp, enum nb_map map, __u32 *count, struct nb_error *err);

#endif
