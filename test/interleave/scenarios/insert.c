// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two or three CPUs enter one tuple at once, each for a pair of its own, which it has filled: by the
 * code of include/natbridge/, with userspace's access to the table.
 */
#include <stdio.h>
#include <string.h>

#include <natbridge/conn_pair.h>

#include "lib/maps/conn_table_access.h"
#include "test/interleave/engine.h"

enum { CPUS = 3, PAIRS = 3, SETS = 2 };

static struct nb_pair pairs[PAIRS] __attribute__((aligned(64)));
static struct nb_conn_set sets[SETS] __attribute__((aligned(64)));
static bool begun[CPUS];

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
		il_private(i, &begun[i], sizeof(begun[i]));
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
	unsigned int self = il_self();
	struct nb_pair *pair = &pairs[self];
	__s64 owner = nb_index_insert(&table, &pair->dir[0].key, 2 * self);

	begun[self] = owner == NB_INDEX_DONE && nb_pair_begin(pair);
	if (begun[self])
		return;
	if (owner == NB_INDEX_DONE)
		nb_index_remove(&table, nb_conn_hash(&table, &key), 2 * self);
	nb_pair_empty(pair, NB_USE_BUSY);
	nb_pair_free(pair);
}

static unsigned int ways_of_key(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SETS * NB_CONN_WAYS; i++)
		n += sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	return n;
}

/* One of them has a connection with it, and the others have left nothing. actors: as many entered it. */
static void one_of(unsigned int actors)
{
	unsigned int taken = 0;

	for (unsigned int i = 0; i < actors; i++) {
		__u32 use = nb_life_use(pairs[i].dir[0].conn.life);

		il_check(use == (begun[i] ? NB_USE_TAKEN : NB_USE_FREE), "pair %u stays in use %u", i, use);
		taken += use == NB_USE_TAKEN;
	}
	il_check(taken == 1, "%u connections of one tuple", taken);
	il_check(ways_of_key() == 1, "%u ways for one connection", ways_of_key());
}

static void one_of_two(void)
{
	one_of(2);
}

static void one_of_three(void)
{
	one_of(3);
}

static void name_of(const void *at, char *name, size_t size)
{
	size_t off = (const char *)at - (const char *)sets;

	if (off < sizeof(sets) && off % sizeof(*sets) < sizeof(sets->ways))
		snprintf(name, size, "set %zu way %zu", off / sizeof(*sets), off % sizeof(*sets) / 8);
	else if (off < sizeof(sets))
		snprintf(name, size, "set %zu spilled", off / sizeof(*sets));
}

/* A way has the number of the entry that is read next. */
static bool leads(const void *at)
{
	return (uintptr_t)at - (uintptr_t)sets < sizeof(sets);
}

static const struct il_scenario scenarios[] = {
	{
		.name = "two insert a tuple, and one has it",
		.memory = memory,
		.setup = setup,
		.actors = { insert, insert },
		.finally = one_of_two,
		.name_of = name_of,
		.leads = leads,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO | 1 << IL_ARM,
	},
	{
		.name = "three insert a tuple, and one has it",
		.memory = memory,
		.setup = setup,
		.actors = { insert, insert, insert },
		.finally = one_of_three,
		.name_of = name_of,
		.models = 1 << IL_SC | 1 << IL_TSO | 1 << IL_PSO,
	},
	{
		.name = "three insert a tuple, and one has it, loads are early",
		.memory = memory,
		.setup = setup,
		.actors = { insert, insert, insert },
		.finally = one_of_three,
		.name_of = name_of,
		.leads = leads,
		.models = 1 << IL_ARM,
		.is_long = true,
	},
};

int main(int argc, char **argv)
{
	return il_main(argc, argv, scenarios, sizeof(scenarios) / sizeof(scenarios[0]));
}
