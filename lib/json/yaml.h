/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_YAML_H
#define NATBRIDGE_LIB_JSON_YAML_H

/* YAML as far as it can say what JSON can, read into the same trees. */

#include <stddef.h>

#include "lib/util/error.h"

#include "json.h"

struct cJSON;

/*
 * Parses a stream of documents, text[len], into *json: an array with one element for each document that is
 * not empty. Scalars by the core schema of YAML 1.2 (section 10.3.2): plain null, booleans and numbers have
 * their type, all else and everything quoted is a string. Anchors, aliases and merge keys ("<<") are
 * followed; what aliases stand for is copied, up to some 16 MiB of memory. Refused with line and column
 * (NB_ERR_DECODE): more than that, tags other than !!str, keys that are no scalars, duplicate keys, NUL
 * characters, numbers that JSON does not have, and more than *limits. The caller frees *json with
 * cJSON_Delete().
 */
int nb_yaml_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err);

/* The same for what begins at text[from], with lines counted from the beginning of text. */
int nb_yaml_parse_from(const char *text, size_t len, size_t from, const struct nb_json_limits *limits,
		       struct cJSON **json, struct nb_error *err);

#endif
