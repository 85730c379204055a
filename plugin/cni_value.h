/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_CNI_VALUE_H
#define NATBRIDGE_PLUGIN_CNI_VALUE_H

/* Values that the environment, the configuration and results have in common: their text, checked. */

#include <stdbool.h>

/*
 * NULL if a network interface can have the name (nb_ifname_valid() of link.h, and no '%', which the
 * kernel would take for a pattern), else what is wrong with it, as the end of a sentence.
 */
const char *nb_ifname_problem(const char *name);

/*
 * Reads a unicast MAC address in any form that Go's net.ParseMAC takes: aa:bb:..,
 * aa-bb-.., aabb.ccdd.eeff.
 */
bool nb_mac_parse_any(const char *text, unsigned char mac[6]);

#endif
