/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_TC_HOOK_H
#define NATBRIDGE_LIB_DATAPATH_TC_HOOK_H

/* Where the kernel runs programs of ours at a link, and how their network is read: tcx (Linux 6.6) or clsact.
 */

#include <limits.h>

#include <linux/types.h>

enum {
	TCX_INGRESS =
		46, /* BPF_TCX_INGRESS, BPF_TCX_EGRESS of linux/bpf.h, which Debian 12's does not have yet */
	TCX_EGRESS = 47,
	TCX_PROGS_MAX = 64, /* BPF_MPROG_MAX */
	TC_HANDLE = 1,
	TC_HANDLE_MAX = INT_MAX,
	TC_PRIORITY = 0x6e62, /* "nb" */
};

/* The network that a program was loaded for, as its constants have it; 0: they cannot be read. */
__u32 nb_prog_network(int prog_fd);

/* The handle in clsact of a network's program at a hook that networks share, such as a bridge's. */
__u32 nb_shared_handle(__u32 network);

#endif
