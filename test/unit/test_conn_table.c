// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of connections and its index (include/natbridge/conn_index.h), in plain memory. */
#include "lib/maps/conn_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* after those */
#include <cmocka.h>

#define SEEDS 200

static void table_make(struct nb_conn_table *table, __u32 pairs, __u32 sets)
{
	struct nb_settings settings;

	*table = (struct nb_conn_table){ .n_pairs = pairs, .n_sets = sets };
	table->pairs = calloc(pairs, sizeof(*table->pairs));
	table->sets = calloc(sets, sizeof(*table->sets));
	assert_non_null(table->pairs);
	assert_non_null(table->sets);
	assert_int_equal(nb_conn_table_seed(&settings), 0);
	memcpy(table->seed, settings.index_seed, sizeof(table->seed));
}

static void table_free(struct nb_conn_table *table)
{
	free(table->pairs);
	free(table->sets);
}

static struct nb_tuple tuple(__u32 src, __u32 dst, __u16 sport, __u16 dport)
{
	return (struct nb_tuple){ .src.w = { 0, 0, htonl(0xffff), htonl(src) },
				  .dst.w = { 0, 0, htonl(0xffff), htonl(dst) },
				  .sport = htons(sport),
				  .dport = htons(dport),
				  .proto = 6 };
}

/* Client number i of a Service: ports in a row, then addresses in a row. */
static struct nb_pair connection(__u32 i)
{
	__u32 client = 0x0a000002 + i / 60000;
	__u16 port = 1024 + i % 60000;

	return (struct nb_pair){ .dir = { { .key = tuple(client, 0x0a600001, port, 80) },
					  { .key = tuple(0x0a000001, client, 8080, port),
					    .conn.flags = NB_CONN_REPLY } } };
}

static void add(struct nb_conn_table *table, __u32 i)
{
	struct nb_pair pair = connection(i);

	assert_int_equal(nb_conn_table_add(table, &pair), 0);
}

/* Each of the connections up to n, other than those of which gone(i), is found by both tuples. */
static void expect(const struct nb_conn_table *table, __u32 n, bool (*gone)(__u32 i))
{
	for (__u32 i = 0; i < n; i++) {
		struct nb_pair pair = connection(i);

		for (int dir = 0; dir < 2; dir++) {
			__u32 slot = 0;
			struct nb_entry *entry = nb_conn_table_find(table, &pair.dir[dir].key, &slot);

			assert_int_equal(entry != NULL, !gone(i));
			if (!entry)
				continue;
			assert_memory_equal(&entry->key, &pair.dir[dir].key, sizeof(entry->key));
			assert_int_equal(slot % 2, dir);
		}
	}
}

static void end(const struct nb_conn_table *table, __u32 i)
{
	struct nb_pair pair = connection(i);
	__u32 slot;

	assert_non_null(nb_conn_table_find(table, &pair.dir[0].key, &slot));
	assert_true(nb_conn_table_end(table, slot / 2));
	assert_false(nb_conn_table_end(table, slot / 2));
}

static __u64 spilled(const struct nb_conn_table *table)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < table->n_sets; i++)
		sum += table->sets[i].spilled;
	return sum;
}

static unsigned int ways(const struct nb_conn_table *table)
{
	unsigned int taken = 0;

	for (__u32 i = 0; i < table->n_sets * NB_CONN_WAYS; i++)
		taken += table->sets[i / NB_CONN_WAYS].ways[i % NB_CONN_WAYS] != 0;
	return taken;
}

/* Tuples that only differ by numbers in a row are spread as if by chance, whatever the seed: a full table
 * holds all, and one of a thousand is not in its own set. */
static void test_spread(void **state)
{
	enum { N = 1024 };
	__u64 far = 0;

	(void)state;
	for (int i = 0; i < SEEDS; i++) {
		struct nb_conn_table table;

		table_make(&table, N, N);
		for (__u32 k = 0; k < N; k++)
			add(&table, k);
		far += spilled(&table);
		table_free(&table);
	}
	/* Poisson of 2: a set gets 1.2 in 1000 more than 7, on average 1.3 of them. */
	assert_in_range(far, SEEDS * N / 2000, SEEDS * N / 250);
}

static bool missing[64];

static bool is_missing(__u32 i)
{
	return missing[i];
}

/* Connections up to n; those that find no place leave nothing behind. Returns how many did. */
static unsigned int add_most(struct nb_conn_table *table, __u32 n)
{
	unsigned int added = 0;

	for (__u32 i = 0; i < n; i++) {
		struct nb_pair pair = connection(i);
		__u64 before = spilled(table);
		int rc = missing[i] ? nb_conn_table_add(table, &pair) : -EEXIST;

		if (rc == -ENOSPC)
			assert_int_equal(spilled(table), before);
		else if (rc == -EEXIST)
			assert_int_equal(nb_conn_table_add(table, &pair), -EEXIST);
		else
			missing[i] = false;
		added += !missing[i];
		assert_int_equal(ways(table), 2 * added);
	}
	return added;
}

/* Too few sets: tuples stand in others, are found there, and leave nothing behind. */
static void test_spilled(void **state)
{
	enum { SETS = 4, N = SETS * NB_CONN_WAYS };
	unsigned int added = 0;

	(void)state;
	for (int i = 0; i < SEEDS; i++) {
		struct nb_conn_table table;

		table_make(&table, 2 * N, SETS);
		memset(missing, true, sizeof(missing));
		added += add_most(&table, N);
		expect(&table, N, is_missing);
		for (__u32 k = 0; k < N; k += 2)
			if (!missing[k]) {
				end(&table, k);
				missing[k] = true;
			}
		expect(&table, N, is_missing);
		for (__u32 k = 0; k < N; k++)
			if (!missing[k])
				end(&table, k);
		memset(missing, true, sizeof(missing));
		expect(&table, N, is_missing);
		assert_int_equal(ways(&table), 0);
		assert_int_equal(spilled(&table), 0);
		table_free(&table);
	}
	/* Two tuples each, into 28 ways: most places were found. */
	assert_in_range(added, SEEDS * 10, SEEDS * N / 2);
}

/* One of two tuples is another connection's: neither stays. */
static void test_taken(void **state)
{
	struct nb_pair other = connection(1), clash = connection(2);
	struct nb_conn_table table;

	(void)state;
	table_make(&table, 16, 16);
	assert_int_equal(nb_conn_table_add(&table, &other), 0);
	clash.dir[1].key = other.dir[1].key;
	assert_int_equal(nb_conn_table_add(&table, &clash), -EEXIST);
	assert_null(nb_conn_table_find(&table, &clash.dir[0].key, NULL));
	clash = connection(2);
	clash.dir[0].key = other.dir[0].key;
	assert_int_equal(nb_conn_table_add(&table, &clash), -EEXIST);
	assert_null(nb_conn_table_find(&table, &clash.dir[1].key, NULL));
	assert_int_equal(ways(&table), 2);
	assert_int_equal(nb_conn_table_add(&table, &(struct nb_pair){ .dir = { connection(2).dir[0],
									       connection(2).dir[1] } }),
			 0);
	table_free(&table);
}

/* A process was killed while it ended a connection: its tuples are free at once, its pair is so after the
 * next process has ended it. */
static void test_killed(void **state)
{
	struct nb_pair pair = connection(1);
	struct nb_conn_table table;
	__u32 ended, other;
	__u64 *life;

	(void)state;
	table_make(&table, 16, 16);
	add(&table, 0);
	add(&table, 1);
	assert_non_null(nb_conn_table_find(&table, &pair.dir[0].key, &ended));
	life = &table.pairs[ended / 2].dir[0].conn.life;
	*life = nb_life_with_use(*life, NB_USE_ENDING);
	assert_null(nb_conn_table_find(&table, &pair.dir[0].key, NULL));
	assert_null(nb_conn_table_find(&table, &pair.dir[1].key, NULL));
	assert_int_equal(nb_conn_table_add(&table, &pair), 0);
	assert_non_null(nb_conn_table_find(&table, &pair.dir[1].key, &other));
	assert_int_not_equal(other / 2, ended / 2);
	assert_true(nb_conn_table_end(&table, ended / 2));
	assert_false(nb_conn_table_end(&table, ended / 2));
	assert_int_equal(ways(&table), 4);
	assert_non_null(nb_conn_table_find(&table, &pair.dir[0].key, NULL));
	table_free(&table);
}

/* A process was killed while it added a connection, at any step: nothing of it is in the way of the next. */
static void test_killed_adding(void **state)
{
	static const enum nb_use uses[] = { NB_USE_ENDING, NB_USE_ADDING };
	struct nb_pair pair = connection(1);

	(void)state;
	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		struct nb_conn_table table;
		__u32 killed;
		__u64 *life;

		table_make(&table, 16, 16);
		add(&table, 1);
		assert_non_null(nb_conn_table_find(&table, &pair.dir[0].key, &killed));
		life = &table.pairs[killed / 2].dir[0].conn.life;
		*life = nb_life_with_use(*life, uses[i]);
		assert_int_equal(nb_conn_table_add(&table, &pair), uses[i] == NB_USE_ENDING ? 0 : -EEXIST);
		assert_true(nb_conn_table_end(&table, killed / 2));
		if (uses[i] == NB_USE_ADDING)
			assert_int_equal(nb_conn_table_add(&table, &pair), 0);
		assert_int_equal(ways(&table), 2);
		table_free(&table);
	}
}

struct racer {
	struct nb_conn_table table; /* a copy, with a cursor of its own, of what they share */
	unsigned int rounds, added;
	pthread_t thread;
};

static pthread_mutex_t ending = PTHREAD_MUTEX_INITIALIZER;

/* Makes and ends the same few connections as all others do. */
static void *race(void *arg)
{
	struct racer *racer = arg;

	for (unsigned int i = 0; i < racer->rounds; i++) {
		struct nb_pair pair = connection(i % 5), found;
		__u32 slot;

		racer->added += !nb_conn_table_add(&racer->table, &pair);
		pthread_mutex_lock(&ending); /* one process at a time does */
		if (nb_conn_table_find(&racer->table, &pair.dir[i / 5 % 2].key, &slot) &&
		    nb_conn_table_get(&racer->table, slot / 2, &found))
			nb_conn_table_end(&racer->table, slot / 2);
		pthread_mutex_unlock(&ending);
	}
	return NULL;
}

/* No tuple is ever in the index twice, nor left there. */
static void test_race(void **state)
{
	enum { RACERS = 3 };
	struct racer racers[RACERS];
	struct nb_conn_table table;

	(void)state;
	/* Few sets, so that they also meet in those behind. */
	table_make(&table, 64, 2);
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .table = table, .rounds = 300000 };
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_int_not_equal(racers[i].added, 0);
	}
	for (__u32 place = 0; place < table.n_pairs; place++) {
		__u32 use = nb_life_use(table.pairs[place].dir[0].conn.life);
		struct nb_pair pair;

		assert_true(use == NB_USE_FREE || use == NB_USE_TAKEN);
		if (nb_conn_table_get(&table, place, &pair))
			for (__u32 dir = 0; dir < 2; dir++)
				assert_ptr_equal(nb_conn_table_find(&table, &pair.dir[dir].key, NULL),
						 &table.pairs[place].dir[dir]);
	}
	for (__u32 place = 0; place < table.n_pairs; place++)
		nb_conn_table_end(&table, place);
	assert_int_equal(ways(&table), 0);
	assert_int_equal(spilled(&table), 0);
	table_free(&table);
}

enum { MEETINGS = 100000 };

struct meeting {
	struct nb_conn_table table;
	unsigned int *arrived; /* by both, over all rounds */
	unsigned int alone, nobody, both;
	bool first;
};

static void meet(unsigned int *arrived, unsigned int round)
{
	__atomic_fetch_add(arrived, 1, __ATOMIC_SEQ_CST);
	for (unsigned int i = 1; __atomic_load_n(arrived, __ATOMIC_SEQ_CST) < 2 * round; i++)
		if (!(i % 4096)) /* there may be one CPU only */
			sched_yield();
}

/* Both enter the same connection at the same time; the first one then looks what is there, and ends it. */
static void *enter_together(void *arg)
{
	struct meeting *meeting = arg;
	struct nb_pair pair = connection(1);

	for (unsigned int round = 0; round < MEETINGS; round++) {
		unsigned int found;
		__u32 slot;

		meet(meeting->arrived, 3 * round + 1);
		nb_conn_table_add(&meeting->table, &pair);
		meet(meeting->arrived, 3 * round + 2);
		if (meeting->first) {
			found = ways(&meeting->table);
			meeting->alone += found == 2;
			meeting->nobody += found == 0;
			meeting->both += found != 0 && found != 2;
			if (nb_conn_table_find(&meeting->table, &pair.dir[0].key, &slot))
				nb_conn_table_end(&meeting->table, slot / 2);
		}
		meet(meeting->arrived, 3 * round + 3);
	}
	return NULL;
}

/* Of two CPUs that enter one tuple at once one at most has it then. */
static void test_together(void **state)
{
	struct meeting meetings[2] = { 0 };
	unsigned int arrived = 0;
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		if (!i)
			table_make(&meetings[0].table, 8, 4);
		meetings[i].table = meetings[0].table;
		meetings[i].arrived = &arrived;
		meetings[i].first = !i;
		assert_int_equal(pthread_create(&threads[i], NULL, enter_together, &meetings[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	print_message("# one has it: %u, none: %u\n", meetings[0].alone, meetings[0].nobody);
	assert_int_equal(meetings[0].both, 0);
	assert_in_range(meetings[0].alone, MEETINGS / 2, MEETINGS);
	table_free(&meetings[0].table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),        cmocka_unit_test(test_spilled),
		cmocka_unit_test(test_taken),         cmocka_unit_test(test_killed),
		cmocka_unit_test(test_killed_adding), cmocka_unit_test(test_race),
		cmocka_unit_test(test_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
