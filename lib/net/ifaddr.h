/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_IFADDR_H
#define NATBRIDGE_LIB_NET_IFADDR_H

/* IP addresses of links. */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "netlink.h"

struct nb_ifaddr {
	struct nb_addr addr;
	unsigned int prefix_len; /* 0 .. 32 or 0 .. 128 */
	unsigned int flags;      /* IFA_F_* */
	unsigned int scope;      /* RT_SCOPE_* */
};

/* flags: IFA_F_NODAD or 0. -EEXIST if the link has it. */
int nb_ifaddr_add(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		  struct nb_error *err);

/* -EADDRNOTAVAIL if the link does not have it. */
int nb_ifaddr_delete(struct nb_netlink *nl, unsigned int index, const struct nb_ifaddr *addr,
		     struct nb_error *err);

/* Addresses of a link (index 0: of all links), of one family or AF_UNSPEC for both. The caller frees *addrs.
 */
int nb_ifaddr_list(struct nb_netlink *nl, unsigned int index, int family, struct nb_ifaddr **addrs,
		   unsigned int *n, struct nb_error *err);

/* Addresses of a link in the namespace that has that id in ours (IFA_TARGET_NETNSID, Linux 4.20). */
int nb_ifaddr_list_elsewhere(struct nb_netlink *nl, unsigned int nsid, unsigned int index,
			     struct nb_ifaddr **addrs, unsigned int *n, struct nb_error *err);

#endif
