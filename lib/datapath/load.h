/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_LOAD_H
#define NATBRIDGE_LIB_DATAPATH_LOAD_H

/* From the eBPF objects inside this library to loaded programs and maps; lib/datapath/datapath.c pins them.
 */

#include <bpf/libbpf.h>

#include "lib/util/cleanup.h"

#include "datapath.h"

/* What the kernel says to what is tried in this block is no warning for the operator. */
#define NB_LIBBPF_QUIET                                                                                      \
	libbpf_print_fn_t quiet nb_cleanup(nb_libbpf_restore_print) __attribute__((unused)) =                \
		libbpf_set_print(NULL)

static inline void nb_libbpf_restore_print(libbpf_print_fn_t *print)
{
	libbpf_set_print(*print);
}

enum { NB_BUILD_LEN = 17 }; /* 16 digits of a hash, and the end */

/* The objects are numbered as the modes whose programs they hold, and then comes that of the watch. */
enum { NB_OBJECT_WATCH = NB_MODES };

/* By what build this natbridge has an object. */
void nb_object_build(unsigned int object, char build[NB_BUILD_LEN]);

/* Whether sizes are in range. */
int nb_limits_check(const struct nb_limits *limits, struct nb_error *err);

/*
 * Loads what config->mode needs and *dp does not hold; the maps that it holds are shared. On success *dp
 * holds all of the mode; on failure it may hold a part.
 */
int nb_datapath_load(const struct nb_datapath_config *config, struct nb_datapath *dp, struct nb_error *err);

/*
 * Attaches the program that notices qdiscs of the ports in dp, in the caller's network namespace, and returns
 * the link, which lives as long as its descriptor and its pin; -1 if the kernel does not take it.
 */
int nb_datapath_watch(const struct nb_datapath *dp);

/* Whether the kernel has what the programs of a mode call. -EOPNOTSUPP and *err, which names alternatives. */
int nb_kernel_probe(enum nb_mode mode, struct nb_error *err);

/* Whether a program is one of a mode's. */
bool nb_mode_has_prog(enum nb_mode mode, enum nb_prog prog);

#endif
