/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_QDISC_H
#define NATBRIDGE_LIB_NET_QDISC_H

/* Queueing disciplines that others have put on a link: they want to see its packets. */

#include "lib/util/error.h"

#include "netlink.h"

enum { NB_QDISC_KIND_MAX = 16 }; /* IFNAMSIZ, as in the kernel's struct Qdisc_ops */

/*
 * kind: that of a qdisc of the link ("tbf", of those for packets to it "ingress"); empty if there is none
 * but what every veth and natbridge's own programs have.
 */
int nb_qdisc_find(struct nb_netlink *nl, unsigned int index, char kind[NB_QDISC_KIND_MAX],
		  struct nb_error *err);

#endif
