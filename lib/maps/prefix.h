/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_PREFIX_H
#define NATBRIDGE_LIB_MAPS_PREFIX_H

/* Address ranges as the programs compare them, and the smallest one that holds several. */

#include <natbridge/abi.h>

/* A range that holds no address which a packet can have: mask all ones, value zero. */
struct nb_prefix nb_prefix_none(void);

/* prefix_len as written for the family: 0 .. 32 or 0 .. 128. Host bits of addr are cleared. */
struct nb_prefix nb_prefix_make(const struct nb_addr *addr, unsigned int prefix_len);

/* Widens *prefix until it holds *other as well. */
void nb_prefix_cover(struct nb_prefix *prefix, const struct nb_prefix *other);

/* Into vips (as nb_settings.vips): the bounds of the service ranges alone. */
void nb_settings_bound_ranges(const struct nb_settings *settings, struct nb_prefix vips[2]);

#endif
