/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_MAP_H
#define NATBRIDGE_LIB_MAPS_MAP_H

/* Reading and writing many elements of a map at a time, with errors that name the map. */

#include <stddef.h>

#include <linux/types.h>

#include "lib/util/error.h"

#include "layout.h"

struct nb_map_sizes {
	__u32 key, value; /* bytes */
	__u32 max;        /* elements */
};

int nb_map_sizes(const struct nb_datapath *dp, enum nb_map map, struct nb_map_sizes *sizes,
		 struct nb_error *err);

/* n elements, packed one after the other; valid during the call. Not 0 ends the walk. */
typedef int (*nb_map_fn)(const void *keys, const void *values, __u32 n, void *arg);

/*
 * Calls fn for all elements of a hash or array map (not per CPU), chunk by chunk, until it returns not 0, and
 * returns that. An element that others add or delete meanwhile may be seen or not; one that stays is seen
 * once.
 */
int nb_map_walk(const struct nb_datapath *dp, enum nb_map map, nb_map_fn fn, void *arg, struct nb_error *err);

/* 1: *value is the element; 0: there is none, *value is untouched; negative: *err. */
int nb_map_get(const struct nb_datapath *dp, enum nb_map map, const void *key, void *value,
	       struct nb_error *err);

/* Adds or replaces n elements, in this order. Counts those written in *writes, unless it is NULL. */
int nb_map_write(const struct nb_datapath *dp, enum nb_map map, const void *keys, const void *values,
		 size_t n, unsigned int *writes, struct nb_error *err);

/* Deletes n elements, in this order, and skips those that do not exist. Counts those deleted in *writes. */
int nb_map_remove(const struct nb_datapath *dp, enum nb_map map, const void *keys, size_t n,
		  unsigned int *writes, struct nb_error *err);

#endif
