/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_LOAD_H
#define NATBRIDGE_LIB_DATAPATH_LOAD_H

/* From the eBPF objects inside this library to loaded programs and maps; lib/datapath.c pins them. */

#include <natbridge/datapath.h>

/* Whether sizes are in range. */
int nb_limits_check(const struct nb_limits *limits, struct nb_error *err);

/*
 * Loads what config->mode needs and *dp does not hold; the maps that it holds are shared. On success *dp
 * holds all of the mode; on failure it may hold a part.
 */
int nb_datapath_load(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

/* Whether the kernel has what the programs of a mode call. -EOPNOTSUPP and *err, which names alternatives. */
int nb_mode_probe(enum nb_mode mode, struct nb_error *err);

#endif
