/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_SCAN_H
#define NATBRIDGE_LIB_JSON_SCAN_H

#include <natbridge/json.h>

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

/* nb_json_scan() that also finds a member. */
int nb_json_scan_member(const char *text, size_t len, const struct nb_json_limits *limits,
			struct nb_json_member *member, struct nb_error *err);

#endif
