// SPDX-License-Identifier: GPL-2.0-or-later
#include "strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"

void nb_strbuf_free(struct nb_strbuf *text)
{
	free(text->buf);
	*text = (struct nb_strbuf){ 0 };
}

void nb_strbuf_put(struct nb_strbuf *text, const char *piece)
{
	const size_t len = strlen(piece);

	if (text->failed)
		return;
	if (text->len + len >= text->room) {
		size_t room = 2 * text->room + len + 512;
		char *buf = realloc(text->buf, room);

		if (!buf) {
			text->failed = true;
			return;
		}
		text->buf = buf;
		text->room = room;
	}
	memcpy(text->buf + text->len, piece, len + 1);
	text->len += len;
}

void nb_strbuf_append(struct nb_strbuf *text, const char *fmt, ...)
{
	char piece[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(piece))
		text->failed = true;
	else
		nb_strbuf_put(text, piece);
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
