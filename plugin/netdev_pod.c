// SPDX-License-Identifier: GPL-2.0-or-later
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
#include "netdev_internal.h"
#include "report.h"
#include "result.h"

enum {
	/* Detection takes 1 to 2 s; the work queue that ends it needs the rtnl lock, which others may keep.
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

/* The pod's namespace may have IPv6 switched off, on all links or by default. -ENOENT: there is no IPv6.
 */
static int enable_ipv6(const char *ifname, struct nb_error *err)
{
	char value[16];
	int ret = nb_sysctl_link_read("ipv6", ifname, "disable_ipv6", value, sizeof(value), err);

	if (ret || !strcmp(value, "0"))
		return ret;
	ret = nb_sysctl_link_write("ipv6", ifname, "disable_ipv6", "0", err);
	return ret ? nb_wrap(err, "IPv6 is switched off for \"%s\"", ifname) : 0;
}

/* Where /proc/sys cannot be written it works all the same, up to the day when the link goes down and up. */
static int keep_addresses(const char *ifname, struct nb_error *err)
{
	struct nb_error why = { 0 };
	int ret = nb_sysctl_link_write("ipv6", ifname, "keep_addr_on_down", "1", &why);

	if (ret == -EROFS || ret == -EACCES || ret == -EPERM) {
		nb_log("IPv6 addresses of \"%s\" do not outlast its going down: %s", ifname, why.msg);
		return 0;
	}
	if (ret && err)
		*err = why;
	return ret;
}

/* Best effort, as in the reference: a kernel without IPv6 has not even the files. */
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
	int ret = enable_ipv6("lo", err);

	if (!ret || ret == -ENOENT)
		ret = enable_ipv6(ifname, err);
	if (ret == -ENOENT)
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "\"%s\" cannot have an IPv6 address: its kernel has no IPv6 (ipv6.disable=1), "
			       "or its MTU "
			       "is below 1280",
			       ifname);
	return ret ? ret : keep_addresses(ifname, err);
}

static bool has_ipv6(const struct nb_result *result)
{
	size_t i;

	for (i = 0; i < result->n_ips; i++) {
		if (!nb_addr_is_v4(&result->ips[i].addr))
			return true;
	}
	return false;
}

/* ---- addresses ---- */

/*
 * With detection off the addresses are usable from the start (IFA_F_NODAD). Without that flag the kernel
 * would still mark them tentative until a work queue that all namespaces share gets the rtnl lock: with many
 * ADDs at once that took over 10 s.
 */
static int add_addresses(struct nb_netdev *wire, const struct nb_netdev_veth *veth,
			 const struct nb_result *result, bool enable_dad, struct nb_error *err)
{
	size_t i;

	for (i = 0; i < result->n_ips; i++) {
		const struct nb_result_ip *ip = &result->ips[i];
		struct nb_ifaddr addr = { .addr = ip->addr, .prefix_len = ip->prefix_len };
		int ret;

		if (!enable_dad && !nb_addr_is_v4(&ip->addr))
			addr.flags = IFA_F_NODAD;
		ret = nb_ifaddr_add(&wire->pod, veth->pod.index, &addr, err);
		if (ret && ret != -EEXIST)
			return ret;
	}
	return 0;
}

/* One look at the IPv6 addresses: *settled if none is waiting for its duplicate address detection. */
static int look_at_addresses(struct nb_netdev *wire, const struct nb_netdev_veth *veth, bool *settled,
			     struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	char text[NB_ADDR_STRLEN];
	unsigned int n = 0, i;
	bool waiting = false;
	int ret = nb_ifaddr_list(&wire->pod, veth->pod.index, AF_INET6, &addrs, &n, err);

	if (ret)
		return ret;
	for (i = 0; i < n; i++) {
		if (addrs[i].flags & IFA_F_DADFAILED)
			return nb_fail(err, NB_ERR_SYSTEM, EADDRINUSE,
				       "address %s of \"%s\" is in use by another host",
				       nb_addr_format(&addrs[i].addr, text), veth->pod.name);
		waiting = waiting || (addrs[i].flags & IFA_F_TENTATIVE);
	}
	*settled = !waiting;
	return 0;
}

static int settle(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	unsigned int pause = SETTLE_FIRST_US, waited;

	for (waited = 0;; waited += pause) {
		bool settled = false;
		int ret = look_at_addresses(wire, veth, &settled, err);

		if (ret || settled)
			return ret;
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
	size_t i;

	for (i = 0; i < result->n_ips; i++) {
		if (result->ips[i].has_gateway && nb_addr_family(&result->ips[i].gateway) == family)
			return &result->ips[i];
	}
	return NULL;
}

static int add_routes(struct nb_netdev *wire, const struct nb_netdev_veth *veth,
		      const struct nb_result *result, struct nb_error *err)
{
	size_t i;

	for (i = 0; i < result->n_routes; i++) {
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
		int ret;

		if (route.has_gw)
			route.gw = given->has_gw ? given->gw : via->gateway;
		ret = nb_route_add(&wire->pod, &route, err);
		if (ret && ret != -EEXIST)
			return ret;
	}
	return 0;
}

/* ---- steps ---- */

static int pod_up(struct nb_netdev *wire, const struct nb_netdev_veth *veth, struct nb_error *err)
{
	struct nb_link_change change = { .set_up = true, .up = true };
	int ret = nb_link_change(&wire->pod, veth->pod.index, &change, err);

	return ret ? nb_wrap(err, "cannot set \"%s\" up", veth->pod.name) : 0;
}

int nb_netdev_prepare_pod(struct nb_netdev *wire, const struct nb_netdev_veth *veth, bool enable_dad,
			  struct nb_error *err)
{
	struct pod_settings settings = { .ifname = veth->pod.name, .enable_dad = enable_dad };

	return nb_netns_run(wire->netns_fd, apply_settings, &settings, err);
}

int nb_netdev_configure_pod(struct nb_netdev *wire, const struct nb_netdev_veth *veth,
			    const struct nb_result *result, bool enable_dad, struct nb_error *err)
{
	char ifname[IFNAMSIZ];
	int ret = 0;

	memcpy(ifname, veth->pod.name, sizeof(ifname));
	if (has_ipv6(result))
		ret = nb_netns_run(wire->netns_fd, apply_ipv6_settings, ifname, err);
	if (!ret)
		ret = add_addresses(wire, veth, result, enable_dad, err);
	if (!ret)
		ret = pod_up(wire, veth, err);
	return ret ? ret : add_routes(wire, veth, result, err);
}

int nb_netdev_settle_pod(struct nb_netdev *wire, const struct nb_netdev_veth *veth,
			 const struct nb_result *result, struct nb_error *err)
{
	return has_ipv6(result) ? settle(wire, veth, err) : 0;
}
