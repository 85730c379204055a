/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_JSON_H
#define NATBRIDGE_LIB_JSON_JSON_H

/*
 * Strict JSON on top of cJSON. cJSON alone accepts trailing bytes, duplicate keys, "\u0000", broken
 * UTF-8 and numbers such as 01; nb_json_parse() refuses them. The getters name the whole path of a
 * wrong value ("ipam.ranges[0].subnet"). They treat null as absent, as Go's encoding/json does, in
 * which runtimes are written. Keys are case-sensitive.
 */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

/*
 * Limits of a document. A document that exceeds them is refused before memory is allocated for it.
 */
struct nb_json_limits {
	size_t depth;  /* of nested objects and arrays, at most 512 */
	size_t values; /* in the whole document, without keys; one takes up to some 150 bytes */
};

/*
 * A value and its path. It lives on the stack of the function that descends to it, and is valid as
 * long as *up and the document are.
 */
struct nb_json {
	const struct cJSON *node; /* NULL: absent (or null) */
	const struct nb_json *up; /* NULL: the document itself */
	size_t index;             /* in *up, if that is an array */
};

/*
 * Parses text[len], which needs no NUL. Beyond RFC 8259 it requires valid UTF-8, no U+0000, no lone
 * surrogates, no duplicate keys in an object, and only blanks after the value. Errors:
 * NB_ERR_DECODE with line and column, or the path of a duplicate key. The caller frees *json with
 * cJSON_Delete().
 */
int nb_json_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err);

/* For nb_cleanup(). */
void nb_json_free(struct cJSON **json);

/*
 * Refuses a tree in which an object has duplicate keys: NB_ERR_DECODE. Recurses to the tree's
 * depth.
 */
int nb_json_refuse_duplicates(const struct nb_json *at, struct nb_error *err);

/* The document itself. */
struct nb_json nb_json_root(const struct cJSON *json);

/*
 * A member of an object; its node is NULL if it is absent or null. The object itself may be absent.
 */
struct nb_json nb_json_get(const struct nb_json *object, const char *key);

/* Iterate over an array or object: nb_json_first(), then nb_json_next() until node is NULL. */
struct nb_json nb_json_first(const struct nb_json *container);
struct nb_json nb_json_next(const struct nb_json *item);

/*
 * Read typed values. If the value is absent they return 0 and leave the output, which holds the
 * default. If it has another type or is out of range: NB_ERR_CONFIG with path and value. Strings
 * belong to the document.
 */
int nb_json_bool(const struct nb_json *at, bool *value, struct nb_error *err);
int nb_json_uint(const struct nb_json *at, unsigned int min, unsigned int max, unsigned int *value,
		 struct nb_error *err);
int nb_json_string(const struct nb_json *at, const char **value, struct nb_error *err);

/* Check the type of a value; an absent one passes. NB_ERR_CONFIG. */
int nb_json_is_object(const struct nb_json *at, struct nb_error *err);
int nb_json_is_array(const struct nb_json *at, struct nb_error *err);

/* Refuses a key that differs from one of keys[] (ended by NULL) only by case: NB_ERR_CONFIG. */
int nb_json_check_case(const struct nb_json *object, const char *const keys[], struct nb_error *err);

/*
 * Renames each key of the object that differs from one of keys[] (ended by NULL) only by case to
 * that one. If the object also has that one, removes the misspelled member. Does nothing if the
 * value is not an object.
 */
void nb_json_correct_case(struct cJSON *object, const char *const keys[]);

/* Refuses every key that is not in keys[] (ended by NULL): NB_ERR_CONFIG. */
int nb_json_check_known(const struct nb_json *object, const char *const keys[], struct nb_error *err);

/* nb_fail() with the quoted path of *at before the message: "mtu": 70000 is ... */
int nb_json_fail(const struct nb_json *at, enum nb_code code, struct nb_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
