/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_SERVICE_HOST_ADDR_H
#define NATBRIDGE_LIB_SERVICE_HOST_ADDR_H

/* Services whose address the host has as well. */

#include "lib/net/netlink.h"
#include "lib/util/error.h"

#include "service.h"

/*
 * Sets on_host of each ClusterIP that a link of the host has, and calls tell once for each Service and
 * address that a link of the host has, but for NodePorts. Other addresses are the Service's, also if the host
 * has them. nl: a socket in the host's network namespace.
 */
int nb_services_mark_on_host(struct nb_services *services, struct nb_netlink *nl,
			     void (*tell)(const struct nb_service *service), struct nb_error *err);

#endif
