/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_FLOWS_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_FLOWS_H

/* Flows of another map layout, which its programs write while they are read. */

#include <natbridge/abi.h>

/*
 * *set and *again are the same set, read twice and converted. Unlocks *set and removes from it the flows that
 * were not whole: those that changed between the two reads, and those that a CPU was writing.
 */
void nb_migrate_flow_set(struct nb_flow_set *set, const struct nb_flow_set *again);

#endif
