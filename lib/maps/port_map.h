/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MAPS_PORT_MAP_H
#define NATBRIDGE_LIB_MAPS_PORT_MAP_H

/* ports[] in memory. Programs and other processes change it at the same time: words by atomics only. */

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "layout.h"

struct nb_port_map {
	struct nb_port *ports; /* NB_MAX_PORTS of them, by port slot; NULL: not mapped */
};

/* Fails for maps of older layouts, too, which cannot be mapped. */
int nb_port_map_open(const struct nb_datapath *dp, struct nb_port_map *map, struct nb_error *err);
void nb_port_map_close(struct nb_port_map *map); /* for nb_cleanup() */

/*
 * Writes a slot in the order that struct nb_port says: ifindex and gen are the last to change, or the first
 * if they free the slot.
 */
void nb_port_map_write(const struct nb_port_map *map, __u32 slot, const struct nb_port *port);

/* Writes ifindex and gen alone. */
void nb_port_map_write_id(const struct nb_port_map *map, __u32 slot, const struct nb_port *port);

#endif
