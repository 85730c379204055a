/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MAC_SYNC_H
#define NATBRIDGE_PLUGIN_MAC_SYNC_H

/*
 * Pods that have another MAC address than at their ADD. In: the addresses that the programs have learned
 * (bpf/lib/mac_learn.h). Out: static FDB entries of these, as ADD makes one of the first.
 */

#include "lib/maps/layout.h"
#include "lib/net/link.h"

#include "netdev.h"

/*
 * Does nothing in a network of which no pod ever changed its MAC. A MAC that the bridge has for itself or
 * knows at another port is left alone, whatever a pod says of it. What fails is logged.
 */
void nb_mac_sync(struct nb_netdev *wire, const struct nb_link *bridge, const struct nb_datapath *dp);

#endif
