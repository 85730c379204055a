// SPDX-License-Identifier: GPL-2.0-or-later
#include "netdev.h"

#include <errno.h>

#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev_internal.h"

int nb_netdev_open(struct nb_netdev *wire, int netns_fd, struct nb_error *err)
{
	int ret = nb_netlink_open(&wire->host, err);

	if (!ret)
		wire->netns_fd = netns_fd;
	return ret;
}

void nb_netdev_close(struct nb_netdev *wire)
{
	nb_netlink_close(&wire->host);
	nb_netlink_close(&wire->pod);
	wire->netns_fd = -1;
}

int nb_netdev_open_pod(struct nb_netdev *wire, struct nb_error *err)
{
	if (wire->pod.sock)
		return 0;
	return nb_netlink_open_in(&wire->pod, wire->netns_fd, err);
}

int nb_netdev_refetch(struct nb_netdev *wire, struct nb_link *link, struct nb_error *err)
{
	return nb_link_get_index(&wire->host, link->index, link, err);
}

int nb_netdev_find(struct nb_netdev *wire, const struct nb_cni_id *id, struct nb_link *host,
		   struct nb_error *err)
{
	unsigned int salt;

	for (salt = 0; salt < NB_HOST_VETH_SALTS; salt++) {
		char name[IFNAMSIZ];
		struct nb_link link;
		int ret;

		nb_host_veth_name(id, salt, name);
		ret = nb_link_get(&wire->host, name, &link, err);
		if (ret && ret != -ENODEV)
			return ret;
		if (!ret && nb_host_veth_is_of(&link, id)) {
			*host = link;
			return 0;
		}
	}
	return nb_fail(err, NB_ERR_SYSTEM, ENODEV, "no host interface for \"%s\" of container \"%s\"",
		       id->ifname, id->container_id);
}
