/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_HASH_H
#define NATBRIDGE_LIB_UTIL_HASH_H

/*
 * Hashes. SHA-512 (FIPS 180-4) makes names from identifiers: a prefix of the digest stands for a text that is
 * too long or too free in form. FNV-1a (draft-eastlake-fnv) makes numbers. Neither is for secrets, and FNV-1a
 * not for what an attacker chooses.
 */

#include <stddef.h>
#include <stdint.h>

enum { NB_SHA512_LEN = 64 };

#define NB_FNV1A_64_START 0xcbf29ce484222325ULL

/* FNV-1a of 64 bits, continued from hash, which begins with NB_FNV1A_64_START. */
uint64_t nb_fnv1a_64(uint64_t hash, const void *data, size_t len);

/* FNV-1a of 32 bits over a string, without its NUL. */
uint32_t nb_fnv1a_32(const char *text);

void nb_sha512(const void *data, size_t len, unsigned char digest[NB_SHA512_LEN]);

/* The first n hex digits (2 * NB_SHA512_LEN at most) of the digest of a string, and a NUL, into out[n + 1].
 */
void nb_sha512_hex(const char *text, size_t n, char *out);

#endif
