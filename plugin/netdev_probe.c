// SPDX-License-Identifier: GPL-2.0-or-later
/* What STATUS finds out about bridge, VLANs and gateway. */
#include "netdev_probe.h"

#include <errno.h>
#include <string.h>

#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/net/vlan.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_bridge.h"
#include "netdev_delete.h"
#include "netdev_gateway.h"
#include "netdev_vlan.h"

/* How many of the network's host veths have that master; 0: are ports of no bridge. */
static int count_ports(struct nb_netdev *netdev, const char *network, unsigned int master, unsigned int *n,
		       struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n_links = 0, found = 0;
	int rc = nb_link_list(&netdev->host, "veth", 0, &links, &n_links, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < n_links; i++)
		found += links[i].master == master && nb_host_veth_is_of_network(&links[i], network);
	*n = found;
	return 0;
}

/* An ADD would set the bridge up or make a new one, but pods of a bridge that is gone stay cut off. */
static int probe_pods(struct nb_netdev *netdev, const struct nb_netdev_probe_spec *spec,
		      const struct nb_link *bridge, struct nb_error *err)
{
	unsigned int n = 0;
	int rc;

	if (bridge && bridge->flags & IFF_UP)
		return 0;
	rc = count_ports(netdev, spec->network, bridge ? bridge->index : 0, &n, err);
	if (rc || !n)
		return rc;
	if (bridge)
		return nb_fail(err, NB_ERR_LIMITED, 0,
			       "bridge \"%s\" is down, with %u pod%s on it: run \"ip link set %s up\"",
			       spec->bridge, n, n == 1 ? "" : "s", spec->bridge);
	return nb_fail(err, NB_ERR_LIMITED, 0,
		       "bridge \"%s\" is gone: recreate the pods that were on it (%u)", spec->bridge, n);
}

static int probe_bridge(struct nb_netdev *netdev, const struct nb_netdev_probe_spec *spec,
			struct nb_error *err)
{
	struct nb_link link;
	bool filters = true;
	int rc = nb_link_get(&netdev->host, spec->bridge, &link, err);
	const bool there = !rc;

	if (rc && rc != -ENODEV)
		return rc;
	if (there && strcmp(link.kind, "bridge") != 0)
		return nb_netdev_no_bridge(spec->bridge, err);
	rc = probe_pods(netdev, spec, there ? &link : NULL, err);
	if (rc || !spec->vlan_filtering)
		return rc;
	rc = nb_vlans_supported(&netdev->host, &filters, err);
	if (rc)
		return rc;
	return filters ? 0 : nb_netdev_no_vlans(err);
}

/*
 * Finds, for example, that the name of the gateway's interface would be too long.
 * ADD makes one if need be.
 */
static int probe_vlan_host(struct nb_netdev *netdev, const struct nb_netdev_probe_spec *spec,
			   struct nb_error *err)
{
	struct nb_link link;
	int rc;

	if (!spec->is_gateway || !spec->gateway_vlan)
		return 0;
	rc = nb_netdev_find_vlan_host(netdev, spec->bridge, spec->gateway_vlan, &link, err);
	return rc == -ENODEV ? 0 : rc;
}

/* Only the IPAM plugin knows which families the pods will have: one that can be forwarded is enough. */
static int probe_forwarding(const struct nb_netdev_probe_spec *spec, struct nb_error *err)
{
	if (!spec->is_gateway || !nb_sysctl_probe(NB_SYSCTL_FORWARD6, "1", NULL))
		return 0;
	return nb_sysctl_probe(NB_SYSCTL_FORWARD4, "1", err) ? nb_wrap(err, "isGateway") : 0;
}

static int probe(struct nb_netdev *netdev, const struct nb_netdev_probe_spec *spec, struct nb_error *err)
{
	int rc = probe_bridge(netdev, spec, err);

	if (rc)
		return rc;
	rc = probe_vlan_host(netdev, spec, err);
	if (rc)
		return rc;
	return probe_forwarding(spec, err);
}

/* Pods that are attached suffer as well if there is no bridge, or no forwarding. */
int nb_netdev_probe(struct nb_netdev *netdev, const struct nb_netdev_probe_spec *spec, struct nb_error *err)
{
	bool has_pods = false;
	int rc = probe(netdev, spec, err);

	if (rc && !nb_netdev_has_pods(netdev, spec->network, &has_pods, NULL) && has_pods)
		err->code = NB_ERR_LIMITED;
	return rc;
}
