// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two or three CPUs insert one tuple into the index at once, each for an entry of its own: by the
 * code of include/natbridge/conn_index.h, with userspace's access to the table.
 */
#include <stdio.h>
#include <string.h>

#include "lib/maps/conn_table_access.h"
#include "test/interleave/engine.h"

enum { CPUS = 3, PAIRS = 3, SETS = 2 };

static struct nb_pair pairs[PAIRS] __attribute__((aligned(64)));
static struct nb_conn_set sets[SETS] __attribute__((aligned(64)));
static __s64 got[CPUS];

static const struct nb_conn_table table = {
	.pairs = pairs,
	.sets = sets,
	.n_pairs = PAIRS,
	.n_sets = SETS,
	.seed = { 0x9e3779b97f4a7c15, 3, 5, 7, 11, 13, 17, 19, 23, 29 },
};

static const struct nb_tuple key = {
	.src.w = { 0, 0, 0xffff0000, 0x0200000a },
	.dst.w = { 0, 0, 0xffff0000, 0x0100600a },
	.sport = 1024,
	.dport = 0x5000,
	.proto = 17,
};

static void memory(void)
{
	il_shared(pairs, sizeof(pairs), "pairs");
	il_shared(sets, sizeof(sets), "sets");
	for (unsigned int i = 0; i < CPUS; i++)
		il_private(i, &got[i], sizeof(got[i]));
}

/* The entries have their key, and belong to the CPUs: entry 0 of pair 0 to the first and so on. */
static void setup(void)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		pairs[i].dir[0].key = key;
		pairs[i].dir[0].conn.life = nb_life_with_use(0, NB_USE_NEW);
	}
}

static void insert(void)
{
	got[il_self()] = nb_index_insert(&table, &pairs[il_self()].dir[0].key, 2 * il_self());
}

static unsigned int ways_of_key(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SETS * NB_CONN_WAYS; i++)
		n += sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	return n;
}

/* Of those that insert a tuple, one at most has it. */
static void one_at_most(void)
{
	unsigned int done = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		done += got[i] == NB_INDEX_DONE;
	il_check(done <= 1, "%u have inserted the tuple", done);
	il_check(ways_of_key() == done, "%u ways for %u entries", ways_of_key(), done);
}

/* One of them has it. */
static void one(void)
{
	one_at_most();
	il_check(ways_of_key() == 1, "nobody has inserted the tuple");
}

static void name_of(const void *at, char *name, size_t size)
{
	size_t off = (const char *)at - (const char *)sets;

	if (off < sizeof(sets) && off % sizeof(*sets) < sizeof(sets->ways))
		snprintf(name, size, "set %zu way %zu", off / sizeof(*sets), off % sizeof(*sets) / 8);
	else if (off < sizeof(sets))
		snprintf(name, size, "set %zu spilled", off / sizeof(*sets));
}

static const struct il_scenario scenarios[] = {
	{
		.name = "two insert a tuple, and one at most has it",
		.memory = memory,
		.setup = setup,
		.actors = { insert, insert },
		.finally = one_at_most,
		.name_of = name_of,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO,
	},
	{
		.name = "two insert a tuple, and both may withdraw",
		.memory = memory,
		.setup = setup,
		.actors = { insert, insert },
		.finally = one,
		.name_of = name_of,
		.violation = "nobody has inserted the tuple",
	},
	{
		.name = "three insert a tuple, and one at most has it",
		.memory = memory,
		.setup = setup,
		.actors = { insert, insert, insert },
		.finally = one_at_most,
		.name_of = name_of,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
