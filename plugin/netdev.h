/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_H
#define NATBRIDGE_PLUGIN_NETDEV_H

/*
 * Network devices of a pod: bridge, veth pair, addresses, routes, gateway. This file holds the
 * sockets that all of them use; each netdev_*.c does one part. Every ensure step creates, tolerates
 * "exists", fetches again and verifies.
 *
 * natbridge keeps no state of its own to know what it made. A host veth bears a name and a MAC
 * derived from the attachment, both from the moment of its creation, and an alias that spells the
 * attachment out (lib/net/host_veth.h). So DEL finds it after a crash at any point, without the
 * pod's namespace, and never touches a link that only happens to have the name.
 *
 * The bridge and its gateway addresses belong to the network, not to a pod: other ADDs may
 * be about to use them, so neither a failed ADD nor a DEL removes them. The reference
 * plugin keeps them as well.
 *
 * ADD calls nb_netdev_open, ensure_bridge, check_free, add_veth, prepare_pod, plan_gateways,
 * configure_pod, ensure_gateway, then rules and datapath, port_up, settle_pod, wait_port, refetch.
 * Its undo is nb_netdev_delete. Until port_up no frame passes between the pod and the bridge.
 */

#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

/* The sockets of one invocation. */
struct nb_netdev {
	struct nb_netlink host; /* in the node's namespace */
	struct nb_netlink pod;  /* in the pod's, opened when first needed */
	int netns_fd; /* the pod's namespace, not owned; -1: none, as in GC, or in DEL if it is gone */
};

#define NB_NETDEV_INIT                                                                                       \
	{                                                                                                    \
		.netns_fd = -1                                                                               \
	}

/* netns_fd (-1: none) must stay open until nb_netdev_close(). */
int nb_netdev_open(struct nb_netdev *netdev, int netns_fd, struct nb_error *err);
void nb_netdev_close(struct nb_netdev *netdev); /* for nb_cleanup() */

/* Opens netdev->pod if it is not open. netns_fd must not be -1. */
int nb_netdev_open_pod(struct nb_netdev *netdev, struct nb_error *err);

/*
 * Fetches *link of the node's namespace again by its index: MAC and state may
 * have changed. -ENODEV: gone.
 */
int nb_netdev_refetch(struct nb_netdev *netdev, struct nb_link *link, struct nb_error *err);

/* Finds the attachment's host veth. -ENODEV: there is none. */
int nb_netdev_find_host_veth(struct nb_netdev *netdev, const struct nb_cni_id *id, struct nb_link *host,
			     struct nb_error *err);

/* Sleeps for so many microseconds, less than a second; a signal may end it early. */
void nb_netdev_sleep(unsigned int microseconds);

#endif
