/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_QDISC_H
#define NATBRIDGE_LIB_NET_QDISC_H

/*
 * Queueing disciplines (qdiscs) that somebody has added to a link. A fast path must not bypass
 * them.
 */

#include "lib/util/error.h"

#include "netlink.h"

/* IFNAMSIZ, as in the kernel's struct Qdisc_ops. */
enum { NB_QDISC_KIND_MAX = 16 };

/*
 * Finds a qdisc of the link other than noqueue, which each veth has, and clsact, which natbridge's
 * programs use. kind: its kind, such as "tbf" or "ingress"; "": there is none.
 */
int nb_qdisc_find(struct nb_netlink *nl, unsigned int index, char kind[NB_QDISC_KIND_MAX],
		  struct nb_error *err);

#endif
