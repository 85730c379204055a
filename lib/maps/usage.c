// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts of elements, with the two maps that pack several connections into one. */
#include "usage.h"

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "conn_table.h"
#include "layout.h"
#include "map.h"

const enum nb_map nb_usage_maps[NB_USAGE_MAPS] = { NB_MAP_CONNECTIONS, NB_MAP_FRONTENDS, NB_MAP_BACKENDS,
						   NB_MAP_SERVICES,    NB_MAP_ENDPOINTS, NB_MAP_LINKS,
						   NB_MAP_FLOWS };

int nb_map_capacity(const struct nb_datapath *dp, enum nb_map map, __u32 *capacity, struct nb_error *err)
{
	struct nb_map_sizes sizes;
	int rc = nb_map_sizes(dp, map, &sizes, err);

	if (rc)
		return rc;
	*capacity = map == NB_MAP_FLOWS ? sizes.max * NB_FLOW_WAYS : sizes.max;
	return 0;
}

static int count_elements(const void *keys, const void *values, __u32 n, void *arg)
{
	(void)keys;
	(void)values;
	*(__u32 *)arg += n;
	return 0;
}

static int count_flows(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_flow_set *sets = values;

	(void)keys;
	for (__u32 i = 0; i < n * NB_FLOW_WAYS; i++)
		*(__u32 *)arg += sets[i / NB_FLOW_WAYS].heads[i % NB_FLOW_WAYS].tag > NB_FLOW_LOCKED;
	return 0;
}

/* One element is no Service; its key is an empty name. */
static int count_services(const void *keys, const void *values, __u32 n, void *arg)
{
	const struct nb_service_key *names = keys;

	(void)values;
	for (__u32 i = 0; i < n; i++)
		*(__u32 *)arg += names[i].name[0] != '\0';
	return 0;
}

int nb_map_count(const struct nb_datapath *dp, enum nb_map map, __u32 *count, struct nb_error *err)
{
	__u32 counted = 0;
	int rc;

	if (map == NB_MAP_CONNECTIONS)
		return nb_conn_table_count(dp, count, err);
	rc = nb_map_walk(dp, map,
			 map == NB_MAP_FLOWS      ? count_flows
			 : map == NB_MAP_SERVICES ? count_services
						  : count_elements,
			 &counted, err);
	if (rc)
		return rc;
	*count = counted;
	return 0;
}
