/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_DATAPATH_PORT_DESCRIBE_H
#define NATBRIDGE_LIB_DATAPATH_PORT_DESCRIBE_H

/* The port of a pod on the node, as an operator sees it. */

#include <net/if.h>

#include "lib/maps/layout.h"
#include "lib/util/error.h"

#include "port_state.h"

/* What can be said of a port: one of its states if that is not forwarding, else whether it has its programs.
 */
enum nb_port_look {
	NB_PORT_LOOK_ATTACHED = NB_PORT_STATE_FORWARDING,
	NB_PORT_LOOK_DETACHED = NB_PORT_STATES, /* a program of the network's mode is missing */
	NB_PORT_LOOKS,
};

/* "attached", "detached", or nb_port_state_name(). */
const char *nb_port_look_name(enum nb_port_look look);

/* The name of a port into buf, which is returned; "": this network namespace has no such port. */
const char *nb_port_name(unsigned int ifindex, char buf[IF_NAMESIZE]);

/* Reads the links of this network namespace, for nb_port_look(); the caller frees them. */
int nb_port_links_here(const struct nb_datapath *dp, struct nb_port_links *links, struct nb_error *err);

enum nb_port_look nb_port_look(const struct nb_datapath *dp, const struct nb_port_links *links,
			       unsigned int ifindex);

#endif
