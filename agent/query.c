// SPDX-License-Identifier: GPL-2.0-or-later
/* Builds the query of a URL. */
#include "query.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/strbuf.h"

void nb_query_add(struct nb_strbuf *path, const char *key, const char *value)
{
	nb_strbuf_append(path, "%c%s=", path->buf && strchr(path->buf, '?') ? '&' : '?', key);
	for (; *value; value++) {
		const unsigned char c = *value;

		nb_strbuf_append(path, isalnum(c) || strchr("-._~", c) ? "%c" : "%%%02X", c);
	}
}

void nb_query_add_number(struct nb_strbuf *path, const char *key, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	nb_query_add(path, key, text);
}
