/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_RCU_EXPEDITE_H
#define NATBRIDGE_LIB_NET_RCU_EXPEDITE_H

/*
 * Attaching a program by tcx, and deleting a link that has one, wait for RCU grace periods while they hold
 * the kernel's rtnl lock (tcx_entry_sync() of include/net/tcx.h): 10 ms and more each, in which no other link
 * of the host can be changed. Everything else that waits under that lock has its grace periods expedited
 * (synchronize_net() of net/core/dev.c). Between these two calls, so are these: /sys/kernel/rcu_expedited is
 * not 0.
 *
 * What it says is kept: a value that is not natbridge's is left alone, natbridge's own goes with the last of
 * those who want it, and one that a killed natbridge left behind with the next. Where it cannot be written,
 * or rcu_normal says otherwise, grace periods take their time.
 */

#include <stdbool.h>

enum { NB_EXPEDITED = 0x6e62 }; /* any value but 0 expedites; by this one natbridge knows its own ("nb") */

/*
 * Whether this process may switch it on; at first it may. Returns what held before. Where it may not, only
 * what a killed natbridge left is still put back.
 */
bool nb_expedite_allow(bool allowed);

/* To be given to nb_rcu_expedite_end(). */
int nb_rcu_expedite_begin(void);
void nb_rcu_expedite_end(int *fd);

/* From here to the end of the block. */
#define NB_EXPEDITE                                                                                          \
	int expedite_ __attribute__((unused, cleanup(nb_rcu_expedite_end))) = nb_rcu_expedite_begin()

#endif
