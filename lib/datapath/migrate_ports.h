/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_PORTS_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_PORTS_H

/*
 * Port slots of another map layout and those of this one. They are the same when the maps have just been
 * migrated; then pods come and go in the new maps, and a natbridge of the other layout may have added one to
 * the old ones.
 */

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* Where the new maps have the port of an old slot. Zeroed is empty. */
struct nb_new_ports {
	struct nb_new_port {
		__u32 old_gen, gen;
		__u16 slot; /* 0: they have no such port */
	} of_old_slot[NB_MAX_PORTS];
};

/* Finds each port of *from in *to, by its link. */
int nb_new_ports_find(const struct nb_datapath *from, const struct nb_datapath *to,
		      struct nb_new_ports *ports, struct nb_error *err);

/* Gives an entry of an old connection the slot and generation that its receiver has in the new maps. */
void nb_new_ports_follow(const struct nb_new_ports *ports, struct nb_conn *conn);

#endif
