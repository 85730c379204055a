/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_STREAM_H
#define NATBRIDGE_LIB_JSON_STREAM_H

/*
 * A large document that is an object around one long array ("items" of a List), read without a tree of the
 * whole: the items are parsed one after the other.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

#include "json.h"

struct cJSON;

struct nb_json_items {
	struct cJSON *frame;  /* owned: the document, its array empty */
	const char *at, *end; /* the next item's text; at is NULL if there is no such array */
	size_t index;         /* its index */
	struct cJSON *item;   /* owned: the one that was read last */
	bool more;            /* another one follows it */
};

/*
 * Checks the document that begins at or behind text[*at] as nb_json_parse() does, except for duplicate keys
 * in items, and reads the frame. Moves *at behind the document; what follows is not looked at.
 */
int nb_json_items_open(const char *text, size_t len, size_t *at, const char *key,
		       const struct nb_json_limits *limits, struct nb_json_items *items,
		       struct nb_error *err);

/*
 * *item is the next item, valid until the next call; its path begins with up, which stands for the array. At
 * the end its node is NULL.
 */
int nb_json_items_next(struct nb_json_items *items, const struct nb_json *up, struct nb_json *item,
		       struct nb_error *err);

void nb_json_items_close(struct nb_json_items *items); /* for nb_cleanup() */

#endif
