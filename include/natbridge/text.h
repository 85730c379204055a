/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEXT_H
#define NATBRIDGE_TEXT_H

/* A text that grows, such as a script of commands. Zero-initialised: empty. */

#include <stdbool.h>
#include <stddef.h>

struct nb_text {
	char *buf; /* owned; NULL while it is empty */
	size_t len, room;
	bool failed; /* out of memory, or a piece of 512 bytes or more: noticed once, at the end */
};

void nb_text_append(struct nb_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nb_text_free(struct nb_text *text); /* for nb_cleanup() */

#endif
