// SPDX-License-Identifier: GPL-2.0-or-later
#include "moved.h"

#include <natbridge/bridge.h>
#include <natbridge/cleanup.h>
#include <natbridge/map.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

struct port_list {
	struct nb_port port[NB_MAX_PORTS];
	unsigned int n;
};

static int take_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_port *port = values;
	struct port_list *list = arg;

	(void)keys;
	for (__u32 i = 0; i < n; i++)
		if (port[i].ifindex && list->n < NB_MAX_PORTS)
			list->port[list->n++] = port[i];
	return 0;
}

/* An entry that is there already is replaced by the same one. */
static int enter_all(struct nb_wire *wire, const struct port_list *list, struct nb_error *err)
{
	int result = 0;

	for (unsigned int i = 0; i < list->n; i++) {
		struct nb_error one = { 0 };
		int ret = nb_fdb_add(&wire->host, list->port[i].ifindex, list->port[i].mac, &one);

		if (ret && ret != -ENODEV && !result) { /* a port may go meanwhile */
			result = ret;
			*err = one;
		}
	}
	return result;
}

void nb_moved_follow(struct nb_wire *wire, const struct nb_datapath *dp)
{
	nb_autofree struct port_list *list = NULL;
	struct nb_runtime runtime = { 0 };
	struct nb_error err = { 0 };
	__u32 zero = 0;
	int ret = nb_map_get(dp, NB_MAP_RUNTIME, &zero, &runtime, &err);

	if (ret >= 0 && !runtime.moved)
		return;
	list = calloc(1, sizeof(*list));
	if (!list)
		return;
	if (ret >= 0)
		ret = nb_map_walk(dp, NB_MAP_PORTS, take_ports, list, &err);
	if (ret >= 0)
		ret = enter_all(wire, list, &err);
	if (ret < 0)
		nb_log("the bridge does not know all pods' MAC addresses: %s", err.msg);
}
