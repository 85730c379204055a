/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_VALIDATE_H
#define NATBRIDGE_LIB_JSON_VALIDATE_H

#include <stddef.h>

#include "lib/util/error.h"

#include "json.h"

/*
 * Checks the grammar of a whole document (RFC 8259, see nb_json_parse()) without allocating. NB_ERR_DECODE
 * with line and column of what is wrong. Duplicate keys are not looked for here.
 */
int nb_json_scan(const char *text, size_t len, const struct nb_json_limits *limits, struct nb_error *err);

/* A member of the document's outermost object, found on the way. */
struct nb_json_member {
	const char *key;         /* as it is written, without escapes */
	const char *begin, *end; /* of the value of the first one, NULL: there is none */
};

/*
 * The same for the one value that begins at or behind text[*at], with a member to find in it or NULL. Moves
 * *at behind the value; what follows is not looked at. Positions in errors count from the beginning of text.
 */
int nb_json_scan_value(const char *text, size_t len, size_t *at, const struct nb_json_limits *limits,
		       struct nb_json_member *member, struct nb_error *err);

/* Where the blanks that may begin at text[at] end. */
size_t nb_json_skip_blanks(const char *text, size_t len, size_t at);

/* NB_ERR_DECODE with line and column of text[at]. */
int nb_json_fail_at(const char *text, size_t len, size_t at, const char *wrong, struct nb_error *err);

#endif
