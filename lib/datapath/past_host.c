// SPDX-License-Identifier: GPL-2.0-or-later
/* A network is joined to the node's table, or parted from it; then what is left of networks that went. */
#include "past_host.h"

#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>
#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "datapath.h"
#include "fd_array.h"

struct joining {
	const struct nb_pin_root *root;
	const struct nb_datapath *node;
	const struct nb_devices *devices;
	bool taken[NB_MAX_PAST_HOST];
	struct nb_error *err; /* NULL: there was one */
	int first;
};

static void note(struct joining *joining, int rc)
{
	if (!rc || joining->first)
		return;
	joining->first = rc;
	joining->err = NULL;
}

/* nb_device.network of a bridge, unless another network on the same bridge has it. */
static __u32 place_of(const struct joining *joining, __u32 bridge)
{
	for (size_t i = 0; i < joining->devices->all.n; i++) {
		const struct nb_device_at *at = &joining->devices->all.items[i];
		const __u32 place = at->device.network;

		if (at->ifindex == bridge && place && place <= NB_MAX_PAST_HOST && !joining->taken[place - 1])
			return place;
	}
	return 0;
}

/* One without pods needs no place, which another one on its bridge may have. */
static bool has_pods(const struct nb_datapath *dp)
{
	__u32 ifindex;

	return !bpf_map_get_next_key(dp->map_fd[NB_MAP_LINKS], NULL, &ifindex);
}

/* For nb_datapath_each(). A network that cannot be read is left as it is. */
static int join(const char *network, void *arg)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct joining *joining = arg;
	struct nb_settings settings;
	enum nb_mode mode;
	__u32 place = 0;

	if (!strcmp(network, NB_NODE_NETWORK) || nb_datapath_open(joining->root, network, false, &dp, NULL) ||
	    nb_datapath_mode(&dp, &mode, NULL) || nb_settings_read(&dp, &settings, NULL) ||
	    !nb_datapath_has(&dp, NB_MODE_EBPF))
		return 0;
	if (mode == NB_MODE_EBPF && settings.bridge_ifindex && has_pods(&dp))
		place = place_of(joining, settings.bridge_ifindex);
	if (place) {
		joining->taken[place - 1] = true;
		note(joining, nb_fd_array_set(joining->node, NB_MAP_PAST_HOST, place - 1,
					      dp.prog_fd[NB_PROG_ENTER_POD], joining->err));
	}
	note(joining, nb_fd_array_set(&dp, NB_MAP_PAST_HOST, 0,
				      place ? joining->node->prog_fd[NB_PROG_POD_OUT] : -1, joining->err));
	return 0;
}

int nb_past_host_set(const struct nb_pin_root *root, const struct nb_datapath *node,
		     const struct nb_devices *devices, struct nb_error *err)
{
	struct joining joining = { .root = root, .node = node, .devices = devices, .err = err };

	note(&joining, nb_datapath_each(root, join, &joining, err));
	for (__u32 i = 0; i < NB_MAX_PAST_HOST; i++)
		if (!joining.taken[i])
			note(&joining, nb_fd_array_set(node, NB_MAP_PAST_HOST, i, -1, joining.err));
	return joining.first;
}
