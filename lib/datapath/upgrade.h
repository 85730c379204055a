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

#include "handover.h"
#include "load.h"
#include "pin_path.h"
#include "ports.h"

/* What became of the ports and, from another map layout, of the connections. */
struct nb_followed {
	struct nb_ports ports;
	struct nb_handed_over handed;
};

/*
 * Brings all ports of config->network to the programs of config->mode, those of another map layout by
 * handover.h. Takes the lock.
 */
int nb_ports_follow(const struct nb_datapath *dp, const struct nb_datapath_config *config,
		    struct nb_followed *followed, struct nb_error *err);

/*
 * Notes that all ports have the programs of the mode, and removes the pins of other layouts. -EAGAIN: another
 * natbridge has added a pod to such a layout meanwhile. Takes the lock.
 */
int nb_ports_note_upgraded(const struct nb_pin_root *root, const char *network, enum nb_mode mode,
			   struct nb_error *err);

struct nb_upgraded {
	bool replaced; /* false: there was nothing to do */
	enum nb_mode mode;
	struct nb_followed followed;
};

/* All of that for a network that has pins. Its ports are in the caller's network namespace. */
int nb_upgrade(const struct nb_pin_root *root, const char *network, struct nb_upgraded *done,
	       struct nb_error *err);

#endif
