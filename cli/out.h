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

#include "columns.h"

struct nb_out;

/* A column of plain output: its title and the key of the row's member. */
struct nb_column {
	const char *title, *key;
};

/* NULL: out of memory. */
struct nb_out *nb_out_new(bool json);

/* The same for what nb_out_end() does not write, and nb_out_text() has then. JSON is one line. */
struct nb_out *nb_out_new_frame(bool json);
const char *nb_out_text(const struct nb_out *out);
void nb_out_free(struct nb_out **out); /* for nb_cleanup() */

bool nb_out_is_json(const struct nb_out *out);

/* The command prints text to stdout itself and has no rows, whatever form was asked for. */
void nb_out_as_text(struct nb_out *out);

/* Plain rows are aligned under these columns (ended by an empty one), unless nb_out_row() gets a print(). */
void nb_out_columns(struct nb_out *out, const struct nb_column *columns);

/* On a terminal, the texts of the column with that key are wrapped, so that rows fit; or have colours. Behind
 * nb_out_columns(). */
void nb_out_wrap(struct nb_out *out, const char *key);
void nb_out_colour(struct nb_out *out, const char *key, const struct nb_coloured *colours);

/*
 * Prints a row, which it takes over; NULL counts as out of memory. Plain: by print(), or if that is NULL in
 * the columns.
 */
int nb_out_row(struct nb_out *out, struct cJSON *row, void (*print)(const struct cJSON *row, FILE *to),
	       struct nb_error *err);

/* For commands that change something: after an error, JSON output holds the rows of what was done before. */
void nb_out_keep_rows(struct nb_out *out);

/* Writes everything; fails if standard output cannot take it. */
int nb_out_end(struct nb_out *out, struct nb_error *err);

/*
 * Prints the error: text on stderr, and {"error": text} on stdout if the output is JSON, with "results" if
 * rows are kept. out may be NULL.
 */
void nb_out_error(struct nb_out *out, const char *text);

/* Prints a note on stderr: something to know about a command that succeeds. */
void nb_out_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- members of a row, for print() ---- */

/* A string; "": there is none of this key. */
const char *nb_row_text(const struct cJSON *row, const char *key);

/* A number; 0: there is none. */
unsigned int nb_row_number(const struct cJSON *row, const char *key);

/* Whether the member is true. */
bool nb_row_is(const struct cJSON *row, const char *key);

#endif
