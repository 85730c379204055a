/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_NETNS_H
#define NATBRIDGE_LIB_NET_NETNS_H

/*
 * Network namespaces. The calling thread never leaves its own: a thread that enters the other
 * namespace and ends there does the work, so that no error can leave the caller in the wrong
 * namespace.
 */

#include <stdbool.h>

#include "lib/util/error.h"

/*
 * Opens the file of a network namespace, and no other file; never blocks. The caller closes *fd.
 * Errors have the code NB_ERR_NETNS. -ENOENT: there is no such file, or no namespace is mounted on
 * it any more.
 */
int nb_netns_open(const char *path, int *fd, struct nb_error *err);

/* *own: whether fd is the namespace of the calling thread. */
int nb_netns_is_own(int fd, bool *own, struct nb_error *err);

/*
 * Runs fn(arg, err) in the namespace of fd on a thread of its own, with all signals blocked. Waits
 * for it and returns its result. The thread shares memory and file descriptors with the caller.
 */
int nb_netns_run(int fd, int (*fn)(void *arg, struct nb_error *err), void *arg, struct nb_error *err);

#endif
