// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Userspace ends connections, or brings some from another table, while CPUs have packets of them:
 * lib/maps/conn_table.c and nb_from_pod() at once.
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
	return world_send(1, &frame, WORLD_UDP_HEAD + 1);
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

static struct nb_pair brought; /* the connection as another table had it */

/* The connection is in another table, and not in this one yet. */
static void setup_brought(void)
{
	setup_connection();
	for (int i = 0; i < WORLD_PAIRS; i++)
		if (user_get(i, &brought))
			user_end(i);
}

/* And the process that brought it was killed at it: before it had entered the client's tuple, or after. */
static void setup_killed(bool client_entered)
{
	struct nb_conn *record = &world.pairs[0].dir[0].conn;

	setup_connection();
	record->life = nb_life_with_use(record->life, NB_USE_ADDING);
	for (int i = 0; i < WORLD_SETS * NB_CONN_WAYS && !client_entered; i++) {
		volatile __u64 *way = &world.sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS];

		if (*way && !(nb_way_entry_id(*way) & 1))
			*way = 0;
	}
}

static void setup_killed_early(void)
{
	setup_killed(false);
}

static void setup_killed_late(void)
{
	setup_killed(true);
}

static void bring(void)
{
	user_add(&brought);
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

static void table_is_whole(void)
{
	world_connections();
	il_check(verdict == TC_ACT_REDIRECT, "the packet is dropped");
}

static void one_connection(void)
{
	il_check(world_connections() == 1, "not one connection");
	il_check(verdict == TC_ACT_REDIRECT, "the packet is dropped");
}

static const struct il_scenario scenarios[] = {
	{
		.name = "userspace flushes an empty table, a CPU has the first packet",
		WORLD_COMMON(memory, setup),
		.actors = { flush, send },
		.actor_names = { "flush", "CPU" },
		.finally = table_is_whole,
		.models = WORLD_ALL_MODELS,
	},
	{
		.name = "userspace ends a connection, a CPU has a packet of it",
		WORLD_COMMON(memory, setup_connection),
		.actors = { flush, send },
		.actor_names = { "flush", "CPU" },
		.finally = table_is_whole,
		.models = WORLD_ALL_MODELS,
	},
	{
		.name = "userspace brings a connection, a CPU has a packet of it",
		WORLD_COMMON(memory, setup_brought),
		.actors = { bring, send },
		.actor_names = { "bring", "CPU" },
		.finally = one_connection,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO,
	},
	{
		.name = "a process was killed as it entered one tuple, a CPU has a packet, the next process "
			"clears",
		WORLD_COMMON(memory, setup_killed_early),
		.actors = { flush, send },
		.actor_names = { "clear", "CPU" },
		.finally = table_is_whole,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
	{
		.name = "a process was killed as it entered both tuples, a CPU has a packet, the next "
			"process clears",
		WORLD_COMMON(memory, setup_killed_late),
		.actors = { flush, send },
		.actor_names = { "clear", "CPU" },
		.finally = table_is_whole,
		.models = WORLD_ALL_MODELS,
		.reorders = 1,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
