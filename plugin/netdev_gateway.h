/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_GATEWAY_H
#define NATBRIDGE_PLUGIN_NETDEV_GATEWAY_H

/* isGateway: which gateway each address has, and the gateway's addresses at the bridge. */

#include <stdbool.h>

#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "result.h"

#define NB_SYSCTL_FORWARD4 "net/ipv4/ip_forward"
#define NB_SYSCTL_FORWARD6 "net/ipv6/conf/all/forwarding"

/*
 * Completes *result by what isGateway and isDefaultGateway imply (is_default_gateway implies
 * is_gateway). Each IP without gateway gets the first address of its subnet; each family without a
 * default route by a gateway gets one. The interface of each IP becomes NB_RESULT_CONTAINER.
 * Touches nothing but *result.
 */
int nb_netdev_plan_gateways(struct nb_result *result, bool is_gateway, bool is_default_gateway,
			    struct nb_error *err);

/*
 * Gives the bridge the gateway of each of result->ips (with the pod's prefix length), and
 * switches on forwarding for each family in use. Another IPv4 address, or an IPv6 one whose
 * subnet overlaps, is an error, or with force_address is removed. When an address is added, the
 * MAC is fixed at that of *bridge, which must have been fetched before the pod's port joined, and
 * *bridge is fetched again.
 */
int nb_netdev_ensure_gateway(struct nb_netdev *netdev, struct nb_link *bridge, const struct nb_result *result,
			     bool force_address, struct nb_error *err);

/*
 * Whether the bridge cannot have both addresses, which are of one family: it has one of IPv4, and
 * those of IPv6 whose subnets do not overlap, as in the reference plugin.
 */
bool nb_netdev_conflicts(const struct nb_ifaddr *have, const struct nb_ifaddr *want);

#endif
