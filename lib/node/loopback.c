// SPDX-License-Identifier: GPL-2.0-or-later
/* accept_local of lo, and what it was. */
#include "loopback.h"

#include <natbridge/abi.h>

#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/net/link.h"
#include "lib/util/error.h"

static int find(struct nb_netlink *nl, struct nb_link *lo, struct nb_error *err)
{
	return nb_link_get(nl, "lo", lo, err);
}

int nb_loopback_plan(struct nb_netlink *nl, const struct nb_datapath *dp, struct nb_device_at *lo,
		     struct nb_error *err)
{
	struct nb_device before = { 0 };
	struct nb_link link;
	int rc = find(nl, &link, err);

	if (!rc)
		rc = nb_map_get(dp, NB_MAP_DEVICES, &link.index, &before, err);
	if (rc < 0)
		return rc;
	*lo = (struct nb_device_at){ link.index, { .flags = NB_DEVICE_OUT } };
	if (!link.accept_local || before.flags & NB_DEVICE_LO)
		lo->device.flags |= NB_DEVICE_LO;
	return 0;
}

int nb_loopback_accept(struct nb_netlink *nl, bool accept, struct nb_error *err)
{
	const struct nb_link_change change = { .set_accept_local = true, .accept_local = accept };
	struct nb_link lo;
	int rc = find(nl, &lo, err);

	return rc || lo.accept_local == accept ? rc : nb_link_change(nl, lo.index, &change, err);
}

int nb_loopback_restore(struct nb_netlink *nl, const struct nb_datapath *dp, struct nb_error *err)
{
	struct nb_device before = { 0 };
	struct nb_link lo;
	int rc = find(nl, &lo, err);

	if (!rc)
		rc = nb_map_get(dp, NB_MAP_DEVICES, &lo.index, &before, err);
	if (rc <= 0)
		return rc;
	return before.flags & NB_DEVICE_LO ? nb_loopback_accept(nl, false, err) : 0;
}
