/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_MIGRATE_CONNS_H
#define NATBRIDGE_LIB_DATAPATH_MIGRATE_CONNS_H

/* Connections of another map layout, entered one by one: their index depends on the layout. */

#include <linux/types.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/*
 * Enters the connections of *from into the empty table of *to, if both have one, after the settings, which
 * get a seed of the index if they have none. Expired connections are left out.
 */
int nb_migrate_conns(const struct nb_datapath *from, const struct nb_datapath *to, struct nb_error *err);

/* How many connections the table of *from was made for; *connections is untouched if it has none. */
int nb_migrate_capacity(const struct nb_datapath *from, __u32 *connections, struct nb_error *err);

#endif
