/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_PREFIX_H
#define NATBRIDGE_LIB_MAPS_PREFIX_H

/* Address ranges as the programs compare them: addr & mask == value. */

#include <natbridge/abi.h>

/* A range that no packet's address is in: mask all ones, value zero. */
struct nb_prefix nb_prefix_none(void);

/* prefix_len is that of the family: 0..32 or 0..128. Host bits of addr are cleared. */
struct nb_prefix nb_prefix_make(const struct nb_addr *addr, unsigned int prefix_len);

/* The length of a prefix that nb_prefix_make() made. */
unsigned int nb_prefix_len(const struct nb_prefix *prefix);

/* Widens *prefix to the smallest prefix that also holds *other. */
void nb_prefix_cover(struct nb_prefix *prefix, const struct nb_prefix *other);

/*
 * Sets the service ranges, ranges[n <= NB_MAX_SERVICE_CIDRS]. New ones widen the bounds of all VIPs; the next
 * change of Services makes these narrow again.
 */
void nb_settings_put_ranges(struct nb_settings *settings, const struct nb_prefix *ranges, unsigned int n);

/* Sets vips (as nb_settings.vips: IPv6, IPv4) to the bounds of the service ranges alone. */
void nb_settings_bound_ranges(const struct nb_settings *settings, struct nb_prefix vips[2]);

#endif
