/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_NETNS_H
#define NATBRIDGE_LIB_NET_NETNS_H

/*
 * Network namespaces. The calling thread never leaves its own: what has to happen inside another one runs on
 * a short-lived thread that goes there and ends there, so that no error can leave the caller in the wrong
 * place.
 */

#include <stdbool.h>

#include "lib/util/error.h"

/*
 * Opens the network namespace file at path (an nsfs file of a network namespace, nothing else; opening never
 * blocks). The caller closes *fd. Code NB_ERR_NETNS; -ENOENT if there is no such file, and also if the file
 * is there but no namespace is mounted on it any more.
 */
int nb_netns_open(const char *path, int *fd, struct nb_error *err);

/* Whether fd is the namespace of the calling thread. */
int nb_netns_is_own(int fd, bool *own, struct nb_error *err);

/*
 * Runs fn(arg, err) in the namespace of fd on a thread of its own, waits for it and returns its result. File
 * descriptors are shared with the caller, signals are blocked.
 */
int nb_netns_run(int fd, int (*fn)(void *arg, struct nb_error *err), void *arg, struct nb_error *err);

#endif
