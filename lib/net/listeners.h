/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_LISTENERS_H
#define NATBRIDGE_LIB_NET_LISTENERS_H

/* The TCP ports at which a process listens, by /proc (proc_pid_fd(5), proc_pid_net(5)). */

#include <sys/types.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

struct nb_listener {
	struct nb_addr addr; /* all zero, or ::ffff:0.0.0.0: any address */
	unsigned int port;   /* 1 .. 65535 */
};

struct nb_listeners {
	NB_VEC(struct nb_listener) all;
};

/*
 * Lists them, in the network namespace of that process. The caller frees *listeners (zeroed). -ESRCH: there
 * is no such process. -EACCES: its descriptors cannot be seen.
 */
int nb_listeners_read(pid_t pid, struct nb_listeners *listeners, struct nb_error *err);
void nb_listeners_free(struct nb_listeners *listeners); /* for nb_cleanup() */

#endif
