/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_ATTACH_QUERY_H
#define NATBRIDGE_LIB_DATAPATH_ATTACH_QUERY_H

/* Our programs at links, found without pins or maps: by what the kernel says of its programs. */

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

struct nb_attached {
	unsigned int ifindex;
	enum nb_prog prog;
	bool ingress;
	__u32 id;      /* the kernel's, of the program */
	__u32 network; /* nb_network_hash() of its network; 0: another version, whose constants are unknown */
	__u32 handle;  /* of its filter in clsact; 0: attached by tcx */
};

/*
 * The networks (nb_network_hash()) that have programs of ours loaded, in the whole kernel, each once; the
 * caller frees *networks. -EPERM without the right to ask.
 */
int nb_attached_networks(__u32 **networks, size_t *n, struct nb_error *err);

/*
 * All programs of ours at a link, of every network; the caller frees *list. In clsact, programs at a bridge
 * are found only for networks[n]. A link that is gone has none. NB_ERR_DATAPATH without CAP_SYS_ADMIN: the
 * kernel shows programs by their ids to nobody else.
 */
int nb_attached_list(unsigned int ifindex, const __u32 *networks, size_t n_networks,
		     struct nb_attached **list, size_t *n, struct nb_error *err);

/* Detaches a program; it is gone already: 0. */
int nb_attached_remove(const struct nb_attached *at, struct nb_error *err);

#endif
