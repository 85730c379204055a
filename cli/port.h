/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_PORT_H
#define NATBRIDGE_CLI_PORT_H

#include <net/if.h>

#include "lib/datapath/port_state.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* The name of a pod's port on the node, "" if there is none in this network namespace; buf is returned. */
const char *nb_port_name(unsigned int ifindex, char buf[IF_NAMESIZE]);

/* "attached", "detached" (a program is missing), or why the port is cut off: nb_port_state_name(). */
const char *nb_port_describe(const struct nb_datapath *dp, const struct nb_port_links *links,
			     unsigned int ifindex);

/* The links of this network namespace, for the function above. */
int nb_port_links_here(const struct nb_datapath *dp, struct nb_port_links *links, struct nb_error *err);

#endif
