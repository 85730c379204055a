// SPDX-License-Identifier: GPL-2.0-or-later
/* Decodes base64. */
#include "base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

/* The value of a letter, or -1. */
static int value_of(char c)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (int)(at - letters) : -1;
}

int nb_base64_decode(const char *text, char **data, size_t *len, struct nb_error *err)
{
	nb_autofree char *out = malloc(strlen(text) / 4 * 3 + 4);
	size_t letters = 0, padding = 0, used = 0;
	uint32_t bits = 0;

	if (!out)
		return nb_fail_nomem(err);
	for (; *text; text++) {
		int value = value_of(*text);

		if (*text == '\n' || *text == '\r')
			continue;
		if (*text == '=' ? !letters : value < 0 || padding)
			return nb_fail(err, NB_ERR_DECODE, 0, "not base64");
		padding += *text == '=';
		bits = bits << 6 | (value < 0 ? 0 : (uint32_t)value);
		if (++letters % 4)
			continue;
		out[used++] = (char)(bits >> 16);
		out[used++] = (char)(bits >> 8);
		out[used++] = (char)bits;
	}
	/* The bits behind the last byte are zeros, and so is what the padding stands for. */
	if (letters % 4 || padding > 2 || (padding && bits & (padding == 1 ? 0xffu : 0xffffu)))
		return nb_fail(err, NB_ERR_DECODE, 0, "not base64");
	used -= padding;
	out[used] = '\0';
	free(*data);
	*data = NB_TAKE_PTR(out);
	*len = used;
	return 0;
}
