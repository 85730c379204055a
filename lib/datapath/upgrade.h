/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_UPGRADE_H
#define NATBRIDGE_LIB_DATAPATH_UPGRADE_H

/*
 * Ports that still run programs of another natbridge, newer or older. nb_datapath_ensure() has replaced the
 * pins by then: with other programs on the same maps (renew.h), or on migrated maps (migrate.h). Until every
 * port has followed, NB_SETTINGS_BEHIND is set, and the other layout's pins stay.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "pin_path.h"

struct nb_ports {
	unsigned int attached; /* have the programs now; in mode off: have none */
	unsigned int gone;     /* are not in this network namespace, or no longer */
};

/*
 * Attaches the programs of the mode to all ports of the network, in place of those that they have; in mode
 * off detaches all. Continues after an error and reports the first; that a port is gone is none. Not under
 * the lock: attach.h.
 */
int nb_ports_attach(const struct nb_datapath *dp, enum nb_mode mode, struct nb_ports *ports,
		    struct nb_error *err);

/*
 * Notes that all ports have the programs of the mode, and removes the pins of other layouts. -EAGAIN: another
 * natbridge has added a pod to such a layout meanwhile. Takes the lock.
 */
int nb_ports_note_upgraded(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
			   struct nb_error *err);

struct nb_upgraded {
	bool replaced; /* false: there was nothing to do */
	enum nb_mode mode;
	unsigned int ports;
};

/* All of that for a network that has pins. Its ports are in the caller's network namespace. */
int nb_upgrade(const struct nb_pin_root *root, const char *network, struct nb_upgraded *done,
	       struct nb_error *err);

#endif
