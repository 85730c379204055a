// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net/host_veth.h"
#include "lib/net/ifaddr.h"
#include "lib/net/link.h"
#include "lib/net/link_delete_async.h"
#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "netdev_internal.h"

static int delete_link(struct nb_netdev *wire, const struct nb_link *link, struct nb_error *err)
{
	NB_EXPEDITE;

	return nb_link_delete_async(&wire->host, link->index, err);
}

/* All host ends of the attachment: there can be two if a foreign link had the first name for a while. */
static int delete_ours(struct nb_netdev *wire, const struct nb_cni_id *id, unsigned int *deleted,
		       struct nb_error *err)
{
	unsigned int salt;

	for (salt = 0; salt < NB_HOST_VETH_SALTS; salt++) {
		char name[IFNAMSIZ];
		struct nb_link link;
		int ret;

		nb_host_veth_name(id, salt, name);
		ret = nb_link_get(&wire->host, name, &link, err);
		if (ret == -ENODEV)
			continue;
		if (!ret && !nb_host_veth_is_of(&link, id))
			continue;
		if (!ret)
			ret = delete_link(wire, &link, err);
		if (ret)
			return ret;
		++*deleted;
	}
	return 0;
}

/* Whether pod and host are the two ends of one pair that the reference plugin made for this attachment. */
static bool made_by_reference(const struct nb_netdev_delete_spec *spec, const struct nb_link *pod,
			      const struct nb_link *host, const struct nb_link *bridge)
{
	return !strcmp(host->kind, "veth") && host->peer == pod->index && host->peer_elsewhere &&
	       host->alias[0] == '\0' && host->master == bridge->index &&
	       !strcmp(host->name, spec->prev_ifname);
}

static int delete_reference_pair(struct nb_netdev *wire, const struct nb_netdev_delete_spec *spec,
				 struct nb_error *err)
{
	struct nb_link pod, host, bridge;
	int ret;

	if (wire->netns_fd < 0 || !spec->prev_ifname || !*spec->bridge)
		return 0;
	ret = nb_netdev_open_pod(wire, err);
	if (!ret)
		ret = nb_link_get(&wire->pod, spec->id->ifname, &pod, err);
	if (!ret && (strcmp(pod.kind, "veth") != 0 || !pod.peer_elsewhere || !pod.peer))
		return 0;
	if (!ret)
		ret = nb_link_get_index(&wire->host, pod.peer, &host, err);
	if (!ret)
		ret = nb_link_get(&wire->host, spec->bridge, &bridge, err);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	return made_by_reference(spec, &pod, &host, &bridge) ? delete_link(wire, &host, err) : 0;
}

int nb_netdev_delete(struct nb_netdev *wire, const struct nb_netdev_delete_spec *spec, struct nb_error *err)
{
	unsigned int deleted = 0;
	int ret = delete_ours(wire, spec->id, &deleted, err);

	if (ret || deleted)
		return ret;
	return delete_reference_pair(wire, spec, err);
}

static bool is_valid(const struct nb_link *link, const char *network, const struct nb_cni_id *valid, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct nb_cni_id id = valid[i];

		id.network = network;
		if (nb_host_veth_is_of(link, &id))
			return true;
	}
	return false;
}

int nb_netdev_keep_only(struct nb_netdev *wire, const char *network, const struct nb_cni_id *valid, size_t n,
			unsigned int *removed, struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n_links = 0, i, count = 0;
	int first = 0;
	int ret = nb_link_list(&wire->host, "veth", 0, &links, &n_links, err);

	if (ret)
		return ret;
	for (i = 0; i < n_links; i++) {
		if (!nb_host_veth_is_of_network(&links[i], network) || is_valid(&links[i], network, valid, n))
			continue;
		ret = delete_link(wire, &links[i], first ? NULL : err);
		if (!ret)
			count++;
		else if (!first)
			first = ret;
	}
	if (removed)
		*removed = count;
	return first;
}

/* ---- other interfaces of the container ---- */

struct addresses {
	struct nb_ifaddr *items;
	size_t n;
};

static void addresses_free(struct addresses *list)
{
	free(list->items);
}

static int append(struct addresses *list, const struct nb_ifaddr *addrs, unsigned int n, struct nb_error *err)
{
	struct nb_ifaddr *items = reallocarray(list->items, list->n + n + 1, sizeof(*items));

	if (!items)
		return nb_fail_nomem(err);
	list->items = items;
	for (unsigned int i = 0; i < n; i++)
		items[list->n++] = addrs[i];
	return 0;
}

static int append_namespace(struct nb_netdev *wire, struct addresses *list, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int ret = nb_netdev_open_pod(wire, err);

	if (!ret)
		ret = nb_ifaddr_list(&wire->pod, 0, AF_UNSPEC, &addrs, &n, err);
	return ret ? ret : append(list, addrs, n, err);
}

static int append_peer(struct nb_netdev *wire, const struct nb_link *host, struct addresses *list,
		       struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int ret = nb_ifaddr_list_elsewhere(&wire->host, host->peer_nsid, host->peer, &addrs, &n, err);

	return ret ? ret : append(list, addrs, n, err);
}

/* A pair that is going away meanwhile has no addresses any more. */
static bool is_gone(struct nb_netdev *wire, const struct nb_link *host)
{
	struct nb_link link = *host;

	return nb_netdev_refetch(wire, &link, NULL) == -ENODEV;
}

int nb_netdev_other_addresses(struct nb_netdev *wire, const struct nb_cni_id *id, struct nb_ifaddr **addrs,
			      size_t *n, struct nb_error *err)
{
	nb_cleanup(addresses_free) struct addresses list = { .n = 0 };
	nb_autofree struct nb_link *links = NULL;
	unsigned int n_links = 0;
	int ret = wire->netns_fd >= 0 ? append_namespace(wire, &list, err) : 0;

	if (!ret)
		ret = nb_link_list(&wire->host, "veth", 0, &links, &n_links, err);
	for (unsigned int i = 0; i < n_links && !ret; i++) {
		if (!nb_host_veth_is_of_container(&links[i], id) || nb_host_veth_is_of(&links[i], id) ||
		    !links[i].peer_elsewhere)
			continue;
		ret = append_peer(wire, &links[i], &list, err);
		if (ret && is_gone(wire, &links[i]))
			ret = 0;
	}
	if (ret)
		return ret;
	*addrs = NB_TAKE_PTR(list.items);
	*n = list.n;
	return 0;
}

int nb_netdev_has_pods(struct nb_netdev *wire, const char *network, bool *has, struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n = 0, found = 0;
	int ret = nb_link_list(&wire->host, "veth", 0, &links, &n, err);

	for (unsigned int i = 0; i < n; i++)
		found += nb_host_veth_is_of_network(&links[i], network);
	if (!ret)
		*has = found > 0;
	return ret;
}
