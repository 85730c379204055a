/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_STREAM_H
#define NATBRIDGE_LIB_JSON_STREAM_H

/*
 * Reads a large document that is an object around one long array ("items" of a List) without a tree
 * of the whole: it parses the items one by one.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

#include "json.h"

struct cJSON;

struct nb_json_stream {
	/* The caller sets these before nb_json_stream_open() and zeroes the rest. */
	const char *key; /* of the array */
	const struct nb_json_limits *limits;

	struct cJSON *frame;  /* owned: the document with its array empty */
	const char *at, *end; /* the rest of the document, from the next item on; at NULL: no such array */
	size_t index;         /* of the next item */
	struct cJSON *item;   /* owned: the last item that was read */
	bool more;            /* another one follows it */
};

/*
 * Checks the document that starts at or after text[*at] as nb_json_parse() does, except for
 * duplicate keys inside of items, and reads the frame. Moves *at to the document's end and does not
 * read further. The text must outlive the stream.
 */
int nb_json_stream_open(struct nb_json_stream *stream, const char *text, size_t len, size_t *at,
			struct nb_error *err);

/*
 * Reads the next item into *item, which is valid until the next call. Its path continues that of
 * up, the array. After the last item, item->node is NULL.
 */
int nb_json_stream_next(struct nb_json_stream *stream, const struct nb_json *up, struct nb_json *item,
			struct nb_error *err);

void nb_json_stream_close(struct nb_json_stream *stream); /* for nb_cleanup() */

#endif
