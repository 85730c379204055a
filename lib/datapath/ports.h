/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PORTS_H
#define NATBRIDGE_LIB_DATAPATH_PORTS_H

/* All ports of a network at once: their programs, and links that only another layout knows. */

#include "lib/maps/layout.h"
#include "lib/util/error.h"

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

/* The same; fails if no port of the network is in this network namespace. */
int nb_ports_attach_here(const struct nb_datapath *dp, const char *network, enum nb_mode mode,
			 struct nb_ports *ports, struct nb_error *err);

/* -EAGAIN: the other layout has a link of a pod that *dp does not have: its natbridge has added one since. */
int nb_links_check_known(const struct nb_datapath *dp, const struct nb_datapath *old, unsigned int old_layout,
			 struct nb_error *err);

#endif
