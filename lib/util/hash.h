/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_HASH_H
#define NATBRIDGE_LIB_UTIL_HASH_H

/*
 * SHA-512 (FIPS 180-4), for names derived from identifiers: a prefix of the digest stands for a text that is
 * too long or too free in form. Not for secrets.
 */

#include <stddef.h>

enum { NB_SHA512_LEN = 64 };

void nb_sha512(const void *data, size_t len, unsigned char digest[NB_SHA512_LEN]);

/* The first n hex digits (2 * NB_SHA512_LEN at most) of the digest of a string, and a NUL, into out[n + 1].
 */
void nb_sha512_hex(const char *text, size_t n, char *out);

#endif
