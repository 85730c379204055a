// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a late store reaches memory: when that matters. That is before another actor's access to its
 * word, and in either order with another actor's late store to its word, if one of both may reach
 * memory now. All else that could happen before leads to the same.
 */
#include <string.h>

#include "internal.h"

bool il_late_eager;

static bool is_at_word(const struct il_actor *actor, const struct il_store *store)
{
	uintptr_t word = (uintptr_t)store->at / 8, first = (uintptr_t)actor->trap.at / 8;
	uintptr_t last = ((uintptr_t)actor->trap.at + actor->trap.size - 1) / 8;

	return !actor->finished && actor->trap.op != IL_FENCE && word >= first && word <= last;
}

/*
 * Whether an actor stands at an access to the word of a store, and would find something else. The
 * store's own actor finds the same, unless another one's store comes in between.
 */
static bool meets_trap(unsigned int number, const struct il_store *store)
{
	bool changes = memcmp(store->at, &store->value, store->size) != 0;

	for (unsigned int i = 0; i < il_n_actors; i++)
		if (is_at_word(&il_actors[i], store) &&
		    (i == number || changes || il_actors[i].trap.op != IL_READ))
			return true;
	return false;
}

/*
 * Whether any moment may matter at which a store reaches memory: always() looks, or a load that
 * comes before others tells them by what time they have to be made.
 */
static bool has_a_time(unsigned int number, const struct il_store *store)
{
	if (il_late_eager || il_use_observed(store->at, store->size))
		return true;
	return il_model == IL_ARM && (il_old_has_fence() || il_use_acquired(number, store->at, store->size));
}

static bool matters_at_once(unsigned int number, uint32_t i)
{
	const struct il_buffer *buffer = &il_actors[number].buffer;
	const struct il_store *store = &buffer->stores[i];

	if (!store->size)
		return false;
	if (!il_late_eager && meets_trap(number, store))
		return true;
	return has_a_time(number, store) && il_buffer_is_first(buffer, il_model, i);
}

static bool all_finished(void)
{
	for (unsigned int i = 0; i < il_n_actors; i++)
		if (!il_actors[i].finished)
			return false;
	return true;
}

/* Whether all late stores of an actor may reach memory now, by its next step or at the end. */
static bool may_drain(const struct il_actor *actor)
{
	return actor->finished ? all_finished()
			       : il_access_drains(&actor->trap) || actor->buffer.n == IL_BUFFERED;
}

static uint64_t all_stores(const struct il_buffer *buffer)
{
	return buffer->n == 64 ? ~0ULL : (1ULL << buffer->n) - 1;
}

/* The stores that may reach memory now: those that matter, and what comes before them. */
static uint64_t moving_stores(unsigned int number, uint64_t matter)
{
	const struct il_buffer *buffer = &il_actors[number].buffer;
	uint64_t moving = may_drain(&il_actors[number]) ? all_stores(buffer) : 0;

	for (uint32_t i = 0; i < buffer->n; i++)
		if (matter >> i & 1)
			moving |= il_buffer_closure(buffer, il_model, i);
	return moving;
}

/* Whether another actor has a late store to the word of this one, and one of both may reach memory. */
static bool meets_store(unsigned int number, uint32_t i, const uint64_t moving[IL_ACTORS])
{
	const struct il_store *store = &il_actors[number].buffer.stores[i];

	for (unsigned int other = 0; other < il_n_actors; other++) {
		const struct il_buffer *buffer = &il_actors[other].buffer;

		for (uint32_t k = 0; other != number && k < buffer->n; k++)
			if ((moving[number] >> i & 1 || moving[other] >> k & 1) && buffer->stores[k].size &&
			    store->size && (uintptr_t)buffer->stores[k].at / 8 == (uintptr_t)store->at / 8)
				return true;
	}
	return false;
}

void il_late_matter(uint64_t matter[IL_ACTORS])
{
	uint64_t moving[IL_ACTORS];
	bool grown = false;

	for (unsigned int i = 0; i < il_n_actors; i++) {
		grown |= il_actors[i].buffer.n != 0;
		matter[i] = 0;
		for (uint32_t k = 0; k < il_actors[i].buffer.n; k++)
			matter[i] |= (uint64_t)matters_at_once(i, k) << k;
	}
	while (grown && !il_late_eager) {
		grown = false;
		for (unsigned int i = 0; i < il_n_actors; i++)
			moving[i] = moving_stores(i, matter[i]);
		for (unsigned int i = 0; i < il_n_actors; i++)
			for (uint32_t k = 0; k < il_actors[i].buffer.n; k++)
				if (!(matter[i] >> k & 1) && meets_store(i, k, moving)) {
					matter[i] |= 1ULL << k;
					grown = true;
				}
	}
}
