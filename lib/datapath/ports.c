// SPDX-License-Identifier: GPL-2.0-or-later
/* Walks the ports, or the links of another layout. */
#include "ports.h"

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>

#include <natbridge/abi.h>

#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "attach.h"

int nb_ports_attach(const struct nb_datapath *dp, enum nb_mode mode, struct nb_ports *ports,
		    struct nb_error *err)
{
	nb_autofree struct nb_port *list = NULL;
	unsigned int n;
	int first = nb_endpoint_ports(dp, &list, &n, err);

	*ports = (struct nb_ports){ 0 };
	if (first)
		return first;
	for (unsigned int i = 0; i < n; i++) {
		struct nb_error why = { 0 };
		int rc = mode == NB_MODE_OFF ? nb_datapath_detach(list[i].ifindex, &why)
					     : nb_datapath_attach(dp, mode, list[i].ifindex, &why);

		ports->attached += !rc;
		ports->gone += rc == -ENODEV;
		if (!rc || rc == -ENODEV || first)
			continue;
		first = rc;
		if (err)
			*err = why;
	}
	return first;
}

int nb_ports_attach_here(const struct nb_datapath *dp, const char *network, enum nb_mode mode,
			 struct nb_ports *ports, struct nb_error *err)
{
	int rc = nb_ports_attach(dp, mode, ports, err);

	if (rc)
		return rc;
	if (ports->gone && !ports->attached)
		return nb_fail(err, NB_ERR_DATAPATH, 0,
			       "none of the %u ports of network \"%s\" is in this network namespace: run "
			       "this in the node's",
			       ports->gone, network);
	return 0;
}

/* ---- links of another layout ---- */

struct link_search {
	const struct nb_datapath *dp;
	bool found; /* a link that *dp does not have */
	struct nb_error *err;
};

static int look_for_unknown(const void *keys, const void *values, __u32 n, void *arg)
{
	const __u32 *ifindex = keys;
	struct link_search *search = arg;
	char name[IF_NAMESIZE];
	__u32 slot;

	(void)values;
	for (__u32 i = 0; i < n && !search->found; i++) {
		int known = nb_map_get(search->dp, NB_MAP_LINKS, &ifindex[i], &slot, search->err);

		if (known < 0)
			return known;
		/* A link that does not exist is that of a pod deleted since the migration. */
		search->found = !known && if_indextoname(ifindex[i], name);
	}
	return 0;
}

/* Sets search->found if the other layout has a link that *dp does not have. */
static int find_unknown_link(struct link_search *search, const struct nb_datapath *old)
{
	struct nb_map_sizes sizes;
	int rc;

	if (old->map_fd[NB_MAP_LINKS] < 0)
		return 0;
	rc = nb_map_sizes(old, NB_MAP_LINKS, &sizes, search->err);
	if (rc || sizes.key != sizeof(__u32))
		return rc;
	return nb_map_walk(old, NB_MAP_LINKS, look_for_unknown, search, search->err);
}

int nb_links_check_known(const struct nb_datapath *dp, const struct nb_datapath *old, unsigned int old_layout,
			 struct nb_error *err)
{
	struct link_search search = { .dp = dp, .err = err };
	int rc = find_unknown_link(&search, old);

	if (rc || !search.found)
		return rc;
	return nb_fail(err, NB_ERR_DATAPATH, EAGAIN,
		       "a natbridge with map layout %u has added a pod meanwhile; the next ADD completes the "
		       "migration",
		       old_layout);
}
