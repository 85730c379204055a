/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_ATTACH_H
#define NATBRIDGE_LIB_DATAPATH_ATTACH_H

/*
 * Programs of an open datapath at ports and bridges; attach_query.h finds programs without one. ifindexes are
 * those of the caller's network namespace. Attaching and detaching wait for RCU grace periods under rtnl,
 * which rcu_expedite.h shortens: do not call them under the datapath's lock, unless programs of ours are
 * there already. Those are replaced, which waits for nothing.
 */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/*
 * Brings the host-side veth of a pod to a mode: attaches the mode's programs. Idempotent. Programs of ours
 * that are there, of the other mode or another version, are replaced in one step or detached. What is
 * attached goes when the link goes.
 */
int nb_datapath_attach(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
		       struct nb_error *err);

/* Detaches our programs, of whatever mode, from a port; there are none: 0. Others' programs stay. */
int nb_datapath_detach(unsigned int ifindex, struct nb_error *err);

/* 0: the port has the programs of that mode of *dp, and no other of ours; else NB_ERR_CHECK. */
int nb_datapath_attached(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
			 struct nb_error *err);

/* 0: the port has none of our programs; else NB_ERR_CHECK. */
int nb_datapath_detached(unsigned int ifindex, struct nb_error *err);

/*
 * The same for a bridge, where a network in mode assist has a program beside those of other networks. A mode
 * without one: nothing to do. The program stays until it is detached or the bridge goes.
 */
int nb_datapath_attach_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
			      unsigned int ifindex, struct nb_error *err);
int nb_datapath_detach_bridge(const char *network, unsigned int ifindex, struct nb_error *err);
int nb_datapath_attached_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
				unsigned int ifindex, struct nb_error *err);

/*
 * The same for a device of the node, at one hook (NB_HOOK_NB0_OUT, NB_HOOK_DEVICE_IN, NB_HOOK_DEVICE_OUT). A
 * node has one table: each of these programs that is found is its own.
 */
int nb_datapath_attach_device(const struct nb_datapath *dp, enum nb_hook hook, unsigned int ifindex,
			      struct nb_error *err);
int nb_datapath_detach_device(enum nb_hook hook, unsigned int ifindex, struct nb_error *err);
int nb_datapath_attached_device(const struct nb_datapath *dp, enum nb_hook hook, unsigned int ifindex,
				struct nb_error *err);

#endif
