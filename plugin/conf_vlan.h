/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CONF_VLAN_H
#define NATBRIDGE_PLUGIN_CONF_VLAN_H

/* "vlan" and "vlanTrunk" of the configuration, and what they mean for a pod's port. */

#include "lib/json/json.h"
#include "lib/net/vlan.h"
#include "lib/util/error.h"

struct nb_conf;

/* Parsers of the two keys, for the table of keys; each sets conf->vlan_filtering if it asks for it. */
int nb_conf_parse_vlan(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err);
int nb_conf_parse_vlan_trunk(const struct nb_json *at, struct nb_conf *conf, struct nb_error *err);

/* The VLANs of a pod's port. All empty: the port keeps what the bridge gives it. */
void nb_conf_port_vlans(const struct nb_conf *conf, struct nb_port_vlans *vlans);

#endif
