// SPDX-License-Identifier: GPL-2.0-or-later
/* A string that grows; see strbuf.h. */
#include "strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

void nb_strbuf_free(struct nb_strbuf *strbuf)
{
	free(strbuf->buf);
	*strbuf = (struct nb_strbuf){ 0 };
}

void nb_strbuf_put(struct nb_strbuf *strbuf, const char *piece)
{
	const size_t len = strlen(piece);

	if (strbuf->failed)
		return;
	if (strbuf->len + len >= strbuf->capacity) {
		size_t capacity = 2 * strbuf->capacity + len + 512;
		char *buf = realloc(strbuf->buf, capacity);

		if (!buf) {
			strbuf->failed = true;
			return;
		}
		strbuf->buf = buf;
		strbuf->capacity = capacity;
	}
	memcpy(strbuf->buf + strbuf->len, piece, len + 1);
	strbuf->len += len;
}

void nb_strbuf_append(struct nb_strbuf *strbuf, const char *fmt, ...)
{
	char piece[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(piece))
		strbuf->failed = true;
	else
		nb_strbuf_put(strbuf, piece);
}

int nb_strdup(const char *from, char **to, struct nb_error *err)
{
	char *copy = strdup(from);

	if (!copy)
		return nb_fail_nomem(err);
	free(*to);
	*to = copy;
	return 0;
}
