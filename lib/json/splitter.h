/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_SPLITTER_H
#define NATBRIDGE_LIB_JSON_SPLITTER_H

/*
 * Splits JSON that arrives in chunks into pieces that are worth parsing by themselves. It counts
 * brackets outside of strings and knows nothing else of JSON: nb_json_parse() judges each piece.
 * There are two forms of input:
 *
 *   key NULL   a sequence of values, such as the events of a watch. Each value is a piece. What
 *              cannot be a value, such as a word or a string with a line break in it, is a piece
 *              that ends at the line's end.
 *   key "items"   one object with a long array of that name. Each element is a piece. The object
 *              with the array empty, its frame, is left at the end.
 *
 * Memory: the longest piece and the frame, twice at most; both are limited.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

/* Bytes that are kept of a piece over the limit. */
enum { NB_JSON_HEAD = 4096 };

struct nb_json_piece {
	const char *text; /* no NUL; valid until the function returns */
	size_t len;
	size_t size; /* of the whole piece. More than len: it is over the limit, and text is its head */
};

struct nb_json_collected {
	char *text; /* owned */
	size_t len, capacity, size;
};

struct nb_json_splitter {
	/* The caller sets these and zeroes the rest. */
	const char *key;
	size_t limit; /* bytes of a piece, and of the frame; at least NB_JSON_HEAD */
	int (*fn)(const struct nb_json_piece *piece, void *arg); /* not 0: stop */
	void *arg;

	struct nb_json_collected piece, frame;
	enum { NB_SPLIT_BETWEEN, NB_SPLIT_PIECE, NB_SPLIT_FRAME, NB_SPLIT_END } state;
	size_t depth;       /* of the cursor in the piece */
	size_t frame_depth; /* of the cursor in the frame */
	size_t n;           /* pieces so far */
	bool in_string, escaped;
	size_t name_at, name_end; /* the last string of the frame, without its quotes */
	bool after_colon;         /* nothing but a colon has followed it */
};

/*
 * Takes the next chunk and calls fn for each piece that it completes. Returns what fn returned, if
 * that is not 0, and then takes no more. Errors: -ENOMEM; with a key, NB_ERR_DECODE if the input is
 * not one object or if the frame exceeds the limit.
 */
int nb_json_splitter_feed(struct nb_json_splitter *splitter, const char *chunk, size_t len,
			  struct nb_error *err);

/*
 * The input is over. NB_ERR_DECODE if it ended inside of a value. With a key, splitter->frame is
 * the frame then.
 */
int nb_json_splitter_end(const struct nb_json_splitter *splitter, struct nb_error *err);

void nb_json_splitter_free(struct nb_json_splitter *splitter); /* for nb_cleanup() */

#endif
