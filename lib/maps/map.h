/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_MAP_H
#define NATBRIDGE_LIB_MAPS_MAP_H

/* Many elements of a map at a time, with errors that name the map. */

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
 * Calls fn for all elements of a hash or array map, chunk by chunk (not the per-CPU ones), until it returns
 * not 0; returns that. What others write meanwhile may or may not be seen; what stays is seen once.
 */
int nb_map_walk(const struct nb_datapath *dp, enum nb_map map, nb_map_fn fn, void *arg, struct nb_error *err);

/* 1: *value holds the element; 0: there is none, *value is untouched; negative: *err. */
int nb_map_get(const struct nb_datapath *dp, enum nb_map map, const void *key, void *value,
	       struct nb_error *err);

/* Writes n elements (made or replaced), in this order. *writes, if not NULL, grows by those written. */
int nb_map_write(const struct nb_datapath *dp, enum nb_map map, const void *keys, const void *values,
		 size_t n, unsigned int *writes, struct nb_error *err);

/* Deletes n elements, in this order; those not there are passed over. *writes grows by those deleted. */
int nb_map_remove(const struct nb_datapath *dp, enum nb_map map, const void *keys, size_t n,
		  unsigned int *writes, struct nb_error *err);

#endif
