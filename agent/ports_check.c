// SPDX-License-Identifier: GPL-2.0-or-later
/* Looks at each port that the network's maps name. */
#include "ports_check.h"

#include <net/if.h>
#include <stdio.h>

#include "lib/datapath/attach.h"
#include "lib/datapath/datapath.h"
#include "lib/maps/layout.h"
#include "lib/maps/map.h"
#include "lib/maps/settings.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

struct look {
	const struct nb_table *table;
	const struct nb_datapath *dp;
	enum nb_mode mode; /* that the ports have: after a change, the older one until the next ADD */
	size_t ports, detached;
	char *what;
};

static int look_at_ports(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_port *ports = values;
	struct look *look = arg;
	char name[IF_NAMESIZE];

	(void)keys;
	for (__u32 i = 0; i < n; i++) {
		if (!ports[i].ifindex || !if_indextoname(ports[i].ifindex, name))
			continue;
		look->ports++;
		if (!nb_datapath_attached(look->dp, look->mode, ports[i].ifindex, NULL))
			continue;
		if (!look->detached++)
			snprintf(look->what, NB_DETACHED_MAX, "port %s of network %.100s", name,
				 look->table->name);
	}
	return 0;
}

void nb_ports_check(const struct nb_table *table, size_t *ports, size_t *detached, char what[NB_DETACHED_MAX])
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;
	struct nb_settings settings;
	struct look look = { .table = table, .dp = &dp, .what = what };

	if (!nb_datapath_open(&table->root, table->name, false, &dp, NULL) &&
	    !nb_datapath_mode(&dp, &look.mode, NULL))
		nb_map_walk(&dp, NB_MAP_PORTS, look_at_ports, &look, NULL);
	if (look.detached && !nb_settings_read(&dp, &settings, NULL) && settings.flags & NB_SETTINGS_BEHIND)
		snprintf(what, NB_DETACHED_MAX,
			 "ports of network %.100s have programs of another version: run natbridgectl upgrade",
			 table->name);
	*ports = look.ports;
	*detached = look.detached;
}
