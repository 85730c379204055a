// SPDX-License-Identifier: GPL-2.0-or-later
/* Each network keeps its place or gets a free one; then places without a network are emptied. */
#include "node_pods.h"

#include <stdbool.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "fd_array.h"

struct entering {
	const struct nb_pin_root *root;
	const struct nb_datapath *node;
	bool taken[NB_MAX_NETWORKS];
	struct nb_error *err; /* NULL: there was one */
	int first;
};

static void note(struct entering *entering, int rc)
{
	if (!rc || entering->first)
		return;
	entering->first = rc;
	entering->err = NULL;
}

/* The place that has the map, else one that no map of before has; NB_MAX_NETWORKS: none is free. */
static __u32 place_of(const struct entering *entering, __u32 map_id)
{
	__u32 empty = NB_MAX_NETWORKS;

	for (__u32 i = 0; i < NB_MAX_NETWORKS; i++) {
		const __u32 id = nb_fd_array_get(entering->node, NB_MAP_PODS, i);

		if (id == map_id)
			return i;
		if (!id && empty == NB_MAX_NETWORKS)
			empty = i;
	}
	return empty;
}

/* For nb_datapath_each(). A network that cannot be read has no pods that are known. */
static int enter(const char *network, void *arg)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct entering *entering = arg;
	__u32 place;

	if (!strcmp(network, NB_NODE_NETWORK) || nb_datapath_open(entering->root, network, false, &dp, NULL))
		return 0;
	place = place_of(entering, nb_fd_id(dp.map_fd[NB_MAP_ENDPOINTS]));
	if (place == NB_MAX_NETWORKS) {
		note(entering, nb_fail(entering->err, NB_ERR_DATAPATH, 0,
				       "network \"%s\": the node's table has the pods of %u networks already",
				       network, NB_MAX_NETWORKS));
		return 0;
	}
	entering->taken[place] = true;
	note(entering,
	     nb_fd_array_set(entering->node, NB_MAP_PODS, place, dp.map_fd[NB_MAP_ENDPOINTS], entering->err));
	return 0;
}

int nb_node_pods_set(const struct nb_pin_root *root, const struct nb_datapath *node, struct nb_error *err)
{
	struct entering entering = { .root = root, .node = node, .err = err };

	note(&entering, nb_datapath_each(root, enter, &entering, err));
	for (__u32 i = 0; i < NB_MAX_NETWORKS; i++)
		if (!entering.taken[i])
			note(&entering, nb_fd_array_set(node, NB_MAP_PODS, i, -1, entering.err));
	return entering.first;
}
