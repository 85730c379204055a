/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MODE_SWITCH_H
#define NATBRIDGE_PLUGIN_MODE_SWITCH_H

/* A network whose config has another serviceProxy.mode than its pods have. */

#include "lib/maps/layout.h"
#include "lib/net/link.h"

#include "conf.h"
#include "netdev.h"

/*
 * Brings the network's ports to the mode of the config, unless they are all known to have it. Pods
 * that the maps do not know, since they were attached in mode off or the pins were lost, are
 * entered first, as their namespaces show them. host: where pods reach the host, the bridge or an
 * interface in a VLAN. *dp: the network's datapath, open; not needed in mode off, in which all
 * programs and pins are removed. A failure at one port is logged, and the next call tries again.
 */
void nb_mode_switch(struct nb_netdev *netdev, const struct nb_conf *conf, const struct nb_link *bridge,
		    const struct nb_link *host, const struct nb_datapath *dp);

#endif
