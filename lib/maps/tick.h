/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_TICK_H
#define NATBRIDGE_LIB_MAPS_TICK_H

/*
 * The datapath's clock: a tick is 2^shift jiffies, the longest such time under 1/8 s. nb_tick_shift() derives
 * the shift from the kernel's HZ, nb_tick_now() reads it by a program.
 */

#include <linux/types.h>

#include "lib/util/error.h"

#include "layout.h"

unsigned int nb_tick_shift(void);
int nb_tick_now(const struct nb_datapath *dp, __u32 *now, struct nb_error *err);
__u32 nb_ticks_from_seconds(unsigned int seconds);
unsigned int nb_seconds_from_ticks(__u32 ticks);

#endif
