// SPDX-License-Identifier: GPL-2.0-or-later
/* A network is joined to the node's table, or parted from it; then what is left of networks that went. */
#include "past_host.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>
#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "datapath.h"

/* ---- one element ---- */

/* The id of a program; 0: it cannot be told. */
static __u32 id_of(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

/* prog_fd: -1 for none. */
static int set_element(const struct nb_datapath *dp, __u32 index, int prog_fd, struct nb_error *err)
{
	const int map_fd = dp->map_fd[NB_MAP_PAST_HOST];
	__u32 is = 0;

	bpf_map_lookup_elem(map_fd, &index, &is);
	if (prog_fd < 0 ? !is : is && is == id_of(prog_fd))
		return 0;
	if (prog_fd < 0 ? bpf_map_delete_elem(map_fd, &index) && errno != ENOENT
			: bpf_map_update_elem(map_fd, &index, &prog_fd, BPF_ANY))
		return nb_fail(err, NB_ERR_SYSTEM, errno, "cannot write element %u of map \"%s\"", index,
			       nb_map_name(NB_MAP_PAST_HOST));
	return 0;
}

/* ---- all networks ---- */

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
		note(joining,
		     set_element(joining->node, place - 1, dp.prog_fd[NB_PROG_ENTER_POD], joining->err));
	}
	note(joining,
	     set_element(&dp, 0, place ? joining->node->prog_fd[NB_PROG_POD_OUT] : -1, joining->err));
	return 0;
}

int nb_past_host_set(const struct nb_pin_root *root, const struct nb_datapath *node,
		     const struct nb_devices *devices, struct nb_error *err)
{
	struct joining joining = { .root = root, .node = node, .devices = devices, .err = err };

	note(&joining, nb_datapath_each(root, join, &joining, err));
	for (__u32 i = 0; i < NB_MAX_PAST_HOST; i++)
		if (!joining.taken[i])
			note(&joining, set_element(node, i, -1, joining.err));
	return joining.first;
}

int nb_past_host_renew(const struct nb_pin_root *root, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath node = NB_DATAPATH_INIT;
	nb_cleanup(nb_devices_free) struct nb_devices devices = { 0 };
	int rc;

	if (nb_datapath_open(root, NB_NODE_NETWORK, false, &node, NULL) ||
	    !nb_datapath_has(&node, NB_MODE_NODE))
		return 0;
	rc = nb_devices_read(&node, &devices, err);
	return rc ? rc : nb_past_host_set(root, &node, &devices, err);
}
