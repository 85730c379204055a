/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_LIBBPF_QUIET_H
#define NATBRIDGE_LIB_DATAPATH_LIBBPF_QUIET_H

/* Silence for attempts that may fail. */

#include <bpf/libbpf.h>

#include "lib/util/cleanup.h"

/* What the kernel says to what is tried in this block is no warning for the operator. */
#define NB_LIBBPF_QUIET                                                                                      \
	libbpf_print_fn_t quiet nb_cleanup(nb_libbpf_restore_print) __attribute__((unused)) =                \
		libbpf_set_print(NULL)

static inline void nb_libbpf_restore_print(libbpf_print_fn_t *print)
{
	libbpf_set_print(*print);
}

#endif
