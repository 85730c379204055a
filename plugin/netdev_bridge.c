// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/random.h>

#include <linux/if_addr.h>

#include <natbridge/abi.h>

#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_internal.h"
#include "result.h"

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

static int create_bridge(struct nb_netdev *wire, const struct nb_netdev_bridge_spec *spec,
			 struct nb_error *err)
{
	unsigned char mac[NB_MAC_LEN];
	int ret = random_mac(mac, err);

	if (ret)
		return ret;
	ret = nb_link_create_bridge(&wire->host, spec->name, mac, spec->mtu, spec->vlan_filtering, err);
	if (ret == -EOPNOTSUPP && spec->vlan_filtering)
		return nb_netdev_no_vlans(err);
	return ret;
}

/* Of many ADDs at once one creates it; the others find it. */
static int get_or_create(struct nb_netdev *wire, const struct nb_netdev_bridge_spec *spec,
			 struct nb_link *link, struct nb_error *err)
{
	unsigned int tries;
	int ret = 0;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		ret = nb_link_get(&wire->host, spec->name, link, err);
		if (ret != -ENODEV)
			return ret;
		ret = create_bridge(wire, spec, err);
		if (ret && ret != -EEXIST)
			return ret;
	}
	return ret ? ret : nb_fail(err, NB_ERR_SYSTEM, EAGAIN, "bridge \"%s\" keeps vanishing", spec->name);
}

int nb_netdev_ensure_bridge(struct nb_netdev *wire, const struct nb_netdev_bridge_spec *spec,
			    struct nb_link *bridge, struct nb_error *err)
{
	struct nb_link_change change = { 0 };
	struct nb_link link;
	int ret = get_or_create(wire, spec, &link, err);

	if (ret)
		return ret;
	if (strcmp(link.kind, "bridge") != 0)
		return nb_netdev_no_bridge(spec->name, err);
	/* Its routes are ours to make. Without IPv6 in the kernel there is nothing to switch off. */
	(void)nb_sysctl_link_write("ipv6", link.name, "accept_ra", "0", NULL);
	change.set_promisc = change.promisc = spec->promisc && !(link.flags & IFF_PROMISC);
	change.set_up = change.up = !(link.flags & IFF_UP);
	if (change.set_promisc || change.set_up) {
		ret = nb_link_change(&wire->host, link.index, &change, err);
		if (!ret)
			ret = nb_link_get_index(&wire->host, link.index, &link, err);
		if (ret)
			return nb_wrap(err, "cannot set bridge \"%s\" up", spec->name);
	}
	*bridge = link;
	return 0;
}

/* ---- gateways ---- */

/* The first address of the subnet: its network address and one, with carry. */
static struct nb_addr first_address(const struct nb_addr *addr, unsigned int prefix_len)
{
	struct nb_addr first = nb_addr_network(addr, prefix_len);
	unsigned int len;
	const void *start = nb_addr_bytes(&first, &len);
	unsigned char bytes[16];
	unsigned int i;

	memcpy(bytes, start, len);
	for (i = len; i > 0 && ++bytes[i - 1] == 0; i--)
		;
	return nb_addr_from_bytes(nb_addr_family(addr), bytes);
}

static bool has_default_route(const struct nb_result *result, int family)
{
	size_t i;

	for (i = 0; i < result->n_routes; i++) {
		const struct nb_result_route *route = &result->routes[i];

		if (route->has_gw && route->prefix_len == 0 && nb_addr_family(&route->dst) == family)
			return true;
	}
	return false;
}

static int add_default_route(struct nb_result *result, const struct nb_result_ip *ip, struct nb_error *err)
{
	static const unsigned char zero[16];
	struct nb_result_route *routes = reallocarray(result->routes, result->n_routes + 1, sizeof(*routes));

	if (!routes)
		return nb_fail_nomem(err);
	result->routes = routes;
	routes[result->n_routes++] = (struct nb_result_route){
		.dst = nb_addr_from_bytes(nb_addr_family(&ip->addr), zero),
		.has_gw = true,
		.gw = ip->gateway,
	};
	return 0;
}

int nb_netdev_plan_gateways(struct nb_result *result, bool is_gateway, bool is_default_gateway,
			    struct nb_error *err)
{
	size_t i;

	for (i = 0; i < result->n_ips; i++) {
		struct nb_result_ip *ip = &result->ips[i];
		int ret;

		ip->interface = NB_RESULT_CONTAINER;
		if (!ip->has_gateway && (is_gateway || is_default_gateway)) {
			ip->gateway = first_address(&ip->addr, ip->prefix_len);
			ip->has_gateway = true;
		}
		if (!is_default_gateway || has_default_route(result, nb_addr_family(&ip->addr)))
			continue;
		ret = add_default_route(result, ip, err);
		if (ret)
			return ret;
	}
	return 0;
}

static bool in_subnet(const struct nb_addr *addr, const struct nb_addr *net, unsigned int prefix_len)
{
	struct nb_addr a = nb_addr_network(addr, prefix_len);
	struct nb_addr b = nb_addr_network(net, prefix_len);

	return nb_addr_equal(&a, &b);
}

bool nb_netdev_conflicts(const struct nb_ifaddr *have, const struct nb_ifaddr *want)
{
	return nb_addr_is_v4(&want->addr) || in_subnet(&want->addr, &have->addr, have->prefix_len) ||
	       in_subnet(&have->addr, &want->addr, want->prefix_len);
}

/*
 * Looks through the addresses that the bridge has: *present if the wanted one is among them; one that
 * conflicts is removed with force, else it is an error.
 */
static int clear_conflicts(struct nb_netdev *wire, const struct nb_link *bridge, const struct nb_ifaddr *want,
			   bool force, bool *present, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *have = NULL;
	char text[NB_ADDR_STRLEN];
	unsigned int n = 0, i;
	int ret = nb_ifaddr_list(&wire->host, bridge->index, nb_addr_family(&want->addr), &have, &n, err);

	if (ret)
		return ret;
	for (i = 0; i < n; i++) {
		if (have[i].prefix_len == want->prefix_len && nb_addr_equal(&have[i].addr, &want->addr)) {
			*present = true;
			return 0;
		}
		if (!nb_netdev_conflicts(&have[i], want))
			continue;
		if (!force)
			return nb_fail(err, NB_ERR_SYSTEM, 0,
				       "\"%s\" already has an IP address different from %s/%u", bridge->name,
				       nb_addr_format(&want->addr, text), want->prefix_len);
		ret = nb_ifaddr_delete(&wire->host, bridge->index, &have[i], err);
		if (ret && ret != -EADDRNOTAVAIL)
			return ret;
	}
	return 0;
}

/* Setting the MAC makes it the administrator's choice, which joining ports no longer change. */
int nb_netdev_fix_mac(struct nb_netdev *wire, struct nb_link *bridge, struct nb_error *err)
{
	struct nb_link_change change = { 0 };
	struct nb_link link;
	int ret = nb_link_get_index(&wire->host, bridge->index, &link, err);

	if (ret)
		return ret;
	change.mac = link.mac;
	ret = nb_link_change(&wire->host, link.index, &change, err);
	if (!ret)
		*bridge = link;
	return ret;
}

/* The MAC that the bridge had before the pod's port joined becomes the administrator's choice. One whose last
 * port has gone has none (net/bridge/br_stp_if.c): then it is the port's. */
static int keep_mac(struct nb_netdev *wire, struct nb_link *bridge, struct nb_error *err)
{
	static const unsigned char none[NB_MAC_LEN];
	struct nb_link_change change = { .mac = bridge->mac };
	int ret;

	if (!memcmp(bridge->mac, none, NB_MAC_LEN))
		return nb_netdev_fix_mac(wire, bridge, err);
	ret = nb_link_change(&wire->host, bridge->index, &change, err);
	return ret ? ret : nb_netdev_refetch(wire, bridge, err);
}

static int ensure_address(struct nb_netdev *wire, struct nb_link *bridge, const struct nb_result_ip *ip,
			  bool force, struct nb_error *err)
{
	/* The address is this node's own: a wait for duplicates would only keep the pod's gateway silent. */
	struct nb_ifaddr want = { .addr = ip->gateway, .prefix_len = ip->prefix_len };
	bool present = false;
	int ret;

	if (!nb_addr_is_v4(&want.addr))
		want.flags = IFA_F_NODAD;
	ret = clear_conflicts(wire, bridge, &want, force, &present, err);
	if (ret || present)
		return ret;
	ret = nb_ifaddr_add(&wire->host, bridge->index, &want, err);
	if (ret == -EEXIST) /* another ADD was faster, and keeps the MAC */
		return 0;
	if (ret == -EACCES && !nb_addr_is_v4(&want.addr)) /* the kernel's words for disable_ipv6 */
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "bridge \"%s\" cannot have the gateway's IPv6 address: "
			       "net.ipv6.conf.%s.disable_ipv6 is 1",
			       bridge->name, bridge->name);
	return ret ? nb_wrap(err, "bridge \"%s\"", bridge->name) : keep_mac(wire, bridge, err);
}

static int enable_forwarding(int family, struct nb_error *err)
{
	return nb_sysctl_write(family == AF_INET ? NB_SYSCTL_FORWARD4 : NB_SYSCTL_FORWARD6, "1", err);
}

int nb_netdev_ensure_gateway(struct nb_netdev *wire, struct nb_link *bridge, const struct nb_result *result,
			     bool force_address, struct nb_error *err)
{
	struct nb_link link = *bridge;
	size_t i;
	int ret = 0;

	for (i = 0; i < result->n_ips && !ret; i++)
		if (result->ips[i].has_gateway)
			ret = ensure_address(wire, &link, &result->ips[i], force_address, err);
	/* Last: it is not undone if an ADD fails, since others may want it as well. */
	for (i = 0; i < result->n_ips && !ret; i++)
		if (result->ips[i].has_gateway)
			ret = enable_forwarding(nb_addr_family(&result->ips[i].addr), err);
	if (!ret)
		*bridge = link;
	return ret;
}
