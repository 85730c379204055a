// SPDX-License-Identifier: GPL-2.0-or-later
#include "unicode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

size_t nb_bom_length(const char *text, size_t len)
{
	return len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

size_t nb_utf8_put(unsigned int character, char *buf)
{
	if (character < 0x80) {
		buf[0] = character;
		return 1;
	}
	if (character < 0x800) {
		buf[0] = 0xc0 | character >> 6;
		buf[1] = 0x80 | (character & 0x3f);
		return 2;
	}
	if (character < 0x10000) {
		buf[0] = 0xe0 | character >> 12;
		buf[1] = 0x80 | (character >> 6 & 0x3f);
		buf[2] = 0x80 | (character & 0x3f);
		return 3;
	}
	buf[0] = 0xf0 | character >> 18;
	buf[1] = 0x80 | (character >> 12 & 0x3f);
	buf[2] = 0x80 | (character >> 6 & 0x3f);
	buf[3] = 0x80 | (character & 0x3f);
	return 4;
}

static unsigned int unit_at(const unsigned char *text, bool big)
{
	return big ? text[0] << 8 | text[1] : text[1] << 8 | text[0];
}

int nb_utf16_decode(const char *text, size_t len, char **utf8, size_t *utf8_len, struct nb_error *err)
{
	const unsigned char *in = (const unsigned char *)text;
	bool big = len >= 2 && in[0] == 0xfe && in[1] == 0xff;
	bool little = len >= 2 && in[0] == 0xff && in[1] == 0xfe;
	char *out nb_autofree = NULL;
	size_t used = 0, at = 2;

	*utf8 = NULL;
	if (!big && !little)
		return 0;
	out = malloc(len / 2 * 3); /* a unit becomes three bytes at most, a pair of them four */
	if (!out)
		return nb_fail_nomem(err);
	while (at + 2 <= len) {
		unsigned int unit = unit_at(in + at, big);
		unsigned int low = at + 4 <= len ? unit_at(in + at + 2, big) : 0;
		bool pair = unit >> 10 == 0xd800 >> 10 && low >> 10 == 0xdc00 >> 10;

		if (!pair && unit >> 11 == 0xd800 >> 11)
			break;
		if (pair)
			unit = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
		used += nb_utf8_put(unit, out + used);
		at += pair ? 4 : 2;
	}
	if (at < len)
		return nb_fail(err, NB_ERR_DECODE, 0, "not valid UTF-16: byte %zu: half a character", at + 1);
	*utf8 = NB_TAKE_PTR(out);
	*utf8_len = used;
	return 0;
}
