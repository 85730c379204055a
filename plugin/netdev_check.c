// SPDX-License-Identifier: GPL-2.0-or-later
/* Compares a pod's network devices with config and prevResult. */
#include "netdev_check.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>

#include <natbridge/abi.h>

#include "lib/net/fdb.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/qdisc.h"
#include "lib/net/route.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_gateway.h"
#include "netdev_vlan.h"
#include "result.h"

/* The interface of prevResult with that name, on the host or in a sandbox. NULL: there is none. */
static const struct nb_result_if *find_interface(const struct nb_result *result, const char *name,
						 bool in_sandbox)
{
	for (size_t i = 0; i < result->n_interfaces; i++) {
		const struct nb_result_if *found = &result->interfaces[i];

		if (!strcmp(found->name, name) && (found->sandbox != NULL) == in_sandbox)
			return found;
	}
	return NULL;
}

/* An interface without an entry in prevResult, or an entry without MAC, has nothing to compare. */
static int check_mac(const struct nb_link *link, const struct nb_result_if *expected, struct nb_error *err)
{
	char have[NB_MAC_STRLEN], want[NB_MAC_STRLEN];

	if (!expected || !expected->has_mac || !memcmp(expected->mac, link->mac, NB_MAC_LEN))
		return 0;
	return nb_fail(err, NB_ERR_CHECK, 0, "interface \"%s\" has MAC %s instead of %s", link->name,
		       nb_mac_format(link->mac, have), nb_mac_format(expected->mac, want));
}

/* Turns the error of a look-up that found nothing into one of CHECK; any other stays what it is. */
static int missing(int rc, struct nb_error *err, const char *what, const char *name)
{
	return rc == -ENODEV ? nb_fail(err, NB_ERR_CHECK, 0, "%s \"%s\" is missing", what, name) : rc;
}

static int check_up(const struct nb_link *link, struct nb_error *err)
{
	if (link->flags & IFF_UP)
		return 0;
	return nb_fail(err, NB_ERR_CHECK, 0, "interface \"%s\" is down: run \"ip link set %s up\"",
		       link->name, link->name);
}

/*
 * Reports only states that last. With the spanning tree protocol a new port does not forward yet; a
 * port whose link is not operational the bridge itself disables until it is.
 */
static int check_forwarding(const struct nb_link *host, struct nb_error *err)
{
	const bool lasting = host->port_state == BR_STATE_DISABLED || host->port_state == BR_STATE_BLOCKING;

	if (!lasting || host->operstate != IF_OPER_UP)
		return 0;
	return nb_fail(err, NB_ERR_CHECK, 0,
		       "port \"%s\" does not forward, being %s: run \"bridge link set dev %s state 3\"",
		       host->name, host->port_state == BR_STATE_BLOCKING ? "blocking" : "disabled",
		       host->name);
}

static int check_bridge(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec,
			struct nb_link *bridge, struct nb_error *err)
{
	int rc = nb_link_get(&netdev->host, spec->bridge, bridge, err);

	if (rc)
		return missing(rc, err, "bridge", spec->bridge);
	if (strcmp(bridge->kind, "bridge") != 0)
		return nb_fail(err, NB_ERR_CHECK, 0, "\"%s\" is not a bridge", spec->bridge);
	if (spec->promisc && !(bridge->flags & IFF_PROMISC))
		return nb_fail(err, NB_ERR_CHECK, 0, "bridge \"%s\" is not in promiscuous mode",
			       spec->bridge);
	rc = check_up(bridge, err);
	if (rc)
		return rc;
	return check_mac(bridge, find_interface(spec->result, spec->bridge, false), err);
}

static int check_pod(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec, struct nb_link *pod,
		     struct nb_error *err)
{
	const char *ifname = spec->id->ifname;
	int rc = nb_netdev_open_pod(netdev, err);

	if (rc)
		return rc;
	rc = nb_link_get(&netdev->pod, ifname, pod, err);
	if (rc)
		return missing(rc, err, "container interface", ifname);
	if (strcmp(pod->kind, "veth") != 0)
		return nb_fail(err, NB_ERR_CHECK, 0, "container interface \"%s\" is not a veth", ifname);
	if (spec->container_interface) {
		rc = check_up(pod, err);
		if (rc)
			return rc;
	}
	return check_mac(pod, find_interface(spec->result, ifname, true), err);
}

/* The pod's peer, if prevResult names it and it has no alias: the reference plugin made it. */
static int find_reference_veth(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec,
			       const struct nb_link *pod, struct nb_link *host, struct nb_error *err)
{
	int rc;

	if (!pod->peer)
		return -ENODEV;
	rc = nb_link_get_index(&netdev->host, pod->peer, host, err);
	if (rc)
		return rc;
	return host->alias[0] || !find_interface(spec->result, host->name, false) ? -ENODEV : 0;
}

static int find_host_veth(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec,
			  const struct nb_link *pod, struct nb_link *host, bool *ours, struct nb_error *err)
{
	int rc = nb_netdev_find_host_veth(netdev, spec->id, host, err);

	*ours = !rc;
	if (rc == -ENODEV)
		rc = find_reference_veth(netdev, spec, pod, host, err);
	return missing(rc, err, "the host interface of container interface", spec->id->ifname);
}

static int check_flag(const struct nb_link *host, const char *flag, bool have, bool want,
		      struct nb_error *err)
{
	if (have == want)
		return 0;
	return nb_fail(err, NB_ERR_CHECK, 0, "port \"%s\" has the flag %s %s", host->name, flag,
		       have ? "on" : "off");
}

static int check_port(const struct nb_netdev_check_spec *spec, const struct nb_link *host,
		      const struct nb_link *pod, const struct nb_link *bridge, struct nb_error *err)
{
	int rc;

	if (strcmp(host->kind, "veth") != 0 || host->peer != pod->index || pod->peer != host->index)
		return nb_fail(err, NB_ERR_CHECK, 0, "\"%s\" is not the peer of container interface \"%s\"",
			       host->name, pod->name);
	if (host->master != bridge->index)
		return nb_fail(err, NB_ERR_CHECK, 0,
			       "\"%s\" is not attached to bridge \"%s\": run \"ip link set %s master %s\"",
			       host->name, bridge->name, host->name, bridge->name);
	rc = check_up(host, err);
	if (rc)
		return rc;
	rc = check_forwarding(host, err);
	if (rc)
		return rc;
	rc = check_flag(host, "hairpin", host->hairpin, spec->hairpin, err);
	if (rc)
		return rc;
	rc = check_flag(host, "isolated", host->isolated, spec->isolated, err);
	if (rc)
		return rc;
	return check_mac(host, find_interface(spec->result, host->name, false), err);
}

/* Any static entry of the port does: a plugin after this one may have changed the pod's MAC since ADD. */
static int check_fdb(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	const char *port = veth->host.name;
	char mac[NB_MAC_STRLEN];
	bool has_entry = false;
	int rc = nb_fdb_has(&netdev->host, veth->host.index, NULL, &has_entry, err);

	if (rc || has_entry)
		return rc;
	nb_mac_format(veth->pod.mac, mac);
	return nb_fail(err, NB_ERR_CHECK, 0,
		       "the static FDB entry of %s at \"%s\" is missing: run \"bridge fdb replace %s dev %s "
		       "master static\"",
		       mac, port, mac, port);
}

static int check_host(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec,
		      const struct nb_link *bridge, struct nb_netdev_veth *veth, struct nb_error *err)
{
	char qdisc[NB_QDISC_KIND_MAX] = "";
	bool ours = false;
	int rc = find_host_veth(netdev, spec, &veth->pod, &veth->host, &ours, err);

	if (rc)
		return rc;
	rc = check_port(spec, &veth->host, &veth->pod, bridge, err);
	if (rc)
		return rc;
	rc = nb_netdev_check_vlans(netdev, &veth->host, &spec->vlans, spec->preserve_default_vlan, err);
	if (rc)
		return rc;
	rc = nb_qdisc_find(&netdev->host, veth->host.index, qdisc, err);
	if (rc)
		return rc;
	veth->shaped = qdisc[0];
	return ours ? check_fdb(netdev, veth, err) : 0;
}

/* One address of a link, which must not be a duplicate of another host's. */
static int check_address(const struct nb_ifaddr *addrs, unsigned int n, const struct nb_ifaddr *want,
			 const char *ifname, struct nb_error *err)
{
	char text[NB_ADDR_STRLEN];

	for (unsigned int i = 0; i < n; i++) {
		if (addrs[i].prefix_len != want->prefix_len || !nb_addr_equal(&addrs[i].addr, &want->addr))
			continue;
		if (!(addrs[i].flags & IFA_F_DADFAILED))
			return 0;
		return nb_fail(err, NB_ERR_CHECK, 0, "address %s of \"%s\" is in use by another host",
			       nb_addr_format(&want->addr, text), ifname);
	}
	return nb_fail(err, NB_ERR_CHECK, 0, "address %s/%u of \"%s\" is missing",
		       nb_addr_format(&want->addr, text), want->prefix_len, ifname);
}

/* Whether an IP of prevResult is on the container's interface (chained plugins may have added others). */
static bool is_on_container(const struct nb_netdev_check_spec *spec, const struct nb_result_ip *ip)
{
	const struct nb_result *result = spec->result;

	if (ip->interface < 0 || (size_t)ip->interface >= result->n_interfaces)
		return ip->interface < 0;
	return !strcmp(result->interfaces[ip->interface].name, spec->id->ifname);
}

static int check_addresses(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec,
			   const struct nb_link *pod, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_ifaddr_list(&netdev->pod, pod->index, AF_UNSPEC, &addrs, &n, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < spec->result->n_ips; i++) {
		const struct nb_result_ip *ip = &spec->result->ips[i];
		struct nb_ifaddr want = { .addr = ip->addr, .prefix_len = ip->prefix_len };

		if (!is_on_container(spec, ip))
			continue;
		rc = check_address(addrs, n, &want, pod->name, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* Whether the gateway of a later IP has replaced this one on the bridge, by forceAddress. */
static bool is_replaced(const struct nb_netdev_check_spec *spec, const struct nb_ifaddr *gateway,
			size_t later)
{
	const struct nb_result *result = spec->result;

	for (; spec->force_address && later < result->n_ips; later++) {
		const struct nb_result_ip *ip = &result->ips[later];
		struct nb_ifaddr other = { .addr = ip->gateway, .prefix_len = ip->prefix_len };

		if (ip->has_gateway && is_on_container(spec, ip) &&
		    nb_addr_family(&other.addr) == nb_addr_family(&gateway->addr) &&
		    nb_netdev_conflicts(gateway, &other))
			return true;
	}
	return false;
}

static int check_gateways(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec,
			  const struct nb_link *bridge, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	struct nb_link host = *bridge;
	unsigned int n = 0;
	int rc;

	if (!spec->is_gateway)
		return 0;
	if (spec->gateway_vlan) {
		rc = nb_netdev_find_vlan_host(netdev, bridge->name, spec->gateway_vlan, &host, err);
		if (rc)
			return missing(rc, err, "the gateway's interface in a VLAN of", bridge->name);
	}
	rc = nb_ifaddr_list(&netdev->host, host.index, AF_UNSPEC, &addrs, &n, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < spec->result->n_ips; i++) {
		const struct nb_result_ip *ip = &spec->result->ips[i];
		struct nb_ifaddr want = { .addr = ip->gateway, .prefix_len = ip->prefix_len };

		if (!ip->has_gateway || !is_on_container(spec, ip) || is_replaced(spec, &want, i + 1))
			continue;
		rc = check_address(addrs, n, &want, host.name, err);
		if (rc)
			return rc;
	}
	return 0;
}

static bool matches(const struct nb_route *have, const struct nb_result_route *want)
{
	struct nb_addr dst = nb_addr_network(&want->dst, want->prefix_len);

	return have->prefix_len == want->prefix_len && nb_addr_equal(&have->dst, &dst) &&
	       (!want->has_gw || (have->has_gw && nb_addr_equal(&have->gw, &want->gw))) &&
	       (!want->has_table || !want->table || have->table == want->table) &&
	       (!want->has_priority || !want->priority || have->priority == want->priority);
}

static int check_routes_of(struct nb_netdev *netdev, const struct nb_result *result, int family,
			   struct nb_error *err)
{
	nb_autofree struct nb_route *routes = NULL;
	char dst[NB_ADDR_STRLEN];
	unsigned int n = 0, k;
	int rc = nb_route_list(&netdev->pod, family, &routes, &n, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < result->n_routes; i++) {
		const struct nb_result_route *want = &result->routes[i];

		if (nb_addr_family(&want->dst) != family)
			continue;
		for (k = 0; k < n && !matches(&routes[k], want); k++)
			;
		if (k == n)
			return nb_fail(err, NB_ERR_CHECK, 0, "route to %s/%u is missing",
				       nb_addr_format(&want->dst, dst), want->prefix_len);
	}
	return 0;
}

static int check_routes(struct nb_netdev *netdev, const struct nb_result *result, struct nb_error *err)
{
	int rc;

	if (!result->n_routes)
		return 0;
	rc = check_routes_of(netdev, result, AF_INET, err);
	if (rc)
		return rc;
	return check_routes_of(netdev, result, AF_INET6, err);
}

int nb_netdev_check(struct nb_netdev *netdev, const struct nb_netdev_check_spec *spec, struct nb_link *bridge,
		    struct nb_netdev_veth *veth, struct nb_error *err)
{
	int rc = check_bridge(netdev, spec, bridge, err);

	if (rc)
		return rc;
	rc = check_pod(netdev, spec, &veth->pod, err);
	if (rc)
		return rc;
	rc = check_host(netdev, spec, bridge, veth, err);
	if (rc)
		return rc;
	rc = check_addresses(netdev, spec, &veth->pod, err);
	if (rc)
		return rc;
	rc = check_routes(netdev, spec->result, err);
	if (rc)
		return rc;
	return check_gateways(netdev, spec, bridge, err);
}
