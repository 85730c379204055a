/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_TICK_H
#define NATBRIDGE_LIB_MAPS_TICK_H

/* The datapath's clock. A tick is 2^shift jiffies, the longest such time under 1/8 s. */

#include <linux/types.h>

#include "lib/util/error.h"

#include "layout.h"

/* The shift on this kernel, from its HZ. */
unsigned int nb_tick_shift(void);

/* The tick that it is, which a program of the datapath reads. It wraps around. */
int nb_tick_now(const struct nb_datapath *dp, __u32 *now, struct nb_error *err);

/* Seconds to ticks, rounded up, and back, rounded down. */
__u32 nb_ticks_from_seconds(unsigned int seconds);
unsigned int nb_seconds_from_ticks(__u32 ticks);

#endif
