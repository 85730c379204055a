/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_BATCH_H
#define NATBRIDGE_LIB_SERVICE_BATCH_H

/* Elements of one service map, collected and then handed to the kernel together. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "plan.h"

struct nb_batch {
	struct nb_plan *plan; /* whose map_writes counts the elements */
	enum nb_map map;
	bool deletes;
	NB_VEC(char) keys, values;
	size_t n;
};

/* An empty batch that writes, or deletes, elements of a map. */
struct nb_batch nb_batch_write(struct nb_plan *plan, enum nb_map map);
struct nb_batch nb_batch_delete(struct nb_plan *plan, enum nb_map map);

/* Adds an element: copies of a key and a value of the map's types, sealed. value is not read if the batch
 * deletes. */
int nb_batch_add(struct nb_batch *batch, const void *key, const void *value, struct nb_error *err);

/* Writes or deletes the elements in the order in which they were added. */
int nb_batch_run(const struct nb_batch *batch, struct nb_error *err);

void nb_batch_free(struct nb_batch *batch); /* for nb_cleanup() */

#endif
