/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_PORT_H
#define NATBRIDGE_CLI_PORT_H

#include <natbridge/datapath.h>

#include <net/if.h>

/* The name of a pod's port on the node, "" if there is none in this network namespace; buf is returned. */
const char *nb_port_name(unsigned int ifindex, char buf[IF_NAMESIZE]);

/* "attached", "detached" or "gone". */
const char *nb_port_state(const struct nb_datapath *dp, unsigned int ifindex);

#endif
