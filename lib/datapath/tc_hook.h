/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_TC_HOOK_H
#define NATBRIDGE_LIB_DATAPATH_TC_HOOK_H

/*
 * One hook of a link, where the kernel runs programs for its packets: tcx (Linux 6.6), whose programs go with
 * the link and need no qdisc; before that, a filter in a clsact qdisc. An empty clsact qdisc stays, since
 * others may use it.
 */

#include <limits.h>
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include "lib/maps/layout.h"

enum {
	TCX_PROGS_MAX = 64, /* BPF_MPROG_MAX */
	TC_HANDLE = 1,
	TC_HANDLE_MAX = INT_MAX,
	TC_PRIORITY = 0x6e62, /* "nb" */
};

struct nb_tc_hook {
	unsigned int ifindex; /* in the caller's network namespace */
	bool is_ingress;
	__u32 handle; /* of our filter in clsact */
};

/* The direction of a hook; the others are at egress. */
static inline bool nb_hook_is_ingress(enum nb_hook hook)
{
	return hook == NB_HOOK_PORT_IN || hook == NB_HOOK_DEVICE_IN;
}

/* The handle in clsact of a network's program at a hook that networks share, such as a bridge's. */
__u32 nb_shared_handle(__u32 network);

/* The functions below return 0 or a negative errno. */

/* Ids of the programs at a hook of tcx, ours and others'. -EINVAL: the kernel has no tcx. */
int nb_tcx_list(const struct nb_tc_hook *at, __u32 ids[TCX_PROGS_MAX], __u32 *n);

/* Attaches a program, in place of another one if replaced_fd is not -1. */
int nb_tcx_attach(const struct nb_tc_hook *at, int prog_fd, int replaced_fd);
int nb_tcx_detach(const struct nb_tc_hook *at, int prog_fd);

/* Id of the program of our filter; 0: there is none, or no clsact qdisc. */
int nb_clsact_query(const struct nb_tc_hook *at, __u32 *id);

/* Makes the filter, and the qdisc if there is none, or replaces the filter's program. */
int nb_clsact_attach(const struct nb_tc_hook *at, int prog_fd);
int nb_clsact_detach(const struct nb_tc_hook *at);

/* What the kernel knows of a program. */
int nb_prog_info(int prog_fd, struct bpf_prog_info *info);

/* The network (nb_network_hash()) in a program's constants; 0: they cannot be read. */
__u32 nb_prog_network(int prog_fd);

#endif
