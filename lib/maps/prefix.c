// SPDX-License-Identifier: GPL-2.0-or-later
/* Prefixes of both families, word by word. */
#include "prefix.h"

#include <natbridge/abi.h>

#include "lib/util/addr.h"

enum { WORDS = sizeof(struct nb_addr) / sizeof(__be32) };

struct nb_prefix nb_prefix_none(void)
{
	struct nb_prefix none = { 0 };

	memset(&none.mask, 0xff, sizeof(none.mask));
	return none;
}

static bool is_none(const struct nb_prefix *prefix)
{
	const struct nb_prefix none = nb_prefix_none();

	return !memcmp(prefix, &none, sizeof(none));
}

struct nb_prefix nb_prefix_make(const struct nb_addr *addr, unsigned int prefix_len)
{
	struct nb_prefix prefix = { .value = nb_addr_network(addr, prefix_len) };
	unsigned int left = prefix_len + (nb_addr_is_v4(addr) ? 96 : 0);

	for (unsigned int i = 0; i < WORDS; i++) {
		unsigned int bits = left < 32 ? left : 32;

		prefix.mask.w[i] = bits ? htonl(0xffffffffU << (32 - bits)) : 0;
		left -= bits;
	}
	return prefix;
}

/* Of an IPv4 prefix the first 96 bits of the mask are the mapping's. */
unsigned int nb_prefix_len(const struct nb_prefix *prefix)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < WORDS; i++)
		bits += __builtin_popcount(prefix->mask.w[i]);
	return nb_addr_is_v4(&prefix->value) ? bits - 96 : bits;
}

void nb_prefix_cover(struct nb_prefix *prefix, const struct nb_prefix *other)
{
	bool ended = false; /* the mask has, in an earlier word */

	if (is_none(other))
		return;
	if (is_none(prefix)) {
		*prefix = *other;
		return;
	}
	for (unsigned int i = 0; i < WORDS; i++) {
		__u32 mask = ntohl(prefix->mask.w[i] & other->mask.w[i]);
		__u32 differ = ntohl(prefix->value.w[i] ^ other->value.w[i]) & mask;

		if (ended)
			mask = 0;
		else if (differ)
			mask &= ~(0xffffffffU >> __builtin_clz(differ));
		ended = mask != 0xffffffffU;
		prefix->mask.w[i] = htonl(mask);
		prefix->value.w[i] &= prefix->mask.w[i];
	}
}

void nb_settings_put_ranges(struct nb_settings *settings, const struct nb_prefix *ranges, unsigned int n)
{
	memset(settings->service_cidrs, 0, sizeof(settings->service_cidrs));
	settings->n_service_cidrs = n;
	for (unsigned int i = 0; i < n; i++) {
		settings->service_cidrs[i] = ranges[i];
		nb_prefix_cover(&settings->vips[nb_addr_is_v4(&ranges[i].value)], &ranges[i]);
	}
}

void nb_settings_bound_ranges(const struct nb_settings *settings, struct nb_prefix vips[2])
{
	vips[0] = vips[1] = nb_prefix_none();
	for (__u32 i = 0; i < settings->n_service_cidrs && i < NB_MAX_SERVICE_CIDRS; i++)
		nb_prefix_cover(&vips[nb_addr_is_v4(&settings->service_cidrs[i].value)],
				&settings->service_cidrs[i]);
}
