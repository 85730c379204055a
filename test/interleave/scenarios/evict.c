// SPDX-License-Identifier: GPL-2.0-or-later
/* Two CPUs have first packets of two connections, and the table has one pair. */
#include "world.h"

static int verdicts[2];

static void memory(void)
{
	world_memory();
	for (unsigned int i = 0; i < 2; i++)
		il_private(i, &verdicts[i], sizeof(verdicts[i]));
}

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
	verdicts[il_self()] =
		world_send(1, &frame, offsetof(struct world_frame, udp) + sizeof(frame.udp) + 1);
}

/* One connection at most, of which the index has both entries. */
static void table_is_whole(void)
{
	const struct nb_pair *pair = &world.pairs[0];
	unsigned int ways = 0;

	for (int i = 0; i < WORLD_SETS * NB_CONN_WAYS; i++)
		ways += world.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	il_check(nb_life_use(pair->dir[0].conn.life) != NB_USE_BUSY, "the pair stays busy");
	il_check(ways == (nb_life_use(pair->dir[0].conn.life) == NB_USE_TAKEN ? 2 : 0),
		 "%u ways, and the pair's use is %u", ways, nb_life_use(pair->dir[0].conn.life));
	il_check(pair->dir[0].conn.sport == pair->dir[1].key.dport &&
			 pair->dir[1].conn.dport == pair->dir[0].key.sport,
		 "the halves of the pair are of two connections");
}

static const struct il_scenario scenarios[] = {
	{
		.name = "two connections, one pair",
		.memory = memory,
		.setup = setup,
		.switched = world_switched,
		.name_of = world_name,
		.leads = world_leads,
		.actors = { send_first, send_first },
		.finally = table_is_whole,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
