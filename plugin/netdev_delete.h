/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_NETDEV_DELETE_H
#define NATBRIDGE_PLUGIN_NETDEV_DELETE_H

/*
 * Deletes veth pairs, for DEL and GC, and finds what of a container or network is left.
 *
 * DEL may come when the pod's namespace is gone (netdev->netns_fd is -1). The kernel deletes the
 * pair with the namespace, a moment later; a host veth that is still there is found by its derived
 * name and deleted, so that it is gone when DEL returns. Only a pair that the reference plugin made
 * is looked for by the pod's end, which needs the namespace.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "netdev.h"

struct nb_netdev_delete_spec {
	const struct nb_cni_id *id;
	const char *bridge;      /* name in the config, "": none */
	const char *prev_ifname; /* host veth according to prevResult, NULL: unknown */
};

/*
 * Deletes the pod's veth pair; 0 if there is none. If there is no host veth of ours, it deletes the
 * pair whose end is id->ifname in the pod's namespace, if the reference plugin made it for this
 * attachment: its other end is a port of that bridge, bears no alias and is the one that prevResult
 * names. Any other link of that name is foreign and stays.
 */
int nb_netdev_delete(struct nb_netdev *netdev, const struct nb_netdev_delete_spec *spec,
		     struct nb_error *err);

/*
 * Deletes all host veths of the network that belong to none of valid[n] (GC). The network member of
 * valid[n] is ignored: network counts. Goes on after errors and returns the first. *removed: how
 * many, also after an error.
 */
int nb_netdev_keep_only(struct nb_netdev *netdev, const char *network, const struct nb_cni_id *valid,
			size_t n, unsigned int *removed, struct nb_error *err);

/*
 * Addresses that the container has beside those of the attachment, once its pair is deleted: all in
 * the pod's namespace, if there is one, and those of the container's other interfaces in the
 * network, in whatever namespace. The caller frees *addrs.
 */
int nb_netdev_other_addresses(struct nb_netdev *netdev, const struct nb_cni_id *id, struct nb_ifaddr **addrs,
			      size_t *n, struct nb_error *err);

/* Whether the network has a host veth, of whatever pod. */
int nb_netdev_has_pods(struct nb_netdev *netdev, const char *network, bool *has, struct nb_error *err);

#endif
