/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_RCU_EXPEDITE_H
#define NATBRIDGE_LIB_NET_RCU_EXPEDITE_H

/*
 * Expedites the RCU grace periods of the whole kernel while natbridge waits for some.
 *
 * Attaching a program by tcx, and deleting a link that has one, wait for RCU grace periods under
 * the kernel's rtnl lock (tcx_entry_sync() of include/net/tcx.h): 10 ms or more each, in which no
 * other link of the host can change. The kernel expedites all other grace periods under that lock
 * (synchronize_net() of net/core/dev.c). A value other than 0 in /sys/kernel/rcu_expedited
 * expedites these too.
 *
 * natbridge leaves a foreign value alone. It removes its own value when the last process that wants
 * it ends; the next process removes one that a killed natbridge has left. If the file cannot be
 * written, or rcu_normal is set, the grace periods take their usual time.
 */

#include <stdbool.h>

/* natbridge's value, "nb": it tells natbridge's own from a foreign one. */
enum { NB_EXPEDITED = 0x6e62 };

/*
 * Sets whether this process may expedite grace periods; at first it may. Returns the former
 * setting. A process that may not still removes a value that a killed natbridge has left.
 */
bool nb_rcu_expedite_allow(bool allowed);

/* Start and end expedited grace periods. begin returns a descriptor for end; -1: not expedited. */
int nb_rcu_expedite_begin(void);
void nb_rcu_expedite_end(int *fd);

/* Expedites grace periods from here to the end of the block. */
#define NB_EXPEDITE                                                                                          \
	int expedite_ __attribute__((unused, cleanup(nb_rcu_expedite_end))) = nb_rcu_expedite_begin()

#endif
