/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_NETNS_FIND_H
#define NATBRIDGE_LIB_NET_NETNS_FIND_H

/* From the id of a network namespace, as links name it, to the namespace itself. */

#include "lib/util/error.h"

#include "netlink.h"

/*
 * Opens the namespace that has this id in the socket's namespace (struct nb_link, peer_nsid): one that is
 * mounted below /run/netns or /var/run/docker/netns, or that of a process. The caller closes *fd. -ENOENT: it
 * is not there, for instance since this process sees other mounts and processes.
 */
int nb_netns_find(struct nb_netlink *nl, unsigned int nsid, int *fd, struct nb_error *err);

#endif
