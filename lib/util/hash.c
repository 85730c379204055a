// SPDX-License-Identifier: GPL-2.0-or-later
/* SHA-512 (libmd) and FNV-1a. */
#include "hash.h"

#include <sha512.h>
#include <string.h>

void nb_sha512(const void *data, size_t len, unsigned char digest[NB_SHA512_LEN])
{
	SHA512_CTX ctx;

	SHA512Init(&ctx);
	SHA512Update(&ctx, data, len);
	SHA512Final(digest, &ctx);
}

void nb_sha512_hex(const char *text, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[NB_SHA512_LEN];

	nb_sha512(text, strlen(text), digest);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[digest[i / 2] >> (i % 2 ? 0 : 4) & 0xf];
	out[n] = '\0';
}

uint64_t nb_fnv1a_64(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return hash;
}

uint32_t nb_fnv1a_32(const char *text)
{
	uint32_t hash = 0x811c9dc5U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x01000193U;
	return hash;
}
