// SPDX-License-Identifier: GPL-2.0-or-later
/* The set of visited states, by their hashes: open addressing, linear probing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { FIRST_SIZE = 1 << 12 };

struct state {
	struct il_hash key; /* all zero: free */
	double paths;
};

static struct state *states;
static uint64_t size, count;

static void allocate(uint64_t n)
{
	states = calloc(n, sizeof(*states));
	if (!states) {
		fprintf(stderr, "interleave: out of memory\n");
		exit(2);
	}
	size = n;
}

void il_states_clear(void)
{
	free(states);
	allocate(FIRST_SIZE);
	count = 0;
}

/* The state with this key, or the free element where it belongs. */
static struct state *find(struct il_hash key)
{
	uint64_t i = key.a & (size - 1);

	while ((states[i].key.a || states[i].key.b) && (states[i].key.a != key.a || states[i].key.b != key.b))
		i = (i + 1) & (size - 1);
	return &states[i];
}

static void grow(void)
{
	struct state *old = states;
	uint64_t n = size;

	allocate(2 * size);
	for (uint64_t i = 0; i < n; i++)
		if (old[i].key.a || old[i].key.b)
			*find(old[i].key) = old[i];
	free(old);
}

double il_states_enter(struct il_hash key)
{
	struct state *state = find(key);

	if (state->key.a || state->key.b)
		return state->paths;
	*state = (struct state){ .key = key, .paths = IL_PATHS_OPEN };
	if (++count > size / 3 * 2)
		grow();
	return IL_PATHS_NEW;
}

void il_states_close(struct il_hash key, double paths)
{
	find(key)->paths = paths;
}

uint64_t il_states_count(void)
{
	return count;
}
