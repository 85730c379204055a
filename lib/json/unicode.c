// SPDX-License-Identifier: GPL-2.0-or-later
/* UTF-8 and UTF-16 (RFC 3629, RFC 2781). */
#include "unicode.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

size_t nb_utf8_sequence(const unsigned char *text, const unsigned char *end)
{
	unsigned char lead = text[0], low = 0x80, high = 0xbf;
	size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || (size_t)(end - text) < len)
		return 0;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xf4)
		high = 0x8f;
	if (len > 1 && (text[1] < low || text[1] > high))
		return 0;
	for (size_t i = 2; i < len; i++)
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	return len;
}

bool nb_utf8_valid(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + len;

	while (at < end) {
		size_t n = nb_utf8_sequence(at, end);

		if (!n)
			return false;
		at += n;
	}
	return true;
}

size_t nb_utf8_put(unsigned int code_point, char *buf)
{
	if (code_point < 0x80) {
		buf[0] = code_point;
		return 1;
	}
	if (code_point < 0x800) {
		buf[0] = 0xc0 | code_point >> 6;
		buf[1] = 0x80 | (code_point & 0x3f);
		return 2;
	}
	if (code_point < 0x10000) {
		buf[0] = 0xe0 | code_point >> 12;
		buf[1] = 0x80 | (code_point >> 6 & 0x3f);
		buf[2] = 0x80 | (code_point & 0x3f);
		return 3;
	}
	buf[0] = 0xf0 | code_point >> 18;
	buf[1] = 0x80 | (code_point >> 12 & 0x3f);
	buf[2] = 0x80 | (code_point >> 6 & 0x3f);
	buf[3] = 0x80 | (code_point & 0x3f);
	return 4;
}

size_t nb_bom_length(const char *text, size_t len)
{
	return len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
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
	nb_autofree char *out = NULL;
	size_t used = 0, at = 2;

	*utf8 = NULL;
	if (!big && !little)
		return 0;
	/* A unit becomes at most three bytes, a pair of them four. */
	out = malloc(len / 2 * 3);
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
		return nb_fail(err, NB_ERR_DECODE, 0, "not valid UTF-16: byte %zu: incomplete character",
			       at + 1);
	*utf8 = NB_TAKE_PTR(out);
	*utf8_len = used;
	return 0;
}
