/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_ATTACH_H
#define NATBRIDGE_LIB_DATAPATH_ATTACH_H

/* Programs at ports and bridges. attach_query.h finds them without pins. */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/*
 * Brings the host-side veth of a pod to a mode: attaches its programs, by tcx where the kernel has it, else
 * by clsact. Idempotent; programs of ours that are there, of the other mode or an older version, are replaced
 * in one step or go. The attachment lives and dies with the link. ifindex in the caller's network namespace.
 */
int nb_datapath_attach(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
		       struct nb_error *err);

/* Detaches our programs, whatever their mode, from the link; not attached: 0. Others' programs are left
 * alone. */
int nb_datapath_detach(unsigned int ifindex, struct nb_error *err);

/* 0 if the link has the programs of that mode of *dp, and no other of ours; else NB_ERR_CHECK and *err says
 * which is missing. */
int nb_datapath_attached(const struct nb_datapath *dp, enum nb_mode mode, unsigned int ifindex,
			 struct nb_error *err);

/* 0 if none of our programs is attached to the link; else NB_ERR_CHECK. */
int nb_datapath_detached(unsigned int ifindex, struct nb_error *err);

/*
 * The same for the bridge, where a network in mode assist has a program, beside those of other networks. A
 * mode without one: nothing to do. It stays until it is detached or the bridge goes.
 */
int nb_datapath_attach_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
			      unsigned int ifindex, struct nb_error *err);
int nb_datapath_detach_bridge(const char *network, unsigned int ifindex, struct nb_error *err);
int nb_datapath_attached_bridge(const struct nb_datapath *dp, enum nb_mode mode, const char *network,
				unsigned int ifindex, struct nb_error *err);

#endif
