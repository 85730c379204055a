/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_HOST_VETH_H
#define NATBRIDGE_LIB_NET_HOST_VETH_H

/*
 * How the host end of a pod's veth pair is recognised as ours. Pure functions of the attachment:
 *
 * name   "veth" and 8 hex digits of a hash of network, container id, interface name and a salt. Where a
 *        foreign link has the first name, the next salt is used.
 * MAC    locally administered, from a hash of network and name: present from the creation on, so that a link
 *        which a killed ADD had no time to give an alias is known as ours.
 * alias  "natbridge:NETWORK:CONTAINER:IFNAME"; a part that is too long is "#" and 32 hex digits of its hash.
 *        Neither '#' nor ':' may be in a valid name of the CNI, so no two attachments share an alias.
 */

#include <stdbool.h>

#include "lib/util/cni_id.h"

#include "link.h"

enum { NB_HOST_VETH_SALTS = 4 };

void nb_host_veth_name(const struct nb_cni_id *id, unsigned int salt, char name[IFNAMSIZ]);
void nb_host_veth_mac(const char *network, const char *name, unsigned char mac[NB_MAC_LEN]);
void nb_host_veth_alias(const struct nb_cni_id *id, char alias[NB_LINK_ALIAS_MAX]);

/*
 * Takes an alias of that network apart: container id and interface name. False: it is none, or the
 * container's id is too long to stand in it.
 */
bool nb_host_veth_alias_parse(const char *alias, const char *network, char container_id[NB_LINK_ALIAS_MAX],
			      char ifname[IFNAMSIZ]);

/*
 * The network of any alias of ours. False: it is none. A name too long to stand in an alias is written as its
 * "#" and hash, which is no network's name.
 */
bool nb_host_veth_alias_network(const char *alias, char network[NB_LINK_ALIAS_MAX]);

/*
 * Whether the link is the host end of this attachment; of any interface of its container in its network, by
 * the alias; of some attachment of this network.
 */
bool nb_host_veth_is_of(const struct nb_link *link, const struct nb_cni_id *id);
bool nb_host_veth_is_of_container(const struct nb_link *link, const struct nb_cni_id *id);
bool nb_host_veth_is_of_network(const struct nb_link *link, const char *network);

#endif
