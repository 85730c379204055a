// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/link.h"
#include "lib/net/vlan.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"

#include "netdev.h"

enum { MAX_TRIES = 8, PORT_DIGITS = 8 };

/* The host's end of the pair, "cni0.5", and the bridge's, whose name is a hash of that. */
static int names_of(const char *bridge, unsigned int vlan, char host[IFNAMSIZ], char port[IFNAMSIZ],
		    struct nb_error *err)
{
	char whole[IFNAMSIZ + 8], digits[PORT_DIGITS + 1];

	snprintf(whole, sizeof(whole), "%s.%u", bridge, vlan);
	if (strlen(whole) >= IFNAMSIZ)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"%s\", the gateway's interface in VLAN %u, is too long a name", whole, vlan);
	memcpy(host, whole, strlen(whole) + 1);
	nb_sha512_hex(whole, PORT_DIGITS, digits);
	snprintf(port, IFNAMSIZ, "veth%s", digits);
	return 0;
}

static int get_or_create(struct nb_netdev *wire, const struct nb_link *bridge, const char *name,
			 const char *port_name, struct nb_link *link, struct nb_error *err)
{
	/* The port's end is "this" one, since it joins the bridge. */
	const struct nb_veth_spec pair = {
		.name = port_name,
		.peer_name = name,
		.peer_netns_fd = -1,
		.mtu = bridge->mtu,
		.master = bridge->index,
	};
	int ret = 0;

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		ret = nb_link_get(&wire->host, name, link, err);
		if (ret != -ENODEV)
			return ret;
		ret = nb_link_create_veth(&wire->host, &pair, err);
		if (ret && ret != -EEXIST)
			return ret;
	}
	return ret ? ret : nb_fail(err, NB_ERR_SYSTEM, EAGAIN, "\"%s\" keeps vanishing", name);
}

/* The port takes part in that VLAN only. What is there already stays untouched. */
static int ensure_port(struct nb_netdev *wire, const struct nb_netdev_vlan_spec *spec,
		       unsigned int port_index, struct nb_error *err)
{
	const struct nb_port_vlans want = { .native = spec->vlan };
	const struct nb_link_change up = { .set_up = true, .up = true };
	struct nb_port_vlans have;
	int ret = nb_port_vlans_get(&wire->host, port_index, &have, err);

	if (!ret && have.native != want.native && !spec->preserve_default)
		ret = nb_port_vlans_clear(&wire->host, port_index, err);
	if (!ret && have.native != want.native)
		ret = nb_port_vlans_add(&wire->host, port_index, &want, err);
	return ret ? ret : nb_link_change(&wire->host, port_index, &up, err);
}

int nb_netdev_find_vlan_host(struct nb_netdev *wire, const char *bridge, unsigned int vlan,
			     struct nb_link *host, struct nb_error *err)
{
	char name[IFNAMSIZ], port_name[IFNAMSIZ];
	int ret = names_of(bridge, vlan, name, port_name, err);

	return ret ? ret : nb_link_get(&wire->host, name, host, err);
}

bool nb_netdev_is_vlan_host(const struct nb_link *link, const struct nb_link *bridge,
			    const struct nb_link *links, unsigned int n, unsigned int *vlan)
{
	const size_t len = strlen(bridge->name);
	char name[IFNAMSIZ], port_name[IFNAMSIZ], *end;
	unsigned long id;

	if (strcmp(link->kind, "veth") != 0 || link->peer_elsewhere ||
	    strncmp(link->name, bridge->name, len) != 0 || link->name[len] != '.')
		return false;
	id = strtoul(link->name + len + 1, &end, 10);
	/* The very name, so not "cni0.05". */
	if (*end || id < 1 || id > NB_VLAN_MAX ||
	    names_of(bridge->name, (unsigned int)id, name, port_name, NULL) || strcmp(link->name, name) != 0)
		return false;
	*vlan = (unsigned int)id;
	for (unsigned int i = 0; i < n; i++)
		if (links[i].index == link->peer && links[i].master == bridge->index)
			return true;
	return false;
}

int nb_netdev_ensure_vlan_host(struct nb_netdev *wire, const struct nb_netdev_vlan_spec *spec,
			       struct nb_link *host, struct nb_error *err)
{
	const struct nb_link_change up = { .set_up = true, .up = true };
	char name[IFNAMSIZ], port_name[IFNAMSIZ];
	struct nb_link link, port;
	int ret = names_of(spec->bridge->name, spec->vlan, name, port_name, err);

	if (!ret)
		ret = get_or_create(wire, spec->bridge, name, port_name, &link, err);
	/* Somebody's own "cni0.5", such as a VLAN device on the bridge, serves as well. */
	if (!ret && !nb_link_get(&wire->host, port_name, &port, NULL) && port.master == spec->bridge->index &&
	    port.peer == link.index)
		ret = ensure_port(wire, spec, port.index, err);
	if (!ret && !(link.flags & IFF_UP))
		ret = nb_link_change(&wire->host, link.index, &up, err);
	if (!ret)
		ret = nb_link_get_index(&wire->host, link.index, host, err);
	return ret ? nb_wrap(err, "the gateway's interface in VLAN %u", spec->vlan) : 0;
}

/* ---- pods' ports ---- */

int nb_netdev_set_vlans(struct nb_netdev *wire, const struct nb_link *host, const struct nb_port_vlans *vlans,
			bool preserve_default, struct nb_error *err)
{
	int ret = 0;

	if (!vlans->native && nb_vlans_empty(&vlans->tagged))
		return 0;
	if (!preserve_default)
		ret = nb_port_vlans_clear(&wire->host, host->index, err);
	if (!ret)
		ret = nb_port_vlans_add(&wire->host, host->index, vlans, err);
	if (ret == -EOPNOTSUPP)
		return nb_fail(err, NB_ERR_SYSTEM, EOPNOTSUPP,
			       "this kernel does not filter VLANs on bridges (CONFIG_BRIDGE_VLAN_FILTERING)");
	return ret;
}

int nb_netdev_check_vlans(struct nb_netdev *wire, const struct nb_link *host,
			  const struct nb_port_vlans *want, bool preserve_default, struct nb_error *err)
{
	struct nb_port_vlans have;
	int ret;

	if (!want->native && nb_vlans_empty(&want->tagged))
		return 0;
	ret = nb_port_vlans_get(&wire->host, host->index, &have, err);
	if (ret)
		return ret;
	if (have.native != want->native)
		return nb_fail(err, NB_ERR_CHECK, 0, "port \"%s\" has VLAN %u for untagged frames, not %u",
			       host->name, have.native, want->native);
	for (unsigned int id = 1; id <= NB_VLAN_MAX; id++) {
		const bool has = nb_vlans_has(&have.tagged, id), wanted = nb_vlans_has(&want->tagged, id);

		if (wanted && !has)
			return nb_fail(err, NB_ERR_CHECK, 0, "port \"%s\" has no VLAN %u", host->name, id);
		if (has && !wanted && !preserve_default)
			return nb_fail(err, NB_ERR_CHECK, 0, "port \"%s\" has VLAN %u", host->name, id);
	}
	return 0;
}
