// SPDX-License-Identifier: GPL-2.0-or-later
/* The pods' ends of their pairs, and the host's way to them. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "lib/net/ifaddr.h"
#include "lib/net/route.h"
#include "lib/net/sysctl.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "checks.h"

enum { LOWER_UP = 1 << 16 /* IFF_LOWER_UP of linux/if.h: there is a carrier */ };

/* The end in the pod; false: the kernel does not show it. */
static bool find_pod(struct nb_doctor *doctor, const struct nb_link *link, struct nb_link *pod)
{
	return link->peer_elsewhere &&
	       !nb_link_get_elsewhere(&doctor->nl, link->peer_nsid, link->peer, pod, NULL);
}

int nb_check_pod_down(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)err;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const struct nb_link *link = nb_doctor_link(doctor, network->ports[i].ifindex);

		if (link && link->flags & IFF_UP && !(link->flags & LOWER_UP))
			nb_found_link(doctor, link,
				      nb_doctor_text(doctor, "%s: the pod's end of its port is down",
						     network->name),
				      "set the interface up in the pod, or recreate the pod");
	}
	return 0;
}

int nb_check_pod_mtu(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	(void)err;
	for (unsigned int i = 0; i < network->n_ports; i++) {
		const struct nb_link *link = nb_doctor_link(doctor, network->ports[i].ifindex);
		struct nb_link pod;

		if (!link || !find_pod(doctor, link, &pod) || pod.mtu <= link->mtu)
			continue;
		nb_found_link(doctor, link,
			      nb_doctor_text(doctor,
					     "%s: the port has an MTU of %u, and the pod's end one of %u",
					     network->name, link->mtu, pod.mtu),
			      nb_doctor_text(doctor, "ip link set %s mtu %u", link->name, pod.mtu));
	}
	return 0;
}

static int check_addresses(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			   const struct nb_link *link, const struct nb_link *pod, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;

	int rc = nb_ifaddr_list_elsewhere(&doctor->nl, link->peer_nsid, pod->index, &addrs, &n, err);
	for (size_t i = 0; i < network->endpoints.n && !rc; i++) {
		const struct nb_endpoint_info *info = &network->endpoints.items[i];
		char addr[NB_ADDR_STRLEN];

		if (info->port.ifindex != link->index || nb_ifaddr_has(addrs, n, &info->addr))
			continue;
		nb_addr_format(&info->addr, addr);
		nb_found_link(doctor, link,
			      nb_doctor_text(doctor, "%s: \"%s\" of the pod has lost its address %s",
					     network->name, pod->name, addr),
			      "recreate the pod, or give it the address again");
	}
	return rc;
}

int nb_check_pod_address(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < network->n_ports && !rc; i++) {
		const struct nb_link *link = nb_doctor_link(doctor, network->ports[i].ifindex);
		struct nb_link pod;

		/* An interface that is down has no addresses of IPv6. */
		if (link && find_pod(doctor, link, &pod) && pod.flags & IFF_UP)
			rc = check_addresses(doctor, network, link, &pod, err);
	}
	return rc;
}

/* ---- the host's routes to pods ---- */

static bool contains(const struct nb_route *route, const struct nb_addr *addr)
{
	const struct nb_addr network = nb_addr_network(addr, route->prefix_len);

	return nb_addr_family(&route->dst) == nb_addr_family(addr) && nb_addr_equal(&network, &route->dst);
}

/* The route of the main table by which the host reaches an address; NULL: none. */
static const struct nb_route *find_route(const struct nb_route *routes, unsigned int n,
					 const struct nb_addr *addr)
{
	const struct nb_route *best = NULL;

	for (unsigned int i = 0; i < n; i++) {
		const struct nb_route *route = &routes[i];

		if (!contains(route, addr))
			continue;
		if (!best || route->prefix_len > best->prefix_len ||
		    (route->prefix_len == best->prefix_len && route->priority < best->priority))
			best = route;
	}
	return best;
}

static const char *filter_of(struct nb_doctor *doctor, const struct nb_link *host, int family)
{
	char all[64] = "0", own[64] = "0";

	if (family != AF_INET)
		return "";
	nb_sysctl_read("net/ipv4/conf/all/rp_filter", all, sizeof(all), NULL);
	nb_sysctl_link_read("ipv4", host->name, "rp_filter", own, sizeof(own), NULL);
	/* The larger one counts (ip-sysctl.rst). */
	if (strcmp(strcmp(all, own) > 0 ? all : own, "1") != 0)
		return "";
	return nb_doctor_text(doctor,
			      "; rp_filter of \"%s\" is strict, so it also drops what the pod sends to it",
			      host->name);
}

static int check_routes(struct nb_doctor *doctor, const struct nb_doctor_network *network, int family,
			struct nb_error *err)
{
	const struct nb_route_query query = { .family = family, .table = 254 /* main */ };
	nb_autofree struct nb_route *routes = NULL;
	unsigned int n = 0;

	int rc = nb_route_query(&doctor->nl, &query, &routes, &n, err);
	for (size_t i = 0; i < network->endpoints.n && !rc; i++) {
		const struct nb_endpoint_info *info = &network->endpoints.items[i];
		char addr[NB_ADDR_STRLEN], dst[NB_ADDR_STRLEN];

		if (nb_addr_family(&info->addr) != family || nb_addr_is_zero(&info->endpoint.gateway))
			continue;
		const struct nb_route *route = find_route(routes, n, &info->addr);
		/* Without a gateway's address there is no route: another check says so. */
		if (!route || route->index == network->host->index || !route->prefix_len)
			continue;
		nb_addr_format(&info->addr, addr);
		nb_found(doctor, network->name,
			 nb_doctor_text(doctor,
					"the host's route to the pod's address %s leads to \"%s\" (%s/%u)%s",
					addr, nb_doctor_link_name(doctor, route->index),
					nb_addr_format(&route->dst, dst), route->prefix_len,
					filter_of(doctor, network->host, family)),
			 nb_doctor_text(doctor,
					"ip route get %s; remove the route, or give the pods another range",
					addr));
		return 0;
	}
	return rc;
}

int nb_check_pod_route(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	if (!network->host || !network->bridge || !(network->bridge->flags & IFF_UP))
		return 0;
	int rc = check_routes(doctor, network, AF_INET, err);
	return rc ? rc : check_routes(doctor, network, AF_INET6, err);
}
