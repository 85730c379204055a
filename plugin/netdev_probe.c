// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <string.h>

#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/net/vlan.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_internal.h"

/* How many of the network's ports have that master; 0: none. */
static int count_ports(struct nb_netdev *wire, const char *network, unsigned int master, unsigned int *n,
		       struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n_links = 0, found = 0;
	int ret = nb_link_list(&wire->host, "veth", 0, &links, &n_links, err);

	for (unsigned int i = 0; i < n_links; i++)
		found += links[i].master == master && nb_host_veth_is_of_network(&links[i], network);
	if (!ret)
		*n = found;
	return ret;
}

/* An ADD would make the bridge, or set it up, but the pods that were on one that is gone stay cut off. */
static int probe_pods(struct nb_netdev *wire, const struct nb_netdev_probe_spec *spec,
		      const struct nb_link *bridge, struct nb_error *err)
{
	unsigned int n = 0;
	int ret = bridge && bridge->flags & IFF_UP
			  ? 0
			  : count_ports(wire, spec->network, bridge ? bridge->index : 0, &n, err);

	if (ret || !n)
		return ret;
	if (bridge)
		return nb_fail(err, NB_ERR_LIMITED, 0,
			       "bridge \"%s\" is down, with %u pod%s on it: \"ip link set %s up\" ends that",
			       spec->bridge, n, n == 1 ? "" : "s", spec->bridge);
	return nb_fail(err, NB_ERR_LIMITED, 0,
		       "bridge \"%s\" is gone, and the pods that were on it (%u) have to be made anew",
		       spec->bridge, n);
}

static int probe_bridge(struct nb_netdev *wire, const struct nb_netdev_probe_spec *spec, struct nb_error *err)
{
	struct nb_link link;
	bool filters = true;
	int ret = nb_link_get(&wire->host, spec->bridge, &link, err);
	const bool there = !ret;

	if (there && strcmp(link.kind, "bridge") != 0)
		return nb_netdev_no_bridge(spec->bridge, err);
	if (ret && ret != -ENODEV)
		return ret;
	ret = probe_pods(wire, spec, there ? &link : NULL, err);
	if (!ret && spec->vlan_filtering)
		ret = nb_vlans_supported(&wire->host, &filters, err);
	return ret || filters ? ret : nb_netdev_no_vlans(err);
}

static int probe_vlan_host(struct nb_netdev *wire, const struct nb_netdev_probe_spec *spec,
			   struct nb_error *err)
{
	struct nb_link link;
	int ret = 0;

	if (spec->is_gateway && spec->gateway_vlan)
		ret = nb_netdev_find_vlan_host(wire, spec->bridge, spec->gateway_vlan, &link, err);
	return ret == -ENODEV ? 0 : ret; /* a name that is too long, for example */
}

/* IPAM alone knows which families there will be: one that can be forwarded will do. */
static int probe_forwarding(const struct nb_netdev_probe_spec *spec, struct nb_error *err)
{
	if (!spec->is_gateway || !nb_sysctl_probe(NB_SYSCTL_FORWARD6, "1", NULL))
		return 0;
	return nb_sysctl_probe(NB_SYSCTL_FORWARD4, "1", err) ? nb_wrap(err, "isGateway") : 0;
}

/* Without the bridge, or without forwarding, pods that are attached already suffer as well. */
int nb_netdev_probe(struct nb_netdev *wire, const struct nb_netdev_probe_spec *spec, struct nb_error *err)
{
	bool has_pods = false;
	int ret = probe_bridge(wire, spec, err);

	if (!ret)
		ret = probe_vlan_host(wire, spec, err);
	if (!ret)
		ret = probe_forwarding(spec, err);
	if (ret && !nb_netdev_has_pods(wire, spec->network, &has_pods, NULL) && has_pods)
		err->code = NB_ERR_LIMITED;
	return ret;
}
