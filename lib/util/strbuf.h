/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_STRBUF_H
#define NATBRIDGE_LIB_UTIL_STRBUF_H

/* Text in memory of its own: one that grows, such as the commands of a transaction, and copies. */

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct nb_strbuf {
	char *buf; /* NULL: empty */
	size_t len, room;
	bool failed; /* out of memory, or a piece over 511 bytes: to be looked at once, at the end */
};

/* Appends a piece of any length. Nothing happens after a failure. */
void nb_strbuf_put(struct nb_strbuf *text, const char *piece);

/* The same with a format, up to 511 bytes. */
void nb_strbuf_append(struct nb_strbuf *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void nb_strbuf_free(struct nb_strbuf *text); /* for nb_cleanup() */

/* strdup() with an error: *to, which is freed first, becomes a copy of from. */
int nb_strdup(const char *from, char **to, struct nb_error *err);

#endif
