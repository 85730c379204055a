// SPDX-License-Identifier: GPL-2.0-or-later
#include "wire.h"

#include <natbridge/sysctl.h>

#include "wire_internal.h"

#include <errno.h>
#include <string.h>

static int probe_bridge(struct nb_wire *wire, const struct nb_wire_probe_spec *spec, struct nb_error *err)
{
	struct nb_link link;
	bool filters = true;
	int ret = nb_link_get(&wire->host, spec->bridge, &link, err);

	if (!ret && strcmp(link.kind, "bridge") != 0)
		return nb_wire_no_bridge(spec->bridge, err);
	if (ret && ret != -ENODEV)
		return ret;
	ret = spec->vlan_filtering ? nb_vlans_supported(&wire->host, &filters, err) : 0;
	return ret || filters ? ret : nb_wire_no_vlans(err);
}

static int probe_vlan_host(struct nb_wire *wire, const struct nb_wire_probe_spec *spec, struct nb_error *err)
{
	struct nb_link link;
	int ret = 0;

	if (spec->is_gateway && spec->gateway_vlan)
		ret = nb_wire_find_vlan_host(wire, spec->bridge, spec->gateway_vlan, &link, err);
	return ret == -ENODEV ? 0 : ret; /* a name that is too long, for example */
}

/* IPAM alone knows which families there will be: one that can be forwarded will do. */
static int probe_forwarding(const struct nb_wire_probe_spec *spec, struct nb_error *err)
{
	if (!spec->is_gateway || !nb_sysctl_probe(NB_SYSCTL_FORWARD6, "1", NULL))
		return 0;
	return nb_sysctl_probe(NB_SYSCTL_FORWARD4, "1", err) ? nb_wrap(err, "isGateway") : 0;
}

/* Without the bridge, or without forwarding, pods that are attached already suffer as well. */
int nb_wire_probe(struct nb_wire *wire, const struct nb_wire_probe_spec *spec, struct nb_error *err)
{
	bool has_pods = false;
	int ret = probe_bridge(wire, spec, err);

	if (!ret)
		ret = probe_vlan_host(wire, spec, err);
	if (!ret)
		ret = probe_forwarding(spec, err);
	if (ret && !nb_wire_has_pods(wire, spec->network, &has_pods, NULL) && has_pods)
		err->code = NB_ERR_LIMITED;
	return ret;
}
