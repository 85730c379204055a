/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_POD_H
#define NATBRIDGE_PLUGIN_NETDEV_POD_H

/* The pod's end of the veth pair, inside its namespace: settings, addresses, routes. */

#include <stdbool.h>

#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_veth.h"
#include "result.h"

/* Sets what does not depend on the pod's addresses, which the IPAM plugin is still choosing. */
int nb_netdev_prepare_pod(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, bool enable_dad,
			  struct nb_error *err);

/*
 * Gives the pod's end the addresses and routes of *result, and sets it up; it has a carrier once
 * the port is up. A route without gateway gets the first gateway of its family among the IPs.
 * Without enable_dad, duplicate address detection of IPv6 is off.
 */
int nb_netdev_configure_pod(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
			    const struct nb_result *result, bool enable_dad, struct nb_error *err);

/*
 * Waits until duplicate address detection, which begins when the port comes up, is over for all
 * IPv6 addresses: 30 s at most. A duplicate is an error.
 */
int nb_netdev_settle_pod(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
			 const struct nb_result *result, struct nb_error *err);

#endif
