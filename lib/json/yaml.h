/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_YAML_H
#define NATBRIDGE_LIB_JSON_YAML_H

/* Reads YAML into cJSON trees, as far as JSON can express it. */

#include <stddef.h>

#include "lib/util/error.h"

#include "json.h"

struct cJSON;

/*
 * Parses a stream of documents, text[len], into *json: an array with one element for each document
 * that is not empty. The caller frees *json with cJSON_Delete().
 *
 * Scalars follow the core schema of YAML 1.2 (section 10.3.2): plain null, booleans and numbers
 * have their type; any other scalar and each quoted one is a string. Anchors, aliases and merge
 * keys ("<<") work; the copies that aliases make may take some 16 MiB (NB_YAML_COPIES_MAX).
 *
 * It refuses, with line and column (NB_ERR_DECODE): larger copies, tags other than !!str, keys that
 * are not scalars, duplicate keys, NUL characters, numbers that JSON does not have, and documents
 * that exceed *limits.
 */
int nb_yaml_parse(const char *text, size_t len, const struct nb_json_limits *limits, struct cJSON **json,
		  struct nb_error *err);

/* nb_yaml_parse() for text[from] to text[len]. Positions in errors count from the start of text. */
int nb_yaml_parse_from(const char *text, size_t len, size_t from, const struct nb_json_limits *limits,
		       struct cJSON **json, struct nb_error *err);

#endif
