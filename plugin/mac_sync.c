// SPDX-License-Identifier: GPL-2.0-or-later
/* Brings the bridge's FDB up to the MAC addresses that pods have now. */
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

/*
 * Whether the port needs an entry: none says that the MAC is elsewhere, or is
 * static at this port already.
 */
static bool is_missing(const struct fdb *fdb, const struct nb_port *port)
{
	for (unsigned int i = 0; i < fdb->n; i++)
		if (!memcmp(fdb->entries[i].mac, port->mac, NB_MAC_LEN) &&
		    (fdb->entries[i].port_index != port->ifindex || fdb->entries[i].is_static))
			return false;
	return true;
}

static int add_missing(struct nb_netdev *netdev, const struct nb_link *bridge, const struct nb_port *ports,
		       unsigned int n, struct nb_error *err)
{
	nb_cleanup(fdb_free) struct fdb fdb = { .n = 0 };
	int rc = nb_fdb_list(&netdev->host, bridge->index, &fdb.entries, &fdb.n, err);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < n; i++) {
		if (!is_missing(&fdb, &ports[i]))
			continue;
		rc = nb_fdb_add(&netdev->host, ports[i].ifindex, ports[i].mac, err);
		if (rc && rc != -ENODEV) /* -ENODEV: the port has gone meanwhile */
			return rc;
	}
	return 0;
}

static int sync_macs(struct nb_netdev *netdev, const struct nb_link *bridge, const struct nb_datapath *dp,
		     struct nb_error *err)
{
	nb_autofree struct nb_port *ports = NULL;
	struct nb_runtime runtime = { 0 };
	unsigned int n = 0;
	__u32 zero = 0;
	int rc = nb_map_get(dp, NB_MAP_RUNTIME, &zero, &runtime, err);

	if (rc < 0)
		return rc;
	if (!runtime.moved)
		return 0;
	rc = nb_endpoint_ports(dp, &ports, &n, err);
	if (rc)
		return rc;
	return add_missing(netdev, bridge, ports, n, err);
}

void nb_mac_sync(struct nb_netdev *netdev, const struct nb_link *bridge, const struct nb_datapath *dp)
{
	struct nb_error err = { 0 };

	if (sync_macs(netdev, bridge, dp, &err))
		nb_log("the bridge does not know all pods' MAC addresses: %s", err.msg);
}
