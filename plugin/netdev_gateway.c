// SPDX-License-Identifier: GPL-2.0-or-later
/* Chooses gateways for a result, and gives them to the bridge. */
#include "netdev_gateway.h"

#include <errno.h>
#include <string.h>

#include <linux/if_addr.h>

#include <natbridge/abi.h>

#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_bridge.h"
#include "result.h"

/* The first address of the subnet: its network address plus one. */
static struct nb_addr first_address(const struct nb_addr *addr, unsigned int prefix_len)
{
	struct nb_addr first = nb_addr_network(addr, prefix_len);
	unsigned int len;
	const void *start = nb_addr_bytes(&first, &len);
	unsigned char bytes[16];

	memcpy(bytes, start, len);
	for (unsigned int i = len; i > 0 && ++bytes[i - 1] == 0; i--)
		; /* carry */
	return nb_addr_from_bytes(nb_addr_family(addr), bytes);
}

static bool has_default_route(const struct nb_result *result, int family)
{
	for (size_t i = 0; i < result->n_routes; i++) {
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
	for (size_t i = 0; i < result->n_ips; i++) {
		struct nb_result_ip *ip = &result->ips[i];
		int rc;

		ip->interface = NB_RESULT_CONTAINER;
		if (!ip->has_gateway && (is_gateway || is_default_gateway)) {
			ip->gateway = first_address(&ip->addr, ip->prefix_len);
			ip->has_gateway = true;
		}
		if (!is_default_gateway || has_default_route(result, nb_addr_family(&ip->addr)))
			continue;
		rc = add_default_route(result, ip, err);
		if (rc)
			return rc;
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
 * *present: the bridge has the wanted address already. An address before it that conflicts is
 * removed with force, else it is an error.
 */
static int clear_conflicts(struct nb_netdev *netdev, const struct nb_link *bridge,
			   const struct nb_ifaddr *want, bool force, bool *present, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *have = NULL;
	char text[NB_ADDR_STRLEN];
	unsigned int n = 0;
	int rc = nb_ifaddr_list(&netdev->host, bridge->index, nb_addr_family(&want->addr), &have, &n, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < n; i++) {
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
		rc = nb_ifaddr_delete(&netdev->host, bridge->index, &have[i], err);
		if (rc && rc != -EADDRNOTAVAIL)
			return rc;
	}
	return 0;
}

/*
 * Fixes the MAC that the bridge had before the pod's port joined. A bridge whose last port went has
 * none (net/bridge/br_stp_if.c): then it keeps the one that it took from the port.
 */
static int keep_mac(struct nb_netdev *netdev, struct nb_link *bridge, struct nb_error *err)
{
	static const unsigned char none[NB_MAC_LEN];
	struct nb_link_change change = { .mac = bridge->mac };
	int rc;

	if (!memcmp(bridge->mac, none, NB_MAC_LEN))
		return nb_netdev_fix_mac(netdev, bridge, err);
	rc = nb_link_change(&netdev->host, bridge->index, &change, err);
	if (rc)
		return rc;
	return nb_netdev_refetch(netdev, bridge, err);
}

static int ensure_address(struct nb_netdev *netdev, struct nb_link *bridge, const struct nb_result_ip *ip,
			  bool force, struct nb_error *err)
{
	/*
	 * The address is this node's own: looking for duplicates would only delay
	 * the gateway's first answer.
	 */
	struct nb_ifaddr want = { .addr = ip->gateway, .prefix_len = ip->prefix_len };
	bool present = false;
	int rc;

	if (!nb_addr_is_v4(&want.addr))
		want.flags = IFA_F_NODAD;
	rc = clear_conflicts(netdev, bridge, &want, force, &present, err);
	if (rc || present)
		return rc;
	rc = nb_ifaddr_add(&netdev->host, bridge->index, &want, err);
	if (rc == -EEXIST) /* another ADD was faster, and fixes the MAC */
		return 0;
	if (rc == -EACCES && !nb_addr_is_v4(&want.addr)) /* the kernel's error for disable_ipv6 */
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "bridge \"%s\" cannot have the gateway's IPv6 address: "
			       "net.ipv6.conf.%s.disable_ipv6 is 1",
			       bridge->name, bridge->name);
	if (rc)
		return nb_wrap(err, "bridge \"%s\"", bridge->name);
	return keep_mac(netdev, bridge, err);
}

static int enable_forwarding(int family, struct nb_error *err)
{
	return nb_sysctl_write(family == AF_INET ? NB_SYSCTL_FORWARD4 : NB_SYSCTL_FORWARD6, "1", err);
}

int nb_netdev_ensure_gateway(struct nb_netdev *netdev, struct nb_link *bridge, const struct nb_result *result,
			     bool force_address, struct nb_error *err)
{
	struct nb_link link = *bridge;
	int rc;

	for (size_t i = 0; i < result->n_ips; i++) {
		if (!result->ips[i].has_gateway)
			continue;
		rc = ensure_address(netdev, &link, &result->ips[i], force_address, err);
		if (rc)
			return rc;
	}
	/* Comes last: a failed ADD does not undo it, since others may need it as well. */
	for (size_t i = 0; i < result->n_ips; i++) {
		if (!result->ips[i].has_gateway)
			continue;
		rc = enable_forwarding(nb_addr_family(&result->ips[i].addr), err);
		if (rc)
			return rc;
	}
	*bridge = link;
	return 0;
}
