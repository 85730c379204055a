/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_INTERNAL_H
#define NATBRIDGE_PLUGIN_NETDEV_INTERNAL_H

/* What the wire_*.c files share and nobody else needs. */

#include <stdbool.h>

#include "lib/net/ifaddr.h"
#include "lib/util/error.h"

#include "netdev.h"

enum { NB_RESULT_CONTAINER = 2 }; /* place of the container's interface in a result that we make */

/* Opens wire->pod if it is not open. */
int nb_netdev_open_pod(struct nb_netdev *wire, struct nb_error *err);

/*
 * Whether the bridge cannot have both: one IPv4 address, and IPv6 addresses of subnets that do not overlap
 * (as in the reference). Both are of one family.
 */
bool nb_netdev_conflicts(const struct nb_ifaddr *have, const struct nb_ifaddr *want);

#define NB_SYSCTL_FORWARD4 "net/ipv4/ip_forward"
#define NB_SYSCTL_FORWARD6 "net/ipv6/conf/all/forwarding"

/* What ADD and STATUS say of a link that has the bridge's name, and of a kernel without VLAN filtering. */
int nb_netdev_no_bridge(const char *name, struct nb_error *err);
int nb_netdev_no_vlans(struct nb_error *err);

/* Sleeps for so many microseconds (up to a second). */
void nb_netdev_sleep(unsigned int microseconds);

#endif
