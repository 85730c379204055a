// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads of old values (IL_ARM): what an actor may still read of what memory held before. The time of
 * such a load is any since the actor's last barrier; but no word goes back in time for one actor.
 */
#include <string.h>

#include "internal.h"

/* An actor has made an acquire fence: il_actor.latest is part of its state. */
static bool has_acquire_fence;

void il_old_forget(void)
{
	has_acquire_fence = false;
}

bool il_old_has_fence(void)
{
	return has_acquire_fence;
}

static uint32_t max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The earliest time whose value a load of this actor may read. */
uint32_t il_old_earliest(const struct il_actor *actor, const struct il_trap *trap)
{
	uint32_t half = il_memory_half(trap->at), since = actor->floor;

	for (uint32_t i = 0; i < actor->n_seen; i++)
		if (actor->seen[i].half - half < (trap->size + 3) / 4)
			since = max(since, actor->seen[i].since);
	return since;
}

/* Forgets what the floor implies. */
void il_old_raise(struct il_actor *actor, uint32_t floor)
{
	uint32_t n = 0;

	actor->floor = max(actor->floor, floor);
	actor->latest = max(actor->latest, actor->floor);
	for (uint32_t i = 0; i < actor->n_seen; i++)
		if (actor->seen[i].since > actor->floor)
			actor->seen[n++] = actor->seen[i];
	actor->n_seen = n;
}

/* The actor has read or written a word of 4 bytes as it was since then. Sorted by the word. */
static void see_half(struct il_actor *actor, uint32_t half, uint32_t since)
{
	uint32_t i = 0;

	while (i < actor->n_seen && actor->seen[i].half < half)
		i++;
	if (i < actor->n_seen && actor->seen[i].half == half) {
		actor->seen[i].since = max(actor->seen[i].since, since);
		return;
	}
	if (actor->n_seen == IL_SEEN) {
		il_violate("an actor reads too many words without a barrier: raise IL_SEEN");
		return;
	}
	memmove(&actor->seen[i + 1], &actor->seen[i], (actor->n_seen++ - i) * sizeof(actor->seen[0]));
	actor->seen[i].half = half;
	actor->seen[i].since = since;
}

void il_old_see(struct il_actor *actor, const void *at, size_t size, uint32_t since)
{
	uint32_t half;

	actor->latest = max(actor->latest, since);
	if (il_model != IL_ARM || since <= actor->floor)
		return;
	half = il_memory_half(at);
	for (uint32_t i = 0; i < (size + 3) / 4; i++)
		see_half(actor, half + i, since);
}

void il_old_fence(struct il_actor *actor)
{
	il_uses_grown |= !has_acquire_fence;
	has_acquire_fence = true;
	il_old_raise(actor, actor->latest);
}

/* ---- what tells two states apart ---- */

static uint32_t seen_since(const struct il_actor *actor, uint32_t half)
{
	for (uint32_t i = 0; i < actor->n_seen; i++)
		if (actor->seen[i].half == half)
			return actor->seen[i].since;
	return actor->floor;
}

/* Whether an actor may still read what a word held before a change. */
static bool may_read_before(unsigned int number, uint32_t time, uint32_t word)
{
	for (uint32_t half = 2 * word; half < 2 * word + 2; half++)
		if (il_use_reads(number, half) && seen_since(&il_actors[number], half) <= time)
			return true;
	return false;
}

/*
 * The old values that an actor may read, in their order, and of its times how many of them lie
 * behind. Times themselves would tell apart what is the same for the actor.
 */
struct il_hash il_old_hash(unsigned int number, struct il_hash hash)
{
	/* What follows in the hash. */
	enum { ACTOR = 1U << 28, CHANGE = 2U << 28, SEEN = 3U << 28 };
	const struct il_actor *actor = &il_actors[number];
	uint32_t n = 0, behind_latest = 0, behind[IL_SEEN] = { 0 };

	for (uint32_t time = actor->floor; time < il_memory_now(); time++) {
		uint64_t value;
		uint32_t word = il_memory_change(time, &value);

		if (!may_read_before(number, time, word))
			continue;
		hash = il_hash_words(hash, CHANGE | word, value);
		n++;
		behind_latest += time >= actor->latest;
		for (uint32_t i = 0; i < actor->n_seen; i++)
			behind[i] += time >= actor->seen[i].since;
	}
	for (uint32_t i = 0; i < actor->n_seen; i++)
		if (behind[i] < n)
			hash = il_hash_words(hash, SEEN | actor->seen[i].half, behind[i]);
	return il_hash_words(hash, ACTOR | number, has_acquire_fence ? behind_latest : 0);
}
