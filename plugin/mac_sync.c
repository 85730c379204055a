// SPDX-License-Identifier: GPL-2.0-or-later
#include "mac_sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/net/fdb.h"
#include "lib/net/link.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "netdev.h"
#include "report.h"

struct fdb {
	struct nb_fdb_entry *entries;
	unsigned int n;
};

static void fdb_free(struct fdb *fdb)
{
	free(fdb->entries);
}

/* Whether a pod's MAC lacks an entry that would be its own. */
static bool is_missing(const struct fdb *fdb, const struct nb_port *port)
{
	for (unsigned int i = 0; i < fdb->n; i++)
		if (!memcmp(fdb->entries[i].mac, port->mac, NB_MAC_LEN) &&
		    (fdb->entries[i].port_index != port->ifindex || fdb->entries[i].is_static))
			return false;
	return true;
}

static int enter_all(struct nb_netdev *wire, const struct nb_link *bridge, const struct nb_port *ports,
		     unsigned int n, struct nb_error *err)
{
	nb_cleanup(fdb_free) struct fdb fdb = { .n = 0 };
	int result = nb_fdb_list(&wire->host, bridge->index, &fdb.entries, &fdb.n, err);

	for (unsigned int i = 0; i < n && !result; i++) {
		const struct nb_port *port = &ports[i];

		if (is_missing(&fdb, port))
			result = nb_fdb_add(&wire->host, port->ifindex, port->mac, err);
		if (result == -ENODEV) /* a port may go meanwhile */
			result = 0;
	}
	return result;
}

void nb_mac_sync(struct nb_netdev *wire, const struct nb_link *bridge, const struct nb_datapath *dp)
{
	nb_autofree struct nb_port *ports = NULL;
	struct nb_runtime runtime = { 0 };
	struct nb_error err = { 0 };
	unsigned int n = 0;
	__u32 zero = 0;
	int ret = nb_map_get(dp, NB_MAP_RUNTIME, &zero, &runtime, &err);

	if (ret >= 0 && !runtime.moved)
		return;
	if (ret >= 0)
		ret = nb_endpoint_ports(dp, &ports, &n, &err);
	if (ret >= 0)
		ret = enter_all(wire, bridge, ports, n, &err);
	if (ret < 0)
		nb_log("the bridge does not know all pods' MAC addresses: %s", err.msg);
}
