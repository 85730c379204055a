/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_NET_HOST_VETH_H
#define NATBRIDGE_LIB_NET_HOST_VETH_H

/*
 * How natbridge recognises the host end of a pod's veth pair: by three pure functions of the
 * attachment.
 *
 * name   "veth" and 8 hex digits of a hash of network, container id, interface name and a salt.
 *        If a foreign link has that name, ADD uses the next salt.
 * MAC    locally administered, from a hash of network and name. The link has it from its creation
 *        on, so that natbridge recognises a link to which a killed ADD has not given its alias.
 * alias  "natbridge:NETWORK:CONTAINER:IFNAME". A part that is too long becomes "#" and 32 hex
 *        digits of its hash. CNI allows neither '#' nor ':' in names, so that each attachment has
 *        its own alias.
 */

#include <stdbool.h>

#include "lib/util/cni_id.h"

#include "link.h"

/* Salts 0 .. 3. */
enum { NB_HOST_VETH_SALTS = 4 };

void nb_host_veth_name(const struct nb_cni_id *id, unsigned int salt, char name[IFNAMSIZ]);
void nb_host_veth_mac(const char *network, const char *name, unsigned char mac[NB_MAC_LEN]);
void nb_host_veth_alias(const struct nb_cni_id *id, char alias[NB_LINK_ALIAS_MAX]);

/* Whether name is derived from the attachment, with any salt. */
bool nb_host_veth_is_name_of(const char *name, const struct nb_cni_id *id);

/*
 * Splits an alias of that network into container id and interface name. False: it is not one, or
 * holds only the hash of a long container id. ifname is untouched then.
 */
bool nb_host_veth_alias_parse(const char *alias, const char *network, char container_id[NB_LINK_ALIAS_MAX],
			      char ifname[IFNAMSIZ]);

/*
 * The network of an alias of any network. False: not an alias of natbridge; network untouched. For
 * a long name it is "#" and the hash, which is not a valid name.
 */
bool nb_host_veth_alias_network(const char *alias, char network[NB_LINK_ALIAS_MAX]);

/*
 * Whether the link is the host end of this attachment; by its alias, of any interface of the
 * attachment's container in its network; of any attachment of this network.
 */
bool nb_host_veth_is_of(const struct nb_link *link, const struct nb_cni_id *id);
bool nb_host_veth_is_of_container(const struct nb_link *link, const struct nb_cni_id *id);
bool nb_host_veth_is_of_network(const struct nb_link *link, const char *network);

#endif
