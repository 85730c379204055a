/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_VALIDATE_H
#define NATBRIDGE_LIB_JSON_VALIDATE_H

/* Checks hostile input against the grammar of JSON, before cJSON sees it. */

#include <stddef.h>

#include "lib/util/error.h"

#include "json.h"

/*
 * Checks a whole document as nb_json_parse() does, except for duplicate keys. Allocates nothing.
 * NB_ERR_DECODE with line and column.
 */
int nb_json_validate(const char *text, size_t len, const struct nb_json_limits *limits, struct nb_error *err);

/* A member of the outermost object, which nb_json_validate_value() finds on its way. */
struct nb_json_member {
	const char *key;         /* compared as bytes: a key with escapes is not found */
	const char *begin, *end; /* of the first such member's value; NULL: there is none */
};

/*
 * nb_json_validate() for the one value that starts at or after text[*at]. Finds *member in it,
 * unless that is NULL. Moves *at to the value's end and does not read further. Positions in errors
 * count from the start of text.
 */
int nb_json_validate_value(const char *text, size_t len, size_t *at, const struct nb_json_limits *limits,
			   struct nb_json_member *member, struct nb_error *err);

/* The index of the first byte at or after text[at] that is not a blank; len if there is none. */
size_t nb_json_skip_blanks(const char *text, size_t len, size_t at);

/* Fails with NB_ERR_DECODE, line and column of text[at], and what is wrong there. */
int nb_json_fail_at(const char *text, size_t len, size_t at, const char *wrong, struct nb_error *err);

#endif
