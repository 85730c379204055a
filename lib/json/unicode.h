/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_JSON_UNICODE_H
#define NATBRIDGE_LIB_JSON_UNICODE_H

/* Text files of other systems: byte order marks and UTF-16. */

#include <stddef.h>

#include "lib/util/error.h"

/* Length of U+FEFF in UTF-8 at the beginning of text[len]; 0: it does not begin with one. */
size_t nb_bom_length(const char *text, size_t len);

/*
 * If text[len] begins with the byte order mark of UTF-16, of either order, *utf8 is the same text in UTF-8
 * without the mark, *utf8_len its length; the caller frees it. Else *utf8 is NULL. Half a character is an
 * error (NB_ERR_DECODE) that names its byte.
 */
int nb_utf16_decode(const char *text, size_t len, char **utf8, size_t *utf8_len, struct nb_error *err);

/* A character in UTF-8 at buf, which has room for four bytes; returns its length. */
size_t nb_utf8_put(unsigned int character, char *buf);

#endif
