// SPDX-License-Identifier: GPL-2.0-or-later
/* The sockets of one invocation, and what several netdev_*.c need. */
#include "netdev.h"

#include <errno.h>
#include <time.h>

#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

int nb_netdev_open(struct nb_netdev *netdev, int netns_fd, struct nb_error *err)
{
	int rc = nb_netlink_open(&netdev->host, err);

	if (rc)
		return rc;
	netdev->netns_fd = netns_fd;
	return 0;
}

void nb_netdev_close(struct nb_netdev *netdev)
{
	nb_netlink_close(&netdev->host);
	nb_netlink_close(&netdev->pod);
	netdev->netns_fd = -1;
}

int nb_netdev_open_pod(struct nb_netdev *netdev, struct nb_error *err)
{
	if (netdev->pod.sock)
		return 0;
	return nb_netlink_open_in(&netdev->pod, netdev->netns_fd, err);
}

int nb_netdev_refetch(struct nb_netdev *netdev, struct nb_link *link, struct nb_error *err)
{
	return nb_link_get_index(&netdev->host, link->index, link, err);
}

int nb_netdev_find_host_veth(struct nb_netdev *netdev, const struct nb_cni_id *id, struct nb_link *host,
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
		if (nb_host_veth_is_of(&link, id)) {
			*host = link;
			return 0;
		}
	}
	return nb_fail(err, NB_ERR_SYSTEM, ENODEV, "no host interface for \"%s\" of container \"%s\"",
		       id->ifname, id->container_id);
}

void nb_netdev_sleep(unsigned int microseconds)
{
	struct timespec time = { .tv_nsec = (long)microseconds * 1000 };

	(void)nanosleep(&time, NULL);
}
