// SPDX-License-Identifier: GPL-2.0-or-later
/* How many elements maps hold and have room for, as an operator counts them. */
#include "usage.h"

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "conn_table.h"
#include "layout.h"
#include "map.h"

int nb_map_capacity(const struct nb_datapath *dp, enum nb_map map, __u32 *room, struct nb_error *err)
{
	struct nb_map_sizes sizes = { 0 };
	int rc = nb_map_sizes(dp, map, &sizes, err);

	if (!rc)
		*room = map == NB_MAP_FLOWS ? sizes.max * NB_FLOW_WAYS : sizes.max;
	return rc;
}

static int count_chunk(const void *keys, const void *values, __u32 n, void *arg)
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
		*(__u32 *)arg += !!sets[i / NB_FLOW_WAYS].heads[i % NB_FLOW_WAYS].tag;
	return 0;
}

int nb_map_count(const struct nb_datapath *dp, enum nb_map map, __u32 *count, struct nb_error *err)
{
	__u32 counted = 0;
	int rc;

	if (map == NB_MAP_CONNECTIONS)
		return nb_conn_table_count(dp, count, err);
	rc = nb_map_walk(dp, map, map == NB_MAP_FLOWS ? count_flows : count_chunk, &counted, err);
	if (!rc)
		*count = counted;
	return rc;
}
