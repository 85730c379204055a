// SPDX-License-Identifier: GPL-2.0-or-later
/* Deletes veth pairs by their host veth, with or without the pod's namespace. */
#include "netdev_delete.h"

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

static int delete_link(struct nb_netdev *netdev, const struct nb_link *link, struct nb_error *err)
{
	NB_EXPEDITE;

	return nb_link_delete_async(&netdev->host, link->index, err);
}

/*
 * Needs no namespace of the pod. Deletes all host veths of the attachment: there can be two if a
 * foreign link had the first name for a while.
 */
static int delete_by_host_veth(struct nb_netdev *netdev, const struct nb_cni_id *id, unsigned int *deleted,
			       struct nb_error *err)
{
	for (unsigned int salt = 0; salt < NB_HOST_VETH_SALTS; salt++) {
		char name[IFNAMSIZ];
		struct nb_link link;
		int rc;

		nb_host_veth_name(id, salt, name);
		rc = nb_link_get(&netdev->host, name, &link, err);
		if (rc == -ENODEV)
			continue;
		if (rc)
			return rc;
		if (!nb_host_veth_is_of(&link, id))
			continue;
		rc = delete_link(netdev, &link, err);
		if (rc)
			return rc;
		++*deleted;
	}
	return 0;
}

/* Whether pod and host are the two ends of a pair that the reference plugin made for this attachment. */
static bool made_by_reference(const struct nb_netdev_delete_spec *spec, const struct nb_link *pod,
			      const struct nb_link *host, const struct nb_link *bridge)
{
	return !strcmp(host->kind, "veth") && host->peer == pod->index && host->peer_elsewhere &&
	       host->alias[0] == '\0' && host->master == bridge->index &&
	       !strcmp(host->name, spec->prev_ifname);
}

/* -ENODEV: there is none. */
static int find_reference_pair(struct nb_netdev *netdev, const struct nb_netdev_delete_spec *spec,
			       struct nb_link *host, struct nb_error *err)
{
	struct nb_link pod, bridge;
	int rc = nb_netdev_open_pod(netdev, err);

	if (rc)
		return rc;
	rc = nb_link_get(&netdev->pod, spec->id->ifname, &pod, err);
	if (rc)
		return rc;
	if (strcmp(pod.kind, "veth") != 0 || !pod.peer_elsewhere || !pod.peer)
		return -ENODEV;
	rc = nb_link_get_index(&netdev->host, pod.peer, host, err);
	if (rc)
		return rc;
	rc = nb_link_get(&netdev->host, spec->bridge, &bridge, err);
	if (rc)
		return rc;
	return made_by_reference(spec, &pod, host, &bridge) ? 0 : -ENODEV;
}

/* Does nothing without the pod's namespace: if that is gone, so is the pair. */
static int delete_by_pod_end(struct nb_netdev *netdev, const struct nb_netdev_delete_spec *spec,
			     struct nb_error *err)
{
	struct nb_link host;
	int rc;

	if (netdev->netns_fd < 0 || !spec->prev_ifname || !*spec->bridge)
		return 0;
	rc = find_reference_pair(netdev, spec, &host, err);
	if (rc)
		return rc == -ENODEV ? 0 : rc;
	return delete_link(netdev, &host, err);
}

int nb_netdev_delete(struct nb_netdev *netdev, const struct nb_netdev_delete_spec *spec, struct nb_error *err)
{
	unsigned int deleted = 0;
	int rc = delete_by_host_veth(netdev, spec->id, &deleted, err);

	if (rc || deleted)
		return rc;
	return delete_by_pod_end(netdev, spec, err);
}

static bool is_valid(const struct nb_link *link, const char *network, const struct nb_cni_id *valid, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct nb_cni_id id = valid[i];

		id.network = network;
		if (nb_host_veth_is_of(link, &id))
			return true;
	}
	return false;
}

int nb_netdev_keep_only(struct nb_netdev *netdev, const char *network, const struct nb_cni_id *valid,
			size_t n, unsigned int *removed, struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n_links = 0;
	int first = 0, rc;

	*removed = 0;
	rc = nb_link_list(&netdev->host, "veth", 0, &links, &n_links, err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < n_links; i++) {
		if (!nb_host_veth_is_of_network(&links[i], network) || is_valid(&links[i], network, valid, n))
			continue;
		rc = delete_link(netdev, &links[i], first ? NULL : err);
		if (!rc)
			++*removed;
		else if (!first)
			first = rc;
	}
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

static int append_namespace(struct nb_netdev *netdev, struct addresses *list, struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_netdev_open_pod(netdev, err);

	if (rc)
		return rc;
	rc = nb_ifaddr_list(&netdev->pod, 0, AF_UNSPEC, &addrs, &n, err);
	if (rc)
		return rc;
	return append(list, addrs, n, err);
}

/* A pair that is being deleted meanwhile has no addresses any more. */
static bool is_gone(struct nb_netdev *netdev, const struct nb_link *host)
{
	struct nb_link link = *host;

	return nb_netdev_refetch(netdev, &link, NULL) == -ENODEV;
}

static int append_peer(struct nb_netdev *netdev, const struct nb_link *host, struct addresses *list,
		       struct nb_error *err)
{
	nb_autofree struct nb_ifaddr *addrs = NULL;
	unsigned int n = 0;
	int rc = nb_ifaddr_list_elsewhere(&netdev->host, host->peer_nsid, host->peer, &addrs, &n, err);

	if (rc)
		return is_gone(netdev, host) ? 0 : rc;
	return append(list, addrs, n, err);
}

int nb_netdev_other_addresses(struct nb_netdev *netdev, const struct nb_cni_id *id, struct nb_ifaddr **addrs,
			      size_t *n, struct nb_error *err)
{
	nb_cleanup(addresses_free) struct addresses list = { .n = 0 };
	nb_autofree struct nb_link *links = NULL;
	unsigned int n_links = 0;
	int rc;

	if (netdev->netns_fd >= 0) {
		rc = append_namespace(netdev, &list, err);
		if (rc)
			return rc;
	}
	rc = nb_link_list(&netdev->host, "veth", 0, &links, &n_links, err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < n_links; i++) {
		if (!nb_host_veth_is_of_container(&links[i], id) || nb_host_veth_is_of(&links[i], id) ||
		    !links[i].peer_elsewhere)
			continue;
		rc = append_peer(netdev, &links[i], &list, err);
		if (rc)
			return rc;
	}
	*addrs = NB_TAKE_PTR(list.items);
	*n = list.n;
	return 0;
}

int nb_netdev_has_pods(struct nb_netdev *netdev, const char *network, bool *has, struct nb_error *err)
{
	nb_autofree struct nb_link *links = NULL;
	unsigned int n = 0, found = 0;
	int rc = nb_link_list(&netdev->host, "veth", 0, &links, &n, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < n; i++)
		found += nb_host_veth_is_of_network(&links[i], network);
	*has = found > 0;
	return 0;
}
