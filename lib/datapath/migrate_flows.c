// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A CPU that writes a flow changes its state before and after the key (bpf/assist/flow.h), so a flow with the
 * same state in two reads had one key all the time between them. Up to layout 8 a flow has no gen: there the
 * tag says that a CPU writes it.
 */
#include "migrate_flows.h"

#include <stdbool.h>
#include <string.h>

#include <natbridge/abi.h>

enum { TAG_BUSY = 1 }; /* up to layout 8 */

static bool is_whole(const struct nb_flow_set *set, const struct nb_flow_set *again, int way)
{
	const struct nb_flow *flow = &set->flows[way];

	return set->heads[way].tag > TAG_BUSY && !(flow->gen & 1) &&
	       !memcmp(flow, &again->flows[way], sizeof(*flow));
}

void nb_migrate_flow_set(struct nb_flow_set *set, const struct nb_flow_set *again)
{
	set->heads[0].tag &= ~NB_FLOW_LOCKED;
	for (int way = 0; way < NB_FLOW_WAYS; way++)
		if (!is_whole(set, again, way))
			set->heads[way].tag = 0;
}
