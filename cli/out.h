/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_OUT_H
#define NATBRIDGE_CLI_OUT_H

/*
 * Standard output, plain or JSON, from one producer of rows. A row is a JSON object. JSON output is an array
 * of the rows, held back until the end, so that an error leaves one document and not half of one.
 */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/util/error.h"

struct nb_out;

/* A column of plain output: its title and the key of the row's member. */
struct nb_column {
	const char *title, *key;
};

/* NULL: out of memory. */
struct nb_out *nb_out_new(bool json);
void nb_out_free(struct nb_out **out); /* for nb_cleanup() */

bool nb_out_is_json(const struct nb_out *out);

/* Plain rows are aligned under these columns (ended by an empty one), unless they bring their own text. */
void nb_out_columns(struct nb_out *out, const struct nb_column *columns);

/*
 * A row, taken over; NULL is an error (out of memory). Plain: its columns, or what print() makes of it if
 * that is not NULL.
 */
int nb_out_row(struct nb_out *out, struct cJSON *row, void (*print)(const struct cJSON *row, FILE *to),
	       struct nb_error *err);

/* What was done before an error is to be known: JSON output then holds the rows beside the error. */
void nb_out_keep_rows(struct nb_out *out);

/* Writes all of it; fails if standard output cannot take it. */
int nb_out_end(struct nb_out *out, struct nb_error *err);

/* The error: text on stderr, and {"error": text} on stdout if the output is JSON, with "results" if rows are
 * kept. */
void nb_out_error(struct nb_out *out, const char *text);

#endif
