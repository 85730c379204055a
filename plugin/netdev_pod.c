// SPDX-License-Identifier: GPL-2.0-or-later
/* Configures the pod's end of the veth pair. */
#include "netdev_pod.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <linux/if_addr.h>

#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/netns.h"
#include "lib/net/route.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "report.h"
#include "result.h"

enum {
	/*
	 * Detection takes 1 to 2 s. The work queue that ends it needs the rtnl
	 * lock, which others may hold.
	 */
	SETTLE_WAIT_US = 30000000,
	SETTLE_FIRST_US = 100,
	SETTLE_MAX_US = 20000,
};

/* ---- per-link settings, inside the pod's namespace ---- */

struct pod_settings {
	const char *ifname;
	bool enable_dad;
};

/*
 * The pod's namespace may have IPv6 switched off, on all links or by default.
 * -ENOENT: the link has no IPv6.
 */
static int enable_ipv6(const char *ifname, struct nb_error *err)
{
	char value[16];
	int rc = nb_sysctl_link_read("ipv6", ifname, "disable_ipv6", value, sizeof(value), err);

	if (rc || !strcmp(value, "0"))
		return rc;
	rc = nb_sysctl_link_write("ipv6", ifname, "disable_ipv6", "0", err);
	return rc ? nb_wrap(err, "IPv6 is switched off for \"%s\"", ifname) : 0;
}

/* If /proc/sys cannot be written, the addresses work all the same until the link goes down. */
static int keep_addresses(const char *ifname, struct nb_error *err)
{
	struct nb_error why = { 0 };
	int rc = nb_sysctl_link_write("ipv6", ifname, "keep_addr_on_down", "1", &why);

	if (rc == -EROFS || rc == -EACCES || rc == -EPERM) {
		nb_log("\"%s\" loses its IPv6 addresses when it goes down: %s", ifname, why.msg);
		return 0;
	}
	if (rc && err)
		*err = why;
	return rc;
}

/* Best effort, as in the reference plugin: a kernel without IPv6 does not have the files. */
static int apply_settings(void *arg, struct nb_error *err)
{
	const struct pod_settings *settings = arg;
	const char *ifname = settings->ifname;

	(void)err;
	if (settings->enable_dad)
		(void)nb_sysctl_link_write("ipv6", ifname, "enhanced_dad", "1", NULL);
	(void)nb_sysctl_link_write("ipv6", ifname, "accept_dad", settings->enable_dad ? "1" : "0", NULL);
	(void)nb_sysctl_link_write("ipv4", ifname, "arp_notify", "1", NULL);
	(void)nb_sysctl_link_write("ipv6", ifname, "ndisc_notify", "1", NULL);
	return 0;
}

/* For a pod with IPv6 addresses. */
static int apply_ipv6_settings(void *arg, struct nb_error *err)
{
	const char *ifname = arg;
	int rc = enable_ipv6("lo", err);

	if (!rc || rc == -ENOENT)
		rc = enable_ipv6(ifname, err);
	if (rc == -ENOENT)
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "\"%s\" cannot have an IPv6 address: its kernel has no IPv6 (ipv6.disable=1), "
			       "or its MTU is below 1280",
			       ifname);
	if (rc)
		return rc;
	return keep_addresses(ifname, err);
}

static bool has_ipv6(const struct nb_result *result)
{
	for (size_t i = 0; i < result->n_ips; i++)
		if (!nb_addr_is_v4(&result->ips[i].addr))
			return true;
	return false;
}

/* ---- addresses ---- */

/*
 * With detection off, IFA_F_NODAD makes the addresses usable from the start. Without that flag the
 * kernel would still mark them tentative until a work queue that all namespaces share gets the rtnl
 * lock: with many ADDs at once that took over 10 s.
 */
static int add_addresses(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
			 const struct nb_result *result, bool enable_dad, struct nb_error *err)
{
	for (size_t i = 0; i < result->n_ips; i++) {
		const struct nb_result_ip *ip = &result->ips[i];
		struct nb_ifaddr addr = { .addr = ip->addr, .prefix_len = ip->prefix_len };
		int rc;

		if (!enable_dad && !nb_addr_is_v4(&ip->addr))
			addr.flags = IFA_F_NODAD;
		rc = nb_ifaddr_add(&netdev->pod, veth->pod.index, &addr, err);
		if (rc && rc != -EEXIST)
			return rc;
	}
	return 0;
}

/* *settled: no IPv6 address is waiting for its duplicate address detection. */
static int check_settled(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, bool *settled,
			 struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	char text[NB_ADDR_STRLEN];
	unsigned int n = 0;
	bool waiting = false;
	int rc = nb_ifaddr_list(&netdev->pod, veth->pod.index, AF_INET6, &addrs, &n, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < n; i++) {
		if (addrs[i].flags & IFA_F_DADFAILED)
			return nb_fail(err, NB_ERR_SYSTEM, EADDRINUSE,
				       "address %s of \"%s\" is in use by another host",
				       nb_addr_format(&addrs[i].addr, text), veth->pod.name);
		waiting = waiting || (addrs[i].flags & IFA_F_TENTATIVE);
	}
	*settled = !waiting;
	return 0;
}

static int settle(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	unsigned int pause = SETTLE_FIRST_US;

	for (unsigned int waited = 0;; waited += pause) {
		bool settled = false;
		int rc = check_settled(netdev, veth, &settled, err);

		if (rc || settled)
			return rc;
		if (waited >= SETTLE_WAIT_US)
			return nb_fail(err, NB_ERR_SYSTEM, ETIMEDOUT,
				       "\"%s\" still has tentative addresses after %d seconds",
				       veth->pod.name, SETTLE_WAIT_US / 1000000);
		if (waited)
			pause = pause * 2 < SETTLE_MAX_US ? pause * 2 : SETTLE_MAX_US;
		nb_netdev_sleep(pause);
	}
}

/* ---- routes ---- */

static const struct nb_result_ip *first_gateway(const struct nb_result *result, int family)
{
	for (size_t i = 0; i < result->n_ips; i++)
		if (result->ips[i].has_gateway && nb_addr_family(&result->ips[i].gateway) == family)
			return &result->ips[i];
	return NULL;
}

static int add_routes(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
		      const struct nb_result *result, struct nb_error *err)
{
	for (size_t i = 0; i < result->n_routes; i++) {
		const struct nb_result_route *given = &result->routes[i];
		const struct nb_result_ip *via = first_gateway(result, nb_addr_family(&given->dst));
		struct nb_route route = {
			.dst = nb_addr_network(&given->dst, given->prefix_len),
			.prefix_len = given->prefix_len,
			.has_gw = given->has_gw || via,
			.index = veth->pod.index,
			.table = given->has_table ? given->table : 0,
			.scope = given->has_scope ? given->scope : 0,
			.priority = given->has_priority ? given->priority : 0,
			.mtu = given->mtu,
			.advmss = given->advmss,
		};
		int rc;

		if (route.has_gw)
			route.gw = given->has_gw ? given->gw : via->gateway;
		rc = nb_route_add(&netdev->pod, &route, err);
		if (rc && rc != -EEXIST)
			return rc;
	}
	return 0;
}

/* ---- steps ---- */

static int pod_up(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	struct nb_link_change change = { .set_up = true, .up = true };
	int rc = nb_link_change(&netdev->pod, veth->pod.index, &change, err);

	return rc ? nb_wrap(err, "cannot set \"%s\" up", veth->pod.name) : 0;
}

int nb_netdev_prepare_pod(struct nb_netdev *netdev, const struct nb_netdev_veth *veth, bool enable_dad,
			  struct nb_error *err)
{
	struct pod_settings settings = { .ifname = veth->pod.name, .enable_dad = enable_dad };

	return nb_netns_run(netdev->netns_fd, apply_settings, &settings, err);
}

int nb_netdev_configure_pod(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
			    const struct nb_result *result, bool enable_dad, struct nb_error *err)
{
	char ifname[IFNAMSIZ];
	int rc;

	memcpy(ifname, veth->pod.name, sizeof(ifname));
	if (has_ipv6(result)) {
		rc = nb_netns_run(netdev->netns_fd, apply_ipv6_settings, ifname, err);
		if (rc)
			return rc;
	}
	rc = add_addresses(netdev, veth, result, enable_dad, err);
	if (rc)
		return rc;
	rc = pod_up(netdev, veth, err);
	if (rc)
		return rc;
	return add_routes(netdev, veth, result, err);
}

int nb_netdev_settle_pod(struct nb_netdev *netdev, const struct nb_netdev_veth *veth,
			 const struct nb_result *result, struct nb_error *err)
{
	return has_ipv6(result) ? settle(netdev, veth, err) : 0;
}
