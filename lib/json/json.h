/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_JSON_H
#define NATBRIDGE_LIB_JSON_JSON_H

/*
 * Strict JSON on top of cJSON. cJSON alone accepts trailing bytes, duplicate keys, "\u0000", broken UTF-8 and
 * numbers such as 01; nb_json_parse() refuses them first. The getters name the whole path of a wrong value
 * ("ipam.ranges[0].subnet"), treat null as absent (as Go's encoding/json does, which runtimes are written in)
 * and compare keys with their case.
 */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

/* Bounds of a document; what is beyond them is refused before any memory is spent on it. */
struct nb_json_limits {
	size_t depth;  /* of nested objects and arrays, at most 512 */
	size_t values; /* in the whole document, keys not counted; one costs up to some 150 bytes */
};

/* A value and the way to it. Lives on the stack of whoever descends; valid as long as *up and the document.
 */
struct nb_json {
	const struct cJSON *node; /* NULL: absent (or null) */
	const struct nb_json *up; /* NULL: the document itself */
	size_t index;             /* in *up, if that is an array */
};

/*
 * Parses text[len] (no NUL needed). RFC 8259 and: valid UTF-8, no U+0000, no lone surrogates, no duplicate
 * key in any object, nothing but blanks after the value. NB_ERR_DECODE with line and column. The caller frees
 * *json with cJSON_Delete().
 */
int nb_json_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err);

/* For nb_cleanup(). */
void nb_json_free(struct cJSON **json);

/* Refuses a tree, of bounded depth, in which an object has a key twice: NB_ERR_DECODE. */
int nb_json_refuse_duplicates(const struct nb_json *at, struct nb_error *err);

/* The document as a struct nb_json. */
struct nb_json nb_json_root(const struct cJSON *json);

/* The member of an object; node is NULL if it is absent or null. The object may be absent itself. */
struct nb_json nb_json_get(const struct nb_json *object, const char *key);

/* Steps through an array or object: nb_json_first(), then nb_json_next() until node is NULL. */
struct nb_json nb_json_first(const struct nb_json *container);
struct nb_json nb_json_next(const struct nb_json *item);

/*
 * Typed values. Absent: 0, and the output keeps what it holds (the default). Of another type or out of range:
 * NB_ERR_CONFIG with path and value. Strings and children belong to the document.
 */
int nb_json_bool(const struct nb_json *at, bool *value, struct nb_error *err);
int nb_json_uint(const struct nb_json *at, unsigned int min, unsigned int max, unsigned int *value,
		 struct nb_error *err);
int nb_json_string(const struct nb_json *at, const char **value, struct nb_error *err);

/* Checks the type of what is there; absent is fine. */
int nb_json_is_object(const struct nb_json *at, struct nb_error *err);
int nb_json_is_array(const struct nb_json *at, struct nb_error *err);

/* Refuses a key that differs from one of keys[] (ended by NULL) only by its case. */
int nb_json_check_case(const struct nb_json *object, const char *const keys[], struct nb_error *err);

/*
 * Changes each key of the object that differs from one of keys[] (ended by NULL) only by its case into that
 * one. Where the object has that one as well, the other member is removed. Anything but an object stays as it
 * is.
 */
void nb_json_correct_case(struct cJSON *object, const char *const keys[]);

/* Refuses every key that is not in keys[] (ended by NULL). */
int nb_json_check_known(const struct nb_json *object, const char *const keys[], struct nb_error *err);

/* NB_ERR_CONFIG (or the given code) with the quoted path before the sentence: "mtu": 70000 is ... */
int nb_json_fail(const struct nb_json *at, enum nb_code code, struct nb_error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether text[len] is well-formed UTF-8 (RFC 3629). */
bool nb_utf8_valid(const char *text, size_t len);

#endif
