/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_CONNS_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_CONNS_H

/* Connections of another map layout, entered one by one: their index depends on the layout. */

#include <linux/types.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* What a walk over the old table does. */
enum nb_conns_walk {
	NB_CONNS_CHECK, /* makes a seed for the new index; fails if a connection cannot be converted */
	NB_CONNS_OPEN,  /* enters all but those of TCP that are closed */
	NB_CONNS_ALL,   /* enters all */
};

/*
 * Brings the connections of *from into the table of *to, if both have one, after the settings. Programs use
 * both tables meanwhile. A connection that the new table has already stays as it is there; only a state that
 * is behind the old table's follows. Expired ones are left out. Adds to *lost, unless it is NULL, those for
 * which the new table has no place. Needs the lock.
 */
int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, enum nb_conns_walk walk,
		     unsigned int *lost, struct nb_error *err);

/* How many connections the table of *from was made for; *connections is untouched if it has none. */
int nb_migrate_capacity(const struct nb_datapath *from, __u32 *connections, struct nb_error *err);

#endif
