// SPDX-License-Identifier: GPL-2.0-or-later
/* The device nb0: made, completed, found and deleted. */
#include "nb0.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "lib/net/host_veth.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/net/sysctl.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

/* Stands where a network's name does in the hash of a MAC; no network has such a name. */
#define MAC_OWNER "@node"

static void mac_of(const char *name, unsigned char mac[NB_MAC_LEN])
{
	nb_host_veth_mac(MAC_OWNER, name, mac);
}

static bool is_ours(const struct nb_link *link)
{
	unsigned char mac[NB_MAC_LEN];

	if (strcmp(link->kind, "dummy") != 0 && strcmp(link->kind, "veth") != 0)
		return false;
	if (link->alias[0])
		return !strcmp(link->alias, NB_NB0_ALIAS);
	mac_of(NB_NB0_NAME, mac);
	return link->has_mac && !memcmp(link->mac, mac, sizeof(mac));
}

static int fail_foreign(const struct nb_link *link, struct nb_error *err)
{
	return nb_fail(
		err, NB_ERR_SYSTEM, EEXIST,
		"a link \"%s\" of somebody else (kind \"%s\", alias \"%s\") must be renamed or deleted",
		link->name, link->kind, link->alias);
}

/* ---- creation ---- */

/* The two ends are made together, or neither. */
static int create_pair(struct nb_netlink *nl, unsigned int mtu, struct nb_error *err)
{
	unsigned char mac[NB_MAC_LEN], peer_mac[NB_MAC_LEN];
	const struct nb_veth_spec spec = {
		.name = NB_NB0_NAME,
		.mac = mac,
		.peer_name = NB_NB0_PEER,
		.peer_mac = peer_mac,
		.peer_netns_fd = -1,
		.mtu = mtu,
		.noarp = true,
	};
	struct nb_error absent;
	struct nb_link taken;
	int rc;

	mac_of(NB_NB0_NAME, mac);
	mac_of(NB_NB0_PEER, peer_mac);
	rc = nb_link_create_veth(nl, &spec, err);
	if (rc != -EEXIST || nb_link_get(nl, NB_NB0_NAME, &taken, &absent) != -ENODEV ||
	    nb_link_get(nl, NB_NB0_PEER, &taken, &absent))
		return rc;
	return fail_foreign(&taken, err);
}

static int create(struct nb_netlink *nl, unsigned int mtu, struct nb_error *err)
{
	unsigned char mac[NB_MAC_LEN];
	int rc;

	mac_of(NB_NB0_NAME, mac);
	rc = nb_link_create_dummy(nl, NB_NB0_NAME, mac, mtu, err);
	return rc == -EOPNOTSUPP ? create_pair(nl, mtu, err) : rc;
}

/* ---- completion ---- */

static int change_basics(struct nb_netlink *nl, struct nb_link *link, unsigned int mtu, struct nb_error *err)
{
	struct nb_link_change change = { 0 };
	int rc;

	if (strcmp(link->alias, NB_NB0_ALIAS) != 0)
		change.alias = NB_NB0_ALIAS;
	if (link->mtu != mtu)
		change.mtu = mtu;
	if (!(link->flags & IFF_NOARP))
		change.set_noarp = change.noarp = true;
	if (!change.alias && !change.mtu && !change.set_noarp)
		return 0;
	rc = nb_link_change(nl, link->index, &change, err);
	if (rc)
		return rc;
	/* A link whose MTU was below 1280 comes into IPv6 only now. */
	return nb_link_get_index(nl, link->index, link, err);
}

static int delete_link_local(struct nb_netlink *nl, unsigned int index, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_ifaddr_list(nl, index, AF_INET6, &addrs, &n, err);

	for (unsigned int i = 0; !rc && i < n; i++) {
		if (addrs[i].scope != RT_SCOPE_LINK)
			continue;
		rc = nb_ifaddr_delete(nl, index, &addrs[i], err);
		if (rc == -EADDRNOTAVAIL)
			rc = 0;
	}
	return rc;
}

/* Before the link comes up the first time, so that the kernel makes no link-local address. */
static int stop_address_generation(struct nb_netlink *nl, const struct nb_link *link, struct nb_error *err)
{
	const struct nb_link_change change = { .set_addr_gen_mode = true,
					       .addr_gen_mode = IN6_ADDR_GEN_MODE_NONE };
	int rc;

	if (!link->has_ipv6 || link->addr_gen_mode == IN6_ADDR_GEN_MODE_NONE)
		return 0;
	rc = nb_link_change(nl, link->index, &change, err);
	if (rc || !(link->flags & IFF_UP))
		return rc;
	return delete_link_local(nl, link->index, err);
}

static int set_up(struct nb_netlink *nl, const struct nb_link *link, struct nb_error *err)
{
	const struct nb_link_change change = { .set_up = true, .up = true };

	return link->flags & IFF_UP ? 0 : nb_link_change(nl, link->index, &change, err);
}

static int complete_peer(struct nb_netlink *nl, const struct nb_link *nb0, unsigned int mtu,
			 struct nb_error *err)
{
	struct nb_link peer;
	int rc;

	if (nb0->peer_elsewhere || !nb0->peer)
		return nb_fail(err, NB_ERR_SYSTEM, 0,
			       "the other end of \"%s\" is in another network namespace; delete \"%s\"",
			       nb0->name, nb0->name);
	rc = nb_link_get_index(nl, nb0->peer, &peer, err);
	if (rc)
		return rc;
	rc = change_basics(nl, &peer, mtu, err);
	if (rc)
		return rc;
	rc = stop_address_generation(nl, &peer, err);
	return rc ? rc : set_up(nl, &peer, err);
}

static int complete(struct nb_netlink *nl, struct nb_link *nb0, unsigned int mtu, struct nb_error *err)
{
	int rc = change_basics(nl, nb0, mtu, err);

	if (rc)
		return rc;
	if (!strcmp(nb0->kind, "veth")) {
		rc = complete_peer(nl, nb0, mtu, err);
		if (rc)
			return rc;
	}
	rc = stop_address_generation(nl, nb0, err);
	if (rc)
		return rc;
	if (nb0->has_ipv6) {
		rc = nb_sysctl_link_write("ipv6", NB_NB0_NAME, "disable_ipv6", "0", err);
		if (rc)
			return rc;
	}
	return set_up(nl, nb0, err);
}

/* ---- public ---- */

static struct nb_nb0 to_nb0(const struct nb_link *link)
{
	struct nb_nb0 nb0 = { .ifindex = link->index, .mtu = link->mtu };

	memcpy(nb0.mac, link->mac, sizeof(nb0.mac));
	return nb0;
}

int nb_nb0_ensure(struct nb_netlink *nl, unsigned int mtu, struct nb_nb0 *nb0, struct nb_error *err)
{
	struct nb_link link;
	int rc;

	if (mtu < NB_NB0_MTU_MIN || mtu > NB_NB0_MTU_MAX)
		return nb_fail(err, NB_ERR_SYSTEM, 0, "MTU %u of link \"%s\" is not in %d..%d", mtu,
			       NB_NB0_NAME, NB_NB0_MTU_MIN, NB_NB0_MTU_MAX);
	rc = nb_link_get(nl, NB_NB0_NAME, &link, err);
	if (rc == -ENODEV) {
		rc = create(nl, mtu, err);
		if (rc)
			return rc;
		rc = nb_link_get(nl, NB_NB0_NAME, &link, err);
	}
	if (rc)
		return rc;
	if (!is_ours(&link))
		return fail_foreign(&link, err);
	rc = complete(nl, &link, mtu, err);
	if (rc)
		return rc;
	*nb0 = to_nb0(&link);
	return 0;
}

int nb_nb0_find(struct nb_netlink *nl, struct nb_nb0 *nb0, struct nb_error *err)
{
	struct nb_link link;
	int rc = nb_link_get(nl, NB_NB0_NAME, &link, err);

	if (rc)
		return rc;
	if (!is_ours(&link))
		return nb_fail(err, NB_ERR_SYSTEM, ENODEV, "link \"%s\" is not natbridge's", NB_NB0_NAME);
	*nb0 = to_nb0(&link);
	return 0;
}

int nb_nb0_remove(struct nb_netlink *nl, struct nb_error *err)
{
	struct nb_nb0 nb0;
	int rc = nb_nb0_find(nl, &nb0, err);

	if (!rc)
		rc = nb_link_delete(nl, nb0.ifindex, err);
	return rc == -ENODEV ? 0 : rc;
}
