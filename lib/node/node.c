// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts in their order: nb0, the table, what the programs must know, programs, and routes at last. */
#include "node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/datapath/datapath.h"
#include "lib/datapath/devices.h"
#include "lib/datapath/ensure.h"
#include "lib/datapath/node_pods.h"
#include "lib/datapath/past_host.h"
#include "lib/datapath/upgrade.h"
#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/net/netlink.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "devices.h"
#include "loopback.h"
#include "nb0.h"

/* What is found and made on the way. */
struct node {
	const struct nb_node_config *config;
	struct nb_netlink nl;
	struct nb_node_device *devices; /* owned */
	unsigned int n_devices;
	struct nb_nb0 nb0;
	struct nb_devices before; /* that have programs */
	bool outside;             /* clients outside are served */
};

static void node_free(struct node *node)
{
	nb_netlink_close(&node->nl);
	free(node->devices);
	nb_devices_free(&node->before);
}

/* ---- the table ---- */

/* Opens it, with the lock; makes, completes or migrates it if need be. */
static int open_table(const struct node *node, struct nb_datapath *dp, struct nb_error *err)
{
	const struct nb_datapath_config config = {
		.root = node->config->root,
		.network = NB_NODE_NETWORK,
		.mode = NB_MODE_NODE,
		.limits = node->config->limits,
	};

	return nb_datapath_ensure(&config, dp, err);
}

/* Tells the programs which device nb0 is. *behind: devices have programs of another natbridge. Needs the
 * lock. */
static int write_settings(const struct node *node, const struct nb_datapath *dp, bool *behind,
			  struct nb_error *err)
{
	struct nb_settings old, new;
	int rc = nb_settings_read(dp, &old, err);

	if (rc)
		return rc;
	*behind = old.flags & NB_SETTINGS_BEHIND;
	new = old;
	new.flags &= ~NB_SETTINGS_FAST_PATH;
	new.flags |= node->config->fast_path ? NB_SETTINGS_FAST_PATH : 0;
	new.bridge_ifindex = node->nb0.ifindex;
	memcpy(new.bridge_mac, node->nb0.mac, sizeof(new.bridge_mac));
	return memcmp(&old, &new, sizeof(old)) ? nb_settings_write(dp, &new, err) : 0;
}

/* ---- devices ---- */

static int compare(const void *a, const void *b)
{
	const struct nb_device_at *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static int add_device(struct nb_devices *wanted, __u32 ifindex, const struct nb_device *device,
		      struct nb_error *err)
{
	const struct nb_device_at at = { ifindex, *device };

	return nb_vec_push(&wanted->all, at, err);
}

/* ---- bridges of pods ---- */

/* Their ifindexes: pods there reach Services by programs of their own ports. */
struct bridges {
	const struct nb_pin_root *root;
	NB_VEC(__u32) all;
};

static void bridges_free(struct bridges *bridges)
{
	nb_vec_free(&bridges->all);
}

/* For nb_datapath_each(). A network that cannot be read counts as another bridge. */
static int add_bridge(const char *network, void *arg)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct bridges *bridges = arg;
	struct nb_settings settings;
	enum nb_mode mode;

	if (!strcmp(network, NB_NODE_NETWORK) || nb_datapath_open(bridges->root, network, false, &dp, NULL) ||
	    nb_datapath_mode(&dp, &mode, NULL) || mode != NB_MODE_EBPF ||
	    nb_settings_read(&dp, &settings, NULL) || !settings.bridge_ifindex)
		return 0;
	return nb_vec_push(&bridges->all, settings.bridge_ifindex, NULL);
}

static bool is_bridge_of_pods(const struct bridges *bridges, __u32 ifindex)
{
	for (size_t i = 0; i < bridges->all.n; i++)
		if (bridges->all.items[i] == ifindex)
			return true;
	return false;
}

/* ---- the list ---- */

static int add_nb0(const struct node *node, struct nb_devices *wanted, struct nb_error *err)
{
	struct nb_device device = { .flags = NB_DEVICE_NB0 };

	memcpy(device.addrs, node->config->self, sizeof(device.addrs));
	memcpy(device.mac, node->nb0.mac, sizeof(device.mac));
	return add_device(wanted, node->nb0.ifindex, &device, err);
}

static bool has_device(const struct nb_devices *devices, __u32 ifindex)
{
	for (size_t i = 0; i < devices->all.n; i++)
		if (devices->all.items[i].ifindex == ifindex)
			return true;
	return false;
}

static bool is_wanted(const struct node *node, const struct nb_node_device *device)
{
	return device->in_use || has_device(&node->before, device->ifindex);
}

/*
 * The programs of a device. If its packets pass another device with programs, these must not see them
 * twice. What comes for a macvlan's own MAC, the device below takes for somebody else's.
 */
static __u32 flags_of(const struct node *node, const struct nb_node_device *device)
{
	for (unsigned int i = 0; i < node->n_devices && device->shares; i++) {
		const struct nb_node_device *other = &node->devices[i];

		if (other->ifindex == device->shares && is_wanted(node, other))
			return device->is_above && memcmp(other->mac, device->mac, sizeof(other->mac))
				       ? NB_DEVICE_IN
				       : 0;
	}
	return NB_DEVICE_IN | (node->outside ? NB_DEVICE_OUT : 0);
}

/*
 * nb_device.network of a bridge of pods: what it has, for the connections that began so, or the first one
 * that is free; 0: none.
 */
static __u16 network_of(const struct node *node, const struct nb_devices *wanted, __u32 ifindex)
{
	bool taken[NB_MAX_PAST_HOST + 1] = { true };
	__u16 place = 0;

	for (size_t i = 0; i < node->before.all.n; i++) {
		const struct nb_device_at *at = &node->before.all.items[i];

		if (at->device.network > NB_MAX_PAST_HOST)
			continue;
		taken[at->device.network] = true;
		if (at->ifindex == ifindex && at->device.network)
			return at->device.network;
	}
	if (!node->config->fast_path || !node->outside)
		return 0;
	for (size_t i = 0; i < wanted->all.n; i++)
		taken[wanted->all.items[i].device.network] = true;
	while (place <= NB_MAX_PAST_HOST && taken[place])
		place++;
	return place <= NB_MAX_PAST_HOST ? place : 0;
}

/* A device that is down, or has lost its address, keeps its programs: once it is back, no packet may pass
 * them by. */
static int list_devices(const struct node *node, struct nb_devices *wanted, struct nb_error *err)
{
	nb_cleanup(bridges_free) struct bridges bridges = { .root = node->config->root };
	int rc = nb_datapath_each(bridges.root, add_bridge, &bridges, err);

	rc = rc ? rc : add_nb0(node, wanted, err);
	for (unsigned int i = 0; i < node->n_devices && !rc; i++) {
		const struct nb_node_device *from = &node->devices[i];
		struct nb_device device = { .flags = flags_of(node, from) };

		if (!is_wanted(node, from))
			continue;
		if (is_bridge_of_pods(&bridges, from->ifindex)) {
			device.flags &= ~NB_DEVICE_OUT;
			device.network = network_of(node, wanted, from->ifindex);
		}
		if (from->has_v6)
			device.addrs[0] = from->v6;
		if (from->has_v4)
			device.addrs[1] = from->v4;
		memcpy(device.mac, from->mac, sizeof(device.mac));
		rc = add_device(wanted, from->ifindex, &device, err);
	}
	return rc;
}

/* Whether clients outside are served: as *config says or, with keep, if they are. */
static bool find_outside(const struct node *node)
{
	for (size_t i = 0; i < node->before.all.n && node->config->keep; i++)
		if (node->before.all.items[i].device.flags & NB_DEVICE_OUT)
			return true;
	return node->config->outside;
}

static int set_devices(struct node *node, const struct nb_datapath *dp, struct nb_error *err)
{
	nb_cleanup(nb_devices_free) struct nb_devices wanted = { 0 };
	struct nb_device_at lo;
	int rc = nb_devices_read(dp, &node->before, err);

	if (rc)
		return rc;
	node->outside = find_outside(node);
	rc = list_devices(node, &wanted, err);
	if (!rc && node->outside) {
		rc = nb_loopback_plan(&node->nl, dp, &lo, err);
		rc = rc ? rc : nb_vec_push(&wanted.all, lo, err);
	} else if (!rc) {
		rc = nb_loopback_restore(&node->nl, dp, err);
	}
	if (rc)
		return rc;
	qsort(wanted.all.items, wanted.all.n, sizeof(*wanted.all.items), compare);
	rc = nb_node_pods_set(node->config->root, dp, err);
	/* First: connections that begin once a bridge has a network find its program. */
	rc = rc ? rc : nb_past_host_set(node->config->root, dp, &wanted, err);
	rc = rc ? rc : nb_devices_set(dp, &wanted, err);
	return rc || !node->outside ? rc : nb_loopback_accept(&node->nl, true, err);
}

/* ---- routes ---- */

struct routes {
	NB_VEC(struct nb_node_route) all;
};

static void routes_free(struct routes *routes)
{
	nb_vec_free(&routes->all);
}

static int set_routes(struct node *node, nb_node_route_conflict_fn conflict, void *arg, struct nb_error *err)
{
	nb_cleanup(routes_free) struct routes routes = { 0 };
	const struct nb_node_config *config = node->config;
	int rc = 0;

	for (size_t i = 0; i < config->n_ranges && !rc; i++)
		rc = nb_vec_push(&routes.all, config->ranges[i], err);
	for (int i = 0; i < 2 && !rc; i++) {
		const struct nb_node_route self = { .dst = config->self[i],
						    .prefix_len = nb_addr_family(&config->self[i]) == AF_INET
									  ? 32
									  : 128 };

		if (!nb_addr_is_zero(&config->self[i]))
			rc = nb_vec_push(&routes.all, self, err);
	}
	return rc ? rc
		  : nb_node_routes_set(&node->nl, node->nb0.ifindex, routes.all.items, routes.all.n, conflict,
				       arg, err);
}

/* ---- all of it ---- */

static int find_devices(struct node *node, struct nb_error *err)
{
	int rc = nb_netlink_open(&node->nl, err);

	rc = rc ? rc
		: nb_node_devices_list(&node->nl, node->config->patterns, node->config->n_patterns,
				       &node->devices, &node->n_devices, err);
	return rc ? rc
		  : nb_nb0_ensure(&node->nl, nb_node_devices_mtu(node->devices, node->n_devices), &node->nb0,
				  err);
}

int nb_node_ensure(const struct nb_node_config *config, nb_node_route_conflict_fn conflict, void *arg,
		   struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	nb_cleanup(node_free) struct node node = { .config = config };
	struct nb_upgraded done;
	bool behind = false;
	int rc = find_devices(&node, err);

	rc = rc ? rc : open_table(&node, &dp, err);
	rc = rc ? rc : write_settings(&node, &dp, &behind, err);
	if (rc)
		return rc;
	nb_close_fd(&dp.lock_fd); /* attaching may wait: lib/datapath/attach.h */
	dp.lock_fd = -1;
	if (behind)
		rc = nb_upgrade(config->root, NB_NODE_NETWORK, &done, err);
	rc = rc ? rc : set_devices(&node, &dp, err);
	return rc || config->keep ? rc : set_routes(&node, conflict, arg, err);
}

/* Routes go first, so that nothing is sent to a device without a program. */
int nb_node_take_down(const struct nb_pin_root *root, struct nb_error *err)
{
	nb_cleanup(nb_netlink_close) struct nb_netlink nl = { 0 };
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	static const struct nb_devices none;
	int first = nb_netlink_open(&nl, err), rc;

	if (first)
		return first;
	first = nb_node_routes_remove(&nl, err);
	rc = nb_datapath_open(root, NB_NODE_NETWORK, false, &dp, first ? NULL : err);
	if (!rc)
		rc = nb_loopback_restore(&nl, &dp, first ? NULL : err);
	if (!rc)
		rc = nb_past_host_set(root, &dp, &none, first ? NULL : err);
	if (!rc)
		rc = nb_devices_set(&dp, &none, first ? NULL : err);
	else if (rc == -ENOENT)
		rc = 0;
	first = first ? first : rc;
	rc = nb_nb0_remove(&nl, first ? NULL : err);
	return first ? first : rc;
}

int nb_node_remove(const struct nb_pin_root *root, struct nb_error *err)
{
	int first = nb_node_take_down(root, err);
	int rc = nb_datapath_unpin(root, NB_NODE_NETWORK, first ? NULL : err);

	return first ? first : rc;
}
