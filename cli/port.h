/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_PORT_H
#define NATBRIDGE_CLI_PORT_H

/* The port of a pod on the node, as listings show it. */

#include <net/if.h>

#include "lib/datapath/port_state.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* The name of a port into buf, which is returned; "": this network namespace has no such port. */
const char *nb_port_name(unsigned int ifindex, char buf[IF_NAMESIZE]);

/*
 * "attached", "detached" (a program of the network's mode is missing), or why the port is cut off, by
 * nb_port_state_name().
 */
const char *nb_port_describe(const struct nb_datapath *dp, const struct nb_port_links *links,
			     unsigned int ifindex);

/* Reads the links of this network namespace, for nb_port_describe(); the caller frees them. */
int nb_port_links_here(const struct nb_datapath *dp, struct nb_port_links *links, struct nb_error *err);

#endif
