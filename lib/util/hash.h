/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_HASH_H
#define NATBRIDGE_LIB_UTIL_HASH_H

/*
 * Hashes. SHA-512 (FIPS 180-4) makes names from identifiers: a prefix of the digest replaces a
 * string that is too long for a name or has characters that a name must not have. FNV-1a
 * (draft-eastlake-fnv) makes numbers. Do not use either for secrets, nor FNV-1a for input that an
 * attacker chooses.
 */

#include <stddef.h>
#include <stdint.h>

enum { NB_SHA512_LEN = 64 };

#define NB_FNV1A_64_START 0xcbf29ce484222325ULL

/* FNV-1a of 64 bits over data[len], continued from hash; the first hash is NB_FNV1A_64_START. */
uint64_t nb_fnv1a_64(uint64_t hash, const void *data, size_t len);

/* FNV-1a of 32 bits over a string, without its NUL. */
uint32_t nb_fnv1a_32(const char *text);

void nb_sha512(const void *data, size_t len, unsigned char digest[NB_SHA512_LEN]);

/*
 * Writes the first n hex digits (at most 2 * NB_SHA512_LEN) of a string's digest and a NUL to out[n
 * + 1].
 */
void nb_sha512_hex(const char *text, size_t n, char *out);

#endif
