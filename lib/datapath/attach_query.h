/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_ATTACH_QUERY_H
#define NATBRIDGE_LIB_DATAPATH_ATTACH_QUERY_H

/* Programs of ours that are attached, found without pins or maps: by what the kernel says of a link. */

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
	__u32 network; /* nb_network_hash() of its network; 0: it does not say, being of another version */
	__u32 handle;  /* of its filter in clsact; 0: attached by tcx */
};

/*
 * The networks (nb_network_hash()) that programs of ours were loaded for, in the whole kernel, each once; the
 * caller frees *networks. -EPERM without the right to ask.
 */
int nb_attached_networks(__u32 **networks, size_t *n, struct nb_error *err);

/*
 * All programs of ours at a link, of every network; the caller frees *list. In clsact, programs at a bridge
 * are found for networks[n] only. A link that has gone has none.
 */
int nb_attached_list(unsigned int ifindex, const __u32 *networks, size_t n_networks,
		     struct nb_attached **list, size_t *n, struct nb_error *err);

/* Detaches that program; no longer there: 0. An emptied clsact qdisc stays, since others may use it. */
int nb_attached_remove(const struct nb_attached *at, struct nb_error *err);

#endif
