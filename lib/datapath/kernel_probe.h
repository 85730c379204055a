/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_KERNEL_PROBE_H
#define NATBRIDGE_LIB_DATAPATH_KERNEL_PROBE_H

/*
 * What the datapath needs of this kernel, and what the kernel lacks. Nothing is written.
 *
 * needed by   what                                   since   if the kernel lacks it
 * both modes  the right to use eBPF                  -       nb_kernel_allows_ebpf() fails
 * both modes  bpf_loop()                             5.17    nb_kernel_check() fails
 * both modes  BTF of the kernel                      -       nb_kernel_check() fails
 * assist      bpf_skb_ct_lookup(), nf_conntrack      5.18    nb_kernel_check() fails
 * -           tcx                                    6.6     clsact instead (tc_hook.h)
 * -           bpf_redirect_peer() to PACKET_HOST     6.15    the programs set the packet type
 * -           the tracepoint of bpf/qdisc.bpf.c      -       CHECK finds shaped ports (load.h)
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* 0: this process may use eBPF; else NB_ERR_PRIVILEGE in *err, as in a user namespace or under seccomp. */
int nb_kernel_allows_ebpf(struct nb_error *err);

/* 0: the kernel has what the programs of a mode need; else NB_ERR_NOT_AVAILABLE, and *err names what it lacks
 * and what to do instead. If a requirement cannot be probed it counts as met: loading will tell. */
int nb_kernel_check(enum nb_mode mode, struct nb_error *err);

/* Whether bpf_redirect_peer() sets the packet type itself (Linux 6.15, commit c4327229948). */
bool nb_kernel_peer_sets_host(void);

/* Whether bpf_fib_lookup() tells the source of a route (BPF_FIB_LOOKUP_SRC: Linux 6.7, dab4e1f06cab). */
bool nb_kernel_fib_sets_src(void);

#endif
