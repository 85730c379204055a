/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_HANDOVER_H
#define NATBRIDGE_LIB_DATAPATH_HANDOVER_H

/*
 * Hands the ports and connections of a network in mode ebpf over from another map layout, so that no
 * connection is lost, not even one that begins meanwhile. migrate.h has made the new maps, without
 * connections.
 *
 *   1. Each port gets a program that hands its packets to the old programs or to the new ones
 *      (bpf/handover.bpf.c). As long as all go to the old ones, nothing has changed.
 *   2. In rounds (natbridge/handover.h), the new programs take over what begins, and the connections of the
 *      old table are entered into the new one.
 *   3. When the old programs can begin nothing any more, all packets go to the new ones. upgrade.h attaches
 *      those to the ports.
 *
 * After a kill at any point all connections go on, and the next call continues.
 *
 * For the node's own table there is no program of step 1: its connections are entered into the new table
 * before devices get the new programs, and those that begin meanwhile afterwards (upgrade.h). Packets of the
 * latter may be lost until then.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "pin_path.h"

/* What an operator should know of a handover. */
struct nb_handed_over {
	unsigned int lost; /* connections for which the new table had no place */
	bool refused;      /* without step 1, which the kernel refuses: what begins meanwhile may be lost */
};

/*
 * Steps 1 to 3, if the network has another layout's pins, and both have mode ebpf, or both mode node; else
 * nothing. Its ports are in the caller's network namespace. Takes the lock. -EAGAIN: a natbridge of the other
 * layout has added a pod meanwhile.
 */
int nb_handover(const struct nb_pin_root *root, const char *network, struct nb_handed_over *handed,
		struct nb_error *err);

/* Whether step 3 is done; not so if the kernel refuses the programs of step 1. */
bool nb_handover_is_done(const struct nb_datapath *dp);

/* Removes the pins of the handover, when no port has its programs. Needs the lock. */
int nb_handover_forget(struct nb_datapath *dp, struct nb_error *err);

#endif
