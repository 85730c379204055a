/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_STRBUF_H
#define NATBRIDGE_LIB_UTIL_STRBUF_H

/*
 * A string that grows, such as the commands of an nftables transaction; and strdup() with an error.
 */

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct nb_strbuf {
	char *buf; /* NULL: empty */
	size_t len, capacity;
	bool failed; /* out of memory, or a formatted piece over 511 bytes */
};

/*
 * Append a string of any length, or a formatted one of at most 511 bytes. After a failure they do
 * nothing, so that the caller checks failed once, at the end.
 */
void nb_strbuf_put(struct nb_strbuf *strbuf, const char *piece);
void nb_strbuf_append(struct nb_strbuf *strbuf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void nb_strbuf_free(struct nb_strbuf *strbuf); /* for nb_cleanup() */

/* Frees *to and makes it a copy of from, which the caller frees. -ENOMEM: *to untouched. */
int nb_strdup(const char *from, char **to, struct nb_error *err);

#endif
