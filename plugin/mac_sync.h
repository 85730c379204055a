/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MAC_SYNC_H
#define NATBRIDGE_PLUGIN_MAC_SYNC_H

/*
 * Pods whose MAC address has changed since their ADD. The eBPF programs have learned
 * the new addresses (bpf/lib/mac_learn.h); this makes static FDB entries of them, as
 * ADD does of the first one.
 */

#include "lib/maps/layout.h"
#include "lib/net/link.h"

#include "netdev.h"

/*
 * Does nothing in a network of which no pod ever changed its MAC. A MAC that the bridge has itself
 * or knows at another port is left alone: a pod's claim to it is not trusted. Failures are logged.
 */
void nb_mac_sync(struct nb_netdev *netdev, const struct nb_link *bridge, const struct nb_datapath *dp);

#endif
