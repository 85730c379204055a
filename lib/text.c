// SPDX-License-Identifier: GPL-2.0-or-later
#include <natbridge/text.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_SIZE = 512 };

void nb_text_free(struct nb_text *text)
{
	free(text->buf);
}

void nb_text_append(struct nb_text *text, const char *fmt, ...)
{
	char piece[PIECE_SIZE];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(piece, sizeof(piece), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(piece) || text->failed) {
		text->failed = true;
		return;
	}
	if (text->len + (size_t)len >= text->room) {
		size_t room = 2 * text->room + sizeof(piece);
		char *buf = realloc(text->buf, room);

		if (!buf) {
			text->failed = true;
			return;
		}
		text->buf = buf;
		text->room = room;
	}
	memcpy(text->buf + text->len, piece, (size_t)len + 1);
	text->len += (size_t)len;
}
