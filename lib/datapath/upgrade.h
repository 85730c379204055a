/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_UPGRADE_H
#define NATBRIDGE_LIB_DATAPATH_UPGRADE_H

/*
 * Ports whose programs are those of another natbridge, newer or older. The pins follow whenever a datapath is
 * ensured: programs of another build of the same map layout are replaced on the maps that there are; of
 * another layout the maps are carried over, field by field. Until all ports have followed, NB_SETTINGS_BEHIND
 * is set, and the other layout's pins stay.
 */

#include <stdbool.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* Whether the programs that are pinned are of another build than this natbridge's. */
bool nb_upgrade_possible(const struct nb_datapath *dp);

struct nb_ports {
	unsigned int attached; /* have the programs now; in mode off: have none */
	unsigned int gone;     /* are not in this network namespace (any more) */
};

/*
 * Attaches the programs of the mode to all ports of the network, each in place of the one that it has, or
 * detaches all in mode off. Goes on after errors and reports the first; that a port is gone is none. Not
 * under the lock: others hold the kernel's rtnl lock for long.
 */
int nb_ports_attach(const struct nb_datapath *dp, enum nb_mode mode, struct nb_ports *ports,
		    struct nb_error *err);

/*
 * Notes that they all have, and removes the pins of other layouts. -EAGAIN: another natbridge has added a pod
 * by such a layout meanwhile. Takes the lock.
 */
int nb_ports_followed(const char *bpffs, const char *network, enum nb_mode mode, struct nb_error *err);

struct nb_upgraded {
	bool replaced; /* false: there was nothing to do */
	enum nb_mode mode;
	unsigned int ports;
};

/* All of that for a network that has pins. ifindexes count in the caller's network namespace. */
int nb_upgrade(const char *bpffs, const char *network, struct nb_upgraded *done, struct nb_error *err);

#endif
