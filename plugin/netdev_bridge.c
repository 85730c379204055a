// SPDX-License-Identifier: GPL-2.0-or-later
/* Makes, or finds, the network's bridge. */
#include "netdev_bridge.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/random.h>

#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/util/error.h"

#include "netdev.h"

enum { MAX_TRIES = 8 }; /* to create or find a bridge that others create and delete meanwhile */

static int random_mac(unsigned char mac[NB_MAC_LEN], struct nb_error *err)
{
	if (getrandom(mac, NB_MAC_LEN, 0) != NB_MAC_LEN)
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot choose a MAC for the bridge");
	mac[0] = (unsigned char)((mac[0] & 0xfc) | 0x02); /* unicast, locally administered */
	return 0;
}

int nb_netdev_no_bridge(const char *name, struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, 0, "\"%s\" already exists but is not a bridge", name);
}

int nb_netdev_no_vlans(struct nb_error *err)
{
	return nb_fail(err, NB_ERR_SYSTEM, EOPNOTSUPP,
		       "this kernel does not filter VLANs on bridges (CONFIG_BRIDGE_VLAN_FILTERING)");
}

static int create_bridge(struct nb_netdev *netdev, const struct nb_netdev_bridge_spec *spec,
			 struct nb_error *err)
{
	unsigned char mac[NB_MAC_LEN];
	int rc = random_mac(mac, err);

	if (rc)
		return rc;
	rc = nb_link_create_bridge(&netdev->host, spec->name, mac, spec->mtu, spec->vlan_filtering, err);
	if (rc == -EOPNOTSUPP && spec->vlan_filtering)
		return nb_netdev_no_vlans(err);
	return rc;
}

/* Of many ADDs at once one creates it; the others find it. */
static int get_or_create(struct nb_netdev *netdev, const struct nb_netdev_bridge_spec *spec,
			 struct nb_link *link, struct nb_error *err)
{
	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		int rc = nb_link_get(&netdev->host, spec->name, link, err);

		if (rc != -ENODEV)
			return rc;
		rc = create_bridge(netdev, spec, err);
		if (rc && rc != -EEXIST)
			return rc;
	}
	return nb_fail(err, NB_ERR_SYSTEM, EAGAIN,
		       "cannot create bridge \"%s\": another process deletes it each time", spec->name);
}

int nb_netdev_ensure_bridge(struct nb_netdev *netdev, const struct nb_netdev_bridge_spec *spec,
			    struct nb_link *bridge, struct nb_error *err)
{
	struct nb_link_change change = { 0 };
	struct nb_link link;
	int rc = get_or_create(netdev, spec, &link, err);

	if (rc)
		return rc;
	if (strcmp(link.kind, "bridge") != 0)
		return nb_netdev_no_bridge(spec->name, err);
	/* Its routes are natbridge's to make. A kernel without IPv6 has no such file. */
	(void)nb_sysctl_link_write("ipv6", link.name, "accept_ra", "0", NULL);
	change.set_promisc = change.promisc = spec->promisc && !(link.flags & IFF_PROMISC);
	change.set_up = change.up = !(link.flags & IFF_UP);
	if (change.set_promisc || change.set_up) {
		rc = nb_link_change(&netdev->host, link.index, &change, err);
		if (!rc)
			rc = nb_netdev_refetch(netdev, &link, err);
		if (rc)
			return nb_wrap(err, "cannot set bridge \"%s\" up", spec->name);
	}
	*bridge = link;
	return 0;
}

/* Setting the MAC makes it the administrator's choice, which joining ports no longer change. */
int nb_netdev_fix_mac(struct nb_netdev *netdev, struct nb_link *bridge, struct nb_error *err)
{
	struct nb_link_change change = { 0 };
	struct nb_link link = *bridge;
	int rc = nb_netdev_refetch(netdev, &link, err);

	if (rc)
		return rc;
	change.mac = link.mac;
	rc = nb_link_change(&netdev->host, link.index, &change, err);
	if (rc)
		return rc;
	*bridge = link;
	return 0;
}
