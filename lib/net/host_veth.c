// SPDX-License-Identifier: GPL-2.0-or-later
/* Name, MAC and alias of the host end of a pod's veth pair. */
#include "host_veth.h"

#include <stdio.h>
#include <string.h>

#include "lib/util/cni_id.h"
#include "lib/util/hash.h"

#include "link.h"

#define NAME_PREFIX  "veth"
#define ALIAS_PREFIX "natbridge:"

enum {
	NAME_DIGITS = 8,
	PART_MAX = 100, /* two parts, an interface name and the prefix fit an alias */
	PART_DIGITS = 32,
	PART_SIZE = PART_MAX + 1,
	HASHED_MAX = 1024, /* bytes to hash: an alias and a salt, or a part and a name */
};

_Static_assert(sizeof(ALIAS_PREFIX) + 2UL * (PART_MAX + 1) + IFNAMSIZ <= NB_LINK_ALIAS_MAX, "alias");

/* The name, or "#" and digits of its hash if it is too long for an alias. */
static void short_part(const char *name, char part[PART_SIZE])
{
	size_t len = strlen(name);

	if (len <= PART_MAX) {
		memcpy(part, name, len + 1);
		return;
	}
	part[0] = '#';
	nb_sha512_hex(name, PART_DIGITS, part + 1);
}

void nb_host_veth_alias(const struct nb_cni_id *id, char alias[NB_LINK_ALIAS_MAX])
{
	char network[PART_SIZE], container[PART_SIZE];

	short_part(id->network, network);
	short_part(id->container_id, container);
	snprintf(alias, NB_LINK_ALIAS_MAX, ALIAS_PREFIX "%s:%s:%.*s", network, container, IFNAMSIZ - 1,
		 id->ifname);
}

/* Writes "natbridge:NETWORK:", with which all aliases of a network start. Returns its length. */
static size_t alias_prefix(const char *network, char prefix[NB_LINK_ALIAS_MAX])
{
	char part[PART_SIZE];

	short_part(network, part);
	return (size_t)snprintf(prefix, NB_LINK_ALIAS_MAX, ALIAS_PREFIX "%s:", part);
}

bool nb_host_veth_alias_parse(const char *alias, const char *network, char container_id[NB_LINK_ALIAS_MAX],
			      char ifname[IFNAMSIZ])
{
	char prefix[NB_LINK_ALIAS_MAX];
	size_t len = alias_prefix(network, prefix);
	const char *colon;

	if (strncmp(alias, prefix, len) != 0)
		return false;
	alias += len;
	colon = strchr(alias, ':');
	if (!colon || *alias == '#' || colon == alias || strlen(colon + 1) >= IFNAMSIZ)
		return false;
	memcpy(container_id, alias, (size_t)(colon - alias));
	container_id[colon - alias] = '\0';
	memcpy(ifname, colon + 1, strlen(colon + 1) + 1);
	return true;
}

bool nb_host_veth_alias_network(const char *alias, char network[NB_LINK_ALIAS_MAX])
{
	const char *colon;

	if (strncmp(alias, ALIAS_PREFIX, strlen(ALIAS_PREFIX)) != 0)
		return false;
	alias += strlen(ALIAS_PREFIX);
	colon = strchr(alias, ':');
	if (!colon || colon == alias || !strchr(colon + 1, ':'))
		return false;
	memcpy(network, alias, (size_t)(colon - alias));
	network[colon - alias] = '\0';
	return true;
}

void nb_host_veth_name(const struct nb_cni_id *id, unsigned int salt, char name[IFNAMSIZ])
{
	char alias[NB_LINK_ALIAS_MAX], text[HASHED_MAX];

	nb_host_veth_alias(id, alias);
	snprintf(text, sizeof(text), "%s:%u", alias, salt);
	memcpy(name, NAME_PREFIX, sizeof(NAME_PREFIX));
	nb_sha512_hex(text, NAME_DIGITS, name + strlen(NAME_PREFIX));
}

void nb_host_veth_mac(const char *network, const char *name, unsigned char mac[NB_MAC_LEN])
{
	char part[PART_SIZE], text[HASHED_MAX];
	unsigned char digest[NB_SHA512_LEN];

	short_part(network, part);
	snprintf(text, sizeof(text), ALIAS_PREFIX "%s:%s", part, name);
	nb_sha512(text, strlen(text), digest);
	memcpy(mac, digest, NB_MAC_LEN);
	/* Unicast, locally administered. */
	mac[0] = (unsigned char)((mac[0] & 0xfc) | 0x02);
}

/* Whether the link has the MAC of its name, and no alias yet: an ADD was killed between the two. */
static bool is_half_made(const struct nb_link *link, const char *network)
{
	unsigned char mac[NB_MAC_LEN];

	if (link->alias[0] || !link->has_mac)
		return false;
	nb_host_veth_mac(network, link->name, mac);
	return !memcmp(mac, link->mac, sizeof(mac));
}

bool nb_host_veth_is_name_of(const char *name, const struct nb_cni_id *id)
{
	char derived[IFNAMSIZ];

	for (unsigned int salt = 0; salt < NB_HOST_VETH_SALTS; salt++) {
		nb_host_veth_name(id, salt, derived);
		if (!strcmp(derived, name))
			return true;
	}
	return false;
}

bool nb_host_veth_is_of(const struct nb_link *link, const struct nb_cni_id *id)
{
	char alias[NB_LINK_ALIAS_MAX];

	if (strcmp(link->kind, "veth") != 0)
		return false;
	nb_host_veth_alias(id, alias);
	return !strcmp(link->alias, alias) ||
	       (is_half_made(link, id->network) && nb_host_veth_is_name_of(link->name, id));
}

bool nb_host_veth_is_of_container(const struct nb_link *link, const struct nb_cni_id *id)
{
	const struct nb_cni_id nameless = { id->network, id->container_id, "" };
	char prefix[NB_LINK_ALIAS_MAX];

	nb_host_veth_alias(&nameless, prefix);
	return !strcmp(link->kind, "veth") && !strncmp(link->alias, prefix, strlen(prefix));
}

bool nb_host_veth_is_of_network(const struct nb_link *link, const char *network)
{
	char prefix[NB_LINK_ALIAS_MAX];
	size_t len = alias_prefix(network, prefix);

	if (strcmp(link->kind, "veth") != 0)
		return false;
	return !strncmp(link->alias, prefix, len) || is_half_made(link, network);
}
