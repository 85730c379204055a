/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_DEVICES_H
#define NATBRIDGE_LIB_DATAPATH_DEVICES_H

/*
 * The devices of the node that have programs of the node's own table (mode node), as the map of devices says.
 * ifindexes are those of the caller's network namespace, the node's. One process at a time changes them.
 */

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "ports.h"

struct nb_device_at {
	__u32 ifindex;
	struct nb_device device; /* but for the seal */
};

struct nb_devices {
	NB_VEC(struct nb_device_at) all; /* sorted by ifindex */
};

void nb_devices_free(struct nb_devices *devices); /* for nb_cleanup() */

/* Reads the map. The caller frees *devices (zeroed). */
int nb_devices_read(const struct nb_datapath *dp, struct nb_devices *devices, struct nb_error *err);

/*
 * Makes the map and the programs equal to *wanted, sorted by ifindex: a device is in the map before it gets
 * programs, and until it has none. Writes nothing if nothing differs, but looks whether each device has its
 * programs. A device that is gone meanwhile is left out. Goes on after an error, and returns the first one.
 */
int nb_devices_set(const struct nb_datapath *dp, const struct nb_devices *wanted, struct nb_error *err);

/* Brings the programs of *dp to the devices of the map, in place of those of another version. */
int nb_devices_attach(const struct nb_datapath *dp, struct nb_ports *ports, struct nb_error *err);

#endif
