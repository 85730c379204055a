// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What makes a search short must not change what it finds. Small programs at random are searched in
 * four ways: as usual; as if no state were met twice; with stores that reach memory at any time; and
 * by the next weaker model, which must allow all that a stronger one allows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "test/interleave/engine.h"

enum { ACTORS = 3, OPS = 4, WORDS = 3, PROGRAMS = 2000, PROGRAMS_LONG = 100000 };

enum op_kind {
	LOAD,
	LOAD_ACQUIRE,
	LOAD_HALF,
	STORE,
	STORE_RELEASE,
	STORE_HALF,
	CAS,
	ADD,
	XCHG,
	FENCE,
	FENCE_ACQUIRE,
	FENCE_RELEASE,
	SKIP_IF_ODD, /* the next one, if what was read last is odd */
	OP_KINDS,
};

struct op {
	enum op_kind kind;
	unsigned int word, half;
	uint32_t value;
};

static struct op program[ACTORS][OPS];
static unsigned int n_ops[ACTORS];

static uint64_t words[WORDS] __attribute__((aligned(8)));
static uint64_t seen[ACTORS];

static uint64_t state;

static uint32_t random_below(uint32_t n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((state >> 33) % n);
}

/* Three actors with two operations each, or two with up to four. */
static void make_program(uint64_t seed)
{
	bool three;

	state = seed;
	three = random_below(3) == 0;
	for (unsigned int i = 0; i < ACTORS; i++) {
		n_ops[i] = three ? 2 : i < 2 ? 2 + random_below(OPS - 1) : 0;
		for (unsigned int k = 0; k < n_ops[i]; k++)
			program[i][k] = (struct op){ .kind = random_below(OP_KINDS),
						     .word = random_below(WORDS),
						     .half = random_below(2),
						     .value = 1 + random_below(2) };
	}
}

/* What an actor does with one operation; "last" is what it has read last. */
static uint64_t run_op(const struct op *op, uint64_t last)
{
	volatile uint64_t *word = &words[op->word];
	volatile uint32_t *half = (volatile uint32_t *)word + op->half;

	switch (op->kind) {
	case LOAD:
		return *word;
	case LOAD_ACQUIRE:
		return __atomic_load_n(word, __ATOMIC_ACQUIRE);
	case LOAD_HALF:
		return *half;
	case STORE:
		*word = op->value;
		break;
	case STORE_RELEASE:
		__atomic_store_n(word, op->value, __ATOMIC_RELEASE);
		break;
	case STORE_HALF:
		*half = op->value;
		break;
	case CAS:
		return __sync_val_compare_and_swap(word, op->value - 1, op->value);
	case ADD:
		return __sync_fetch_and_add(word, op->value);
	case XCHG:
		return __sync_lock_test_and_set(word, op->value);
	case FENCE:
		__sync_synchronize();
		break;
	case FENCE_ACQUIRE:
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		break;
	case FENCE_RELEASE:
		__atomic_thread_fence(__ATOMIC_RELEASE);
		break;
	default:
		break;
	}
	return last;
}

static void run_program(void)
{
	unsigned int self = il_self();
	uint64_t last = 0;

	for (unsigned int i = 0; i < n_ops[self]; i++) {
		if (program[self][i].kind == SKIP_IF_ODD) {
			i += last & 1;
			continue;
		}
		last = run_op(&program[self][i], last);
		seen[self] = seen[self] * 31 + last;
	}
}

static void memory(void)
{
	il_shared(words, sizeof(words), "words");
	for (unsigned int i = 0; i < ACTORS; i++)
		il_private(i, &seen[i], sizeof(seen[i]));
}

static const struct il_scenario scenario = {
	.name = "random programs",
	.memory = memory,
	.actors = { run_program, run_program, run_program },
};

static void print_program(void)
{
	static const char *const kinds[OP_KINDS] = {
		"load", "load-acquire", "load-half", "store",         "store-release", "store-half", "cas",
		"add",  "xchg",         "fence",     "fence-acquire", "fence-release", "skip-if-odd"
	};

	for (unsigned int i = 0; i < ACTORS; i++)
		for (unsigned int k = 0; k < n_ops[i]; k++)
			printf("# %c: %s word %u half %u value %u\n", 'A' + i, kinds[program[i][k].kind],
			       program[i][k].word, program[i][k].half, program[i][k].value);
}

/* Searches in one model. False: the ways to search differ. */
static bool check_model(enum il_model model, uint64_t *ends)
{
	struct il_limits limits = { .states = 5000000, .depth = 1000, .preemptions = -1, .reorders = -1 };
	struct il_result first, unmerged, eager;

	il_search(&scenario, model, &limits, &first);
	limits.unmerged = true;
	il_search(&scenario, model, &limits, &unmerged);
	limits.unmerged = false;
	limits.eager = true;
	il_search(&scenario, model, &limits, &eager);
	*ends = first.ends;
	if (!first.violated && !first.limited && unmerged.ends == first.ends && eager.ends == first.ends &&
	    unmerged.interleavings == first.interleavings)
		return true;
	printf("# model %d: %" PRIu64 " ends, unmerged %" PRIu64 ", eager %" PRIu64
	       "; %.0f interleavings, unmerged %.0f %s\n",
	       model, first.ends, unmerged.ends, eager.ends, first.interleavings, unmerged.interleavings,
	       first.violated ? first.violation : "");
	return false;
}

static bool check_program(uint64_t seed)
{
	uint64_t stronger = 0, ends;

	make_program(seed);
	for (enum il_model model = 0; model < IL_MODELS; model++) {
		if (!check_model(model, &ends))
			return false;
		if (ends < stronger) {
			printf("# model %d: %" PRIu64 " ends, but %" PRIu64 " in the one before\n", model,
			       ends, stronger);
			return false;
		}
		stronger = ends;
	}
	return true;
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 && !strcmp(argv[1], "--long") ? PROGRAMS_LONG : PROGRAMS;

	printf("1..1\n");
	for (unsigned int seed = 1; seed <= n; seed++) {
		if (check_program(seed))
			continue;
		printf("not ok 1 - program %u\n", seed);
		print_program();
		return 1;
	}
	printf("ok 1 - %u random programs, each searched in four ways\n", n);
	return 0;
}
