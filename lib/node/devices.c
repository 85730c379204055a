// SPDX-License-Identifier: GPL-2.0-or-later
/* The devices of the node: which ones, and their addresses. */
#include "devices.h"

#include <fnmatch.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "lib/net/host_veth.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "nb0.h"

enum { MTU_DEFAULT = 1500 };

/* IFA_F_TEMPORARY is IFA_F_SECONDARY of IPv4, where the primary address comes first. */
enum { UNFIT = IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_TEMPORARY };

static bool is_fit(const struct nb_ifaddr *addr)
{
	return addr->scope == RT_SCOPE_UNIVERSE && !(addr->flags & UNFIT) && nb_addr_is_routable(&addr->addr);
}

static struct nb_node_device to_device(const struct nb_link *link, const struct nb_ifaddr *addrs,
				       unsigned int n)
{
	struct nb_node_device device = { .ifindex = link->index, .mtu = link->mtu };

	device.shares = link->master;
	if ((!strcmp(link->kind, "macvlan") || !strcmp(link->kind, "ipvlan")) && !link->peer_elsewhere) {
		device.shares = link->peer;
		device.is_above = true;
	}
	memcpy(device.name, link->name, sizeof(device.name));
	memcpy(device.mac, link->mac, sizeof(device.mac));
	for (unsigned int i = 0; i < n; i++) {
		bool is_v4 = nb_addr_is_v4(&addrs[i].addr);
		bool *has = is_v4 ? &device.has_v4 : &device.has_v6;

		if (addrs[i].index != link->index || *has || !is_fit(&addrs[i]))
			continue;
		*has = true;
		*(is_v4 ? &device.v4 : &device.v6) = addrs[i].addr;
	}
	return device;
}

/* Whether it can be one at all. */
static bool is_candidate(const struct nb_link *link)
{
	char network[NB_LINK_ALIAS_MAX];

	return link->type == ARPHRD_ETHER && strcmp(link->name, NB_NB0_NAME) != 0 &&
	       strcmp(link->name, NB_NB0_PEER) != 0 && !nb_host_veth_alias_network(link->alias, network);
}

static bool matches(const char *name, const char *const *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!fnmatch(patterns[i], name, 0))
			return true;
	return false;
}

/* Whether it is one without having been named. */
static bool is_in_use(const struct nb_link *link, const struct nb_node_device *device)
{
	return (link->flags & IFF_UP) && !link->master && (device->has_v4 || device->has_v6);
}

static int compare(const void *a, const void *b)
{
	const struct nb_node_device *first = a, *second = b;

	return (first->ifindex > second->ifindex) - (first->ifindex < second->ifindex);
}

int nb_node_devices_list(struct nb_netlink *nl, const char *const *patterns, size_t n_patterns,
			 struct nb_node_device **devices, unsigned int *n, struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	nb_autofree struct nb_ifaddr *addrs = NULL;
	NB_VEC(struct nb_node_device) found = { 0 };
	unsigned int n_links = 0, n_addrs = 0;
	int rc = nb_link_list(nl, NULL, 0, &links, &n_links, err);

	if (rc)
		return rc;
	rc = nb_ifaddr_list(nl, 0, AF_UNSPEC, &addrs, &n_addrs, err);
	for (unsigned int i = 0; !rc && i < n_links; i++) {
		struct nb_node_device device;

		if (!is_candidate(&links[i]))
			continue;
		device = to_device(&links[i], addrs, n_addrs);
		device.in_use = n_patterns || is_in_use(&links[i], &device);
		if (n_patterns ? matches(device.name, patterns, n_patterns) : !links[i].master)
			rc = nb_vec_push(&found, device, err);
	}
	if (rc) {
		nb_vec_free(&found);
		return rc;
	}
	if (found.n)
		qsort(found.items, found.n, sizeof(*found.items), compare);
	*devices = found.items;
	*n = (unsigned int)found.n;
	return 0;
}

unsigned int nb_node_devices_mtu(const struct nb_node_device *devices, unsigned int n)
{
	unsigned int mtu = 0;

	for (unsigned int i = 0; i < n; i++)
		if (devices[i].in_use && (!mtu || devices[i].mtu < mtu))
			mtu = devices[i].mtu;
	mtu = mtu ? mtu : MTU_DEFAULT;
	return mtu < NB_NB0_MTU_MIN ? NB_NB0_MTU_MIN : mtu;
}
