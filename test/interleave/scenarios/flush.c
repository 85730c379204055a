// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Userspace ends connections while CPUs have packets of them: lib/maps/conn_table.c and
 * nb_from_pod() at once.
 */
#include "test/interleave/code/user.h"
#include "world.h"

static int verdict;

static void memory(void)
{
	world_memory();
	user_memory(0);
	il_private(1, &verdict, sizeof(verdict));
}

static int send_datagram(void)
{
	struct nb_addr client = world_pod(1), vip = world_vip();
	struct world_frame frame;

	world_udp(&frame, &client, 5000, &vip, 53);
	return world_send(1, &frame, offsetof(struct world_frame, udp) + sizeof(frame.udp) + 1);
}

static void setup(void)
{
	struct user_table table = {
		.pairs = world.pairs, .sets = world.sets, .n_pairs = WORLD_PAIRS, .n_sets = WORLD_SETS
	};

	world_setup();
	memcpy(table.seed, (const void *)nb_settings.index_seed, sizeof(table.seed));
	user_setup(&table);
}

/* And a connection that the client has already. */
static void setup_connection(void)
{
	setup();
	hosted_cpu = 1;
	send_datagram();
}

static void flush(void)
{
	for (__u32 i = 0; i < WORLD_PAIRS; i++)
		user_end(i);
}

static void send(void)
{
	verdict = send_datagram();
}

/* Each pair is free, or holds a connection of which the index has both entries. */
static void table_is_whole(void)
{
	unsigned int taken = 0, ways = 0;

	for (int i = 0; i < WORLD_PAIRS; i++) {
		il_check(nb_life_use(world.pairs[i].dir[0].conn.life) == NB_USE_FREE ||
				 nb_life_use(world.pairs[i].dir[0].conn.life) == NB_USE_TAKEN,
			 "pair %d is left in the middle", i);
		taken += nb_life_use(world.pairs[i].dir[0].conn.life) == NB_USE_TAKEN;
	}
	for (int i = 0; i < WORLD_SETS * NB_CONN_WAYS; i++)
		ways += world.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	il_check(ways == 2 * taken, "%u ways for %u connections", ways, taken);
	il_check(verdict == TC_ACT_REDIRECT, "the packet is dropped");
}

static const struct il_scenario scenarios[] = {
	{
		.name = "userspace flushes an empty table, a CPU has the first packet",
		.memory = memory,
		.setup = setup,
		.switched = world_switched,
		.name_of = world_name,
		.leads = world_leads,
		.actors = { flush, send },
		.actor_names = { "flush", "CPU" },
		.finally = table_is_whole,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM,
	},
	{
		.name = "userspace ends a connection, a CPU has a packet of it",
		.memory = memory,
		.setup = setup_connection,
		.switched = world_switched,
		.name_of = world_name,
		.leads = world_leads,
		.actors = { flush, send },
		.actor_names = { "flush", "CPU" },
		.finally = table_is_whole,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
