/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_INTERLEAVE_SMALL_H
#define NATBRIDGE_TEST_INTERLEAVE_SMALL_H

/* What the scenarios of the engine's own tests have in common: a few shared words, and notes of each actor.
 */

#include <string.h>

#include "test/interleave/engine.h"

#define READ(word)         (*(const volatile typeof(word) *)&(word))
#define WRITE(word, value) (*(volatile typeof(word) *)&(word) = (value))

enum {
	SC = 1 << IL_SC,
	TSO = 1 << IL_TSO,
	PSO = 1 << IL_PSO,
	ARM = 1 << IL_ARM,
	ALL = (1 << IL_MODELS) - 1,
};

struct two_words {
	uint64_t a, b;
};

static struct {
	uint32_t x, y, turn, lock;
	uint64_t data, flag;
	uint32_t seq, pad;
	struct two_words pair;
	uint64_t words[16];
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
} shared __attribute__((aligned(64)));

/* What an actor has seen. */
static struct {
	uint64_t a, b;
} seen[IL_ACTORS];

static uint64_t ghost;

static void nothing(void)
{
}

static void memory(void)
{
	il_shared(&shared, sizeof(shared), "shared");
	for (unsigned int i = 0; i < IL_ACTORS; i++)
		il_private(i, &seen[i], sizeof(seen[i]));
	il_ghost(&ghost, sizeof(ghost));
}

#define TWO(what)   .actors = { what, what }
#define THREE(what) .actors = { what, what, what }

/* Names the memory of all scenarios. */
static inline int small_main(int argc, char **argv, const struct il_scenario *scenarios, size_t n)
{
	static struct il_scenario filled[64];

	if (n > sizeof(filled) / sizeof(filled[0]))
		return 2;
	for (size_t i = 0; i < n; i++) {
		filled[i] = scenarios[i];
		filled[i].memory = memory;
	}
	return il_main(argc, argv, filled, n);
}

#endif
