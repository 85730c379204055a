/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MODE_SWITCH_H
#define NATBRIDGE_PLUGIN_MODE_SWITCH_H

/*
 * A network whose config has another serviceProxy.mode than its pods. In: the config of an ADD and the
 * bridge. Out: every port of the network has the programs of that mode, and the maps know every pod.
 */

#include "lib/maps/layout.h"
#include "lib/net/link.h"

#include "conf.h"
#include "netdev.h"

/*
 * Brings the network's ports to the mode of the config, if they have not been yet. Pods that the maps do not
 * know, since they were attached in mode off or the pins were lost, are entered with what their namespaces
 * say of them. host: where the host is reached, the bridge or an interface in a VLAN. dp: the network's,
 * open; not needed in mode off, in which all programs and pins go. What cannot be done for a port is logged,
 * and tried again by the next call.
 */
void nb_mode_switch(struct nb_netdev *wire, const struct nb_conf *conf, const struct nb_link *bridge,
		    const struct nb_link *host, const struct nb_datapath *dp);

#endif
