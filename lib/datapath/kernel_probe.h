/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_KERNEL_PROBE_H
#define NATBRIDGE_LIB_DATAPATH_KERNEL_PROBE_H

/* What this kernel, and this process in it, can do. Nothing is written. */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* Whether this process may use eBPF at all: else NB_ERR_PRIVILEGE, as in a user namespace, or under seccomp.
 */
int nb_ebpf_usable(struct nb_error *err);

/* Whether the kernel has what the programs of a mode call. -EOPNOTSUPP and *err, which names alternatives. */
int nb_kernel_probe(enum nb_mode mode, struct nb_error *err);

#endif
