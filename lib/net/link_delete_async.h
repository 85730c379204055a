/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_LINK_DELETE_ASYNC_H
#define NATBRIDGE_LIB_NET_LINK_DELETE_ASYNC_H

/* Deletes a link without waiting for the kernel to free its memory. */

#include "lib/util/error.h"

#include "netlink.h"

/*
 * Deletes a link of the caller's namespace, which must also be that of nl. Returns as soon as the
 * link has left its namespace and its bridge, with its addresses and programs. A child process of
 * the caller waits until the kernel has freed the memory. 0 if there is no such link.
 */
int nb_link_delete_async(struct nb_netlink *nl, unsigned int index, struct nb_error *err);

#endif
