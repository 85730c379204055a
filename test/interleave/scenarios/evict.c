// SPDX-License-Identifier: GPL-2.0-or-later
/* The table has one pair. Two CPUs have first packets of two connections. */
#include "world.h"

static void setup(void)
{
	world_setup();
	nb_settings.max = 1;
}

static void send_first(void)
{
	struct nb_addr client = world_pod(1), vip = world_vip();
	struct world_frame frame;

	world_udp(&frame, &client, 5000 + il_self(), &vip, 53);
	world_send(1, &frame, WORLD_UDP_HEAD + 1);
}

/* One connection at most, whose halves belong together. */
static void table_is_whole(void)
{
	const struct nb_pair *pair = &world.pairs[0];

	world_connections();
	il_check(pair->dir[0].conn.sport == pair->dir[1].key.dport &&
			 pair->dir[1].conn.dport == pair->dir[0].key.sport,
		 "the halves of the pair are of two connections");
}

static const struct il_scenario scenarios[] = {
	{
		.name = "two connections, one pair",
		WORLD_COMMON(world_memory, setup),
		.actors = { send_first, send_first },
		.finally = table_is_whole,
		.models = WORLD_ALL_MODELS,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
