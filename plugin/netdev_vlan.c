// SPDX-License-Identifier: GPL-2.0-or-later
/* The interface "BRIDGE.VLAN", and the VLANs of ports. */
#include "netdev_vlan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/link.h"
#include "lib/net/vlan.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"

#include "netdev.h"
#include "netdev_bridge.h"

enum { MAX_TRIES = 8, PORT_DIGITS = 8 };

/*
 * The names of the host's end of the pair, "cni0.5", and of the bridge's port,
 * "veth" and a hash of that.
 */
static int names_of(const char *bridge, unsigned int vlan, char host[IFNAMSIZ], char port[IFNAMSIZ],
		    struct nb_error *err)
{
	char whole[IFNAMSIZ + 8], digits[PORT_DIGITS + 1];

	snprintf(whole, sizeof(whole), "%s.%u", bridge, vlan);
	if (strlen(whole) >= IFNAMSIZ)
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "the name \"%s\" of the gateway's interface in VLAN %u is too long", whole,
			       vlan);
	memcpy(host, whole, strlen(whole) + 1);
	nb_sha512_hex(whole, PORT_DIGITS, digits);
	snprintf(port, IFNAMSIZ, "veth%s", digits);
	return 0;
}

static int get_or_create(struct nb_netdev *netdev, const struct nb_link *bridge, const char *name,
			 const char *port_name, struct nb_link *link, struct nb_error *err)
{
	/* .name is the end that joins the bridge. */
	const struct nb_veth_spec pair = {
		.name = port_name,
		.peer_name = name,
		.peer_netns_fd = -1,
		.mtu = bridge->mtu,
		.master = bridge->index,
	};

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		int rc = nb_link_get(&netdev->host, name, link, err);

		if (rc != -ENODEV)
			return rc;
		rc = nb_link_create_veth(&netdev->host, &pair, err);
		if (rc && rc != -EEXIST)
			return rc;
	}
	return nb_fail(err, NB_ERR_SYSTEM, EAGAIN,
		       "cannot create \"%s\": another process deletes it each time", name);
}

/* Puts the port into that VLAN, out of the default one unless that is to be preserved, and sets it up. */
static int ensure_port(struct nb_netdev *netdev, const struct nb_netdev_vlan_spec *spec,
		       unsigned int port_index, struct nb_error *err)
{
	const struct nb_port_vlans want = { .native = spec->vlan };
	const struct nb_link_change up = { .set_up = true, .up = true };
	struct nb_port_vlans have;
	int rc = nb_port_vlans_get(&netdev->host, port_index, &have, err);

	if (rc)
		return rc;
	if (have.native != want.native && !spec->preserve_default) {
		rc = nb_port_vlans_clear(&netdev->host, port_index, err);
		if (rc)
			return rc;
	}
	if (have.native != want.native) {
		rc = nb_port_vlans_add(&netdev->host, port_index, &want, err);
		if (rc)
			return rc;
	}
	return nb_link_change(&netdev->host, port_index, &up, err);
}

int nb_netdev_find_vlan_host(struct nb_netdev *netdev, const char *bridge, unsigned int vlan,
			     struct nb_link *host, struct nb_error *err)
{
	char name[IFNAMSIZ], port_name[IFNAMSIZ];
	int rc = names_of(bridge, vlan, name, port_name, err);

	if (rc)
		return rc;
	return nb_link_get(&netdev->host, name, host, err);
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
	/* Compared whole, since "cni0.05" is another name. */
	if (*end || id < 1 || id > NB_VLAN_MAX ||
	    names_of(bridge->name, (unsigned int)id, name, port_name, NULL) || strcmp(link->name, name) != 0)
		return false;
	*vlan = (unsigned int)id;
	for (unsigned int i = 0; i < n; i++)
		if (links[i].index == link->peer && links[i].master == bridge->index)
			return true;
	return false;
}

static int ensure_vlan_host(struct nb_netdev *netdev, const struct nb_netdev_vlan_spec *spec,
			    struct nb_link *host, struct nb_error *err)
{
	const struct nb_link_change up = { .set_up = true, .up = true };
	char name[IFNAMSIZ], port_name[IFNAMSIZ];
	struct nb_link link, port;
	int rc = names_of(spec->bridge->name, spec->vlan, name, port_name, err);

	if (rc)
		return rc;
	rc = get_or_create(netdev, spec->bridge, name, port_name, &link, err);
	if (rc)
		return rc;
	/*
	 * An operator's own "cni0.5", such as a VLAN device on the bridge, has no
	 * such port, and needs none.
	 */
	if (!nb_link_get(&netdev->host, port_name, &port, NULL) && port.master == spec->bridge->index &&
	    port.peer == link.index) {
		rc = ensure_port(netdev, spec, port.index, err);
		if (rc)
			return rc;
	}
	if (!(link.flags & IFF_UP)) {
		rc = nb_link_change(&netdev->host, link.index, &up, err);
		if (rc)
			return rc;
	}
	return nb_link_get_index(&netdev->host, link.index, host, err);
}

int nb_netdev_ensure_vlan_host(struct nb_netdev *netdev, const struct nb_netdev_vlan_spec *spec,
			       struct nb_link *host, struct nb_error *err)
{
	int rc = ensure_vlan_host(netdev, spec, host, err);

	return rc ? nb_wrap(err, "the gateway's interface in VLAN %u", spec->vlan) : 0;
}

/* ---- pods' ports ---- */

int nb_netdev_set_vlans(struct nb_netdev *netdev, const struct nb_link *port,
			const struct nb_port_vlans *vlans, bool preserve_default, struct nb_error *err)
{
	int rc = 0;

	if (!vlans->native && nb_vlans_empty(&vlans->tagged))
		return 0;
	if (!preserve_default)
		rc = nb_port_vlans_clear(&netdev->host, port->index, err);
	if (!rc)
		rc = nb_port_vlans_add(&netdev->host, port->index, vlans, err);
	return rc == -EOPNOTSUPP ? nb_netdev_no_vlans(err) : rc;
}

int nb_netdev_check_vlans(struct nb_netdev *netdev, const struct nb_link *port,
			  const struct nb_port_vlans *want, bool preserve_default, struct nb_error *err)
{
	struct nb_port_vlans have;
	int rc;

	if (!want->native && nb_vlans_empty(&want->tagged))
		return 0;
	rc = nb_port_vlans_get(&netdev->host, port->index, &have, err);
	if (rc)
		return rc;
	if (have.native != want->native)
		return nb_fail(err, NB_ERR_CHECK, 0, "port \"%s\" has VLAN %u for untagged frames, not %u",
			       port->name, have.native, want->native);
	for (unsigned int id = 1; id <= NB_VLAN_MAX; id++) {
		const bool has = nb_vlans_has(&have.tagged, id), wanted = nb_vlans_has(&want->tagged, id);

		if (wanted && !has)
			return nb_fail(err, NB_ERR_CHECK, 0, "port \"%s\" has no VLAN %u", port->name, id);
		if (has && !wanted && !preserve_default)
			return nb_fail(err, NB_ERR_CHECK, 0,
				       "port \"%s\" has VLAN %u, which the configuration does not name",
				       port->name, id);
	}
	return 0;
}
