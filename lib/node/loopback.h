/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NODE_LOOPBACK_H
#define NATBRIDGE_LIB_NODE_LOOPBACK_H

/*
 * The loopback device, by which the node's own processes reach its NodePorts: their answers enter by it
 * again, with an address of the node as their source. IPv4 takes such packets with
 * net.ipv4.conf.lo.accept_local alone (fib_validate_source() of net/ipv4/fib_frontend.c). Nothing but the
 * host itself sends to lo.
 */

#include <stdbool.h>

#include "lib/datapath/devices.h"
#include "lib/maps/layout.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"

/* What the map of devices has for lo: with NB_DEVICE_LO if accept_local is off, or was before us. */
int nb_loopback_plan(struct nb_netlink *nl, const struct nb_datapath *dp, struct nb_device_at *lo,
		     struct nb_error *err);

/* Sets accept_local, unless it is so. Call it when the map says how it was. */
int nb_loopback_accept(struct nb_netlink *nl, bool accept, struct nb_error *err);

/* Makes accept_local what it was, by the map of devices. */
int nb_loopback_restore(struct nb_netlink *nl, const struct nb_datapath *dp, struct nb_error *err);

#endif
