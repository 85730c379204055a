/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_UNICODE_H
#define NATBRIDGE_LIB_JSON_UNICODE_H

/* UTF-8 and UTF-16: validity, conversion, byte order marks. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

/*
 * Length of the well-formed UTF-8 sequence at text, which ends before end; 0 if there is none. RFC
 * 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF. text < end.
 */
size_t nb_utf8_sequence(const unsigned char *text, const unsigned char *end);

/* Whether text[len] is well-formed UTF-8 (RFC 3629). */
bool nb_utf8_valid(const char *text, size_t len);

/* Writes a code point as UTF-8 to buf[4]. Returns its length. */
size_t nb_utf8_put(unsigned int code_point, char *buf);

/* Length of the UTF-8 byte order mark at the start of text[len]; 0: it has none. */
size_t nb_bom_length(const char *text, size_t len);

/*
 * If text[len] starts with a UTF-16 byte order mark, of either byte order, *utf8 is the text in
 * UTF-8 without the mark, *utf8_len its length; the caller frees it. Else *utf8 is NULL. An
 * unpaired surrogate or an odd byte is an error (NB_ERR_DECODE) that names its position.
 */
int nb_utf16_decode(const char *text, size_t len, char **utf8, size_t *utf8_len, struct nb_error *err);

#endif
