/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_UTIL_PRIVILEGE_H
#define NATBRIDGE_LIB_UTIL_PRIVILEGE_H

/* The capabilities that a program needs, asked before it changes anything. */

#include "error.h"

/* Sets of them, see capabilities(7). */
enum nb_privilege {
	NB_TO_WIRE =
		1, /* CAP_NET_ADMIN: links, rules. CAP_SYS_ADMIN: namespaces, mounts, programs by their ids */
	NB_TO_LOAD = 2, /* CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON: programs, maps, pins */
};

/*
 * NB_ERR_PRIVILEGE, with the name of the first one that is missing, unless the process has all capabilities
 * of the set. In a user namespace it may have them and still not be allowed: see kernel_probe.h.
 */
int nb_privilege_check(enum nb_privilege set, struct nb_error *err);

#endif
