/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_DOCUMENT_H
#define NATBRIDGE_AGENT_DOCUMENT_H

/* A file that holds one object of a kind, in YAML or JSON: a configuration. */

#include "lib/util/error.h"

struct cJSON;

/*
 * Reads a file of at most 1 MiB, which must hold one document, an object of that apiVersion and kind. The
 * caller frees *document with nb_json_free(). Errors name the file.
 */
int nb_document_read(const char *path, const char *version, const char *kind, struct cJSON **document,
		     struct nb_error *err);

#endif
