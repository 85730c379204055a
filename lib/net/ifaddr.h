/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_IFADDR_H
#define NATBRIDGE_LIB_NET_IFADDR_H

/* IP addresses of links. Links are given by their index in the socket's namespace. */

#include <natbridge/abi.h>
#include <stdbool.h>

#include "lib/util/error.h"

#include "netlink.h"

struct nb_ifaddr {
	unsigned int index; /* of the link, in a listing */
	struct nb_addr addr;
	unsigned int prefix_len; /* 0 .. 32 or 0 .. 128 */
	unsigned int flags;      /* IFA_F_* */
	unsigned int scope;      /* RT_SCOPE_* */
};

/* Adds an address, with flags IFA_F_NODAD or 0; its index and scope are ignored. -EEXIST: the link has it. */
int nb_ifaddr_add(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		  struct nb_error *err);

/* Deletes an address; its index, flags and scope are ignored. -EADDRNOTAVAIL: the link does not have it. */
int nb_ifaddr_delete(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		     struct nb_error *err);

/*
 * Lists the addresses of a link (index 0: of all links), of a family (AF_UNSPEC: of both). The
 * caller frees *addrs.
 */
int nb_ifaddr_list(struct nb_netlink *nl, unsigned int index, int family, struct nb_ifaddr **addrs,
		   unsigned int *n, struct nb_error *err);

/*
 * Lists the addresses of a link in another namespace, which has that id in the socket's namespace
 * (IFA_TARGET_NETNSID, Linux 4.20).
 */
int nb_ifaddr_list_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index,
			     struct nb_ifaddr **addrs, unsigned int *n, struct nb_error *err);

/* Whether one of n addresses is this one, whatever its prefix. */
bool nb_ifaddr_has(const struct nb_ifaddr *addrs, unsigned int n, const struct nb_addr *addr);

#endif
