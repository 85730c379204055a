// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stores of an actor that have not reached memory yet, in the order in which they were made.
 * Which of them may reach it before others is what tells one memory model from another.
 */
#include <string.h>

#include "internal.h"

void il_buffer_add(struct il_buffer *buffer, const struct il_store *store)
{
	buffer->stores[buffer->n++] = *store;
}

static bool touch(const struct il_store *store, const void *at, size_t size)
{
	uintptr_t word = (uintptr_t)store->at / 8;

	return store->size && word >= (uintptr_t)at / 8 && word <= ((uintptr_t)at + size - 1) / 8;
}

bool il_buffer_has(const struct il_buffer *buffer, const void *at, size_t size, uint32_t *last)
{
	for (uint32_t i = buffer->n; i-- > 0;) {
		if (!touch(&buffer->stores[i], at, size))
			continue;
		*last = i;
		return true;
	}
	return false;
}

/* A bit for each store up to i. */
static uint64_t up_to(uint32_t i)
{
	return (2ULL << i) - 1;
}

uint64_t il_buffer_closure(const struct il_buffer *buffer, enum il_model model, uint32_t i)
{
	const struct il_store *store = &buffer->stores[i];
	uint64_t chosen = 1ULL << i;

	if (model == IL_TSO || store->release)
		return up_to(i);
	for (uint32_t k = i; k-- > 0;) {
		const struct il_store *older = &buffer->stores[k];

		if (!older->size)
			return chosen | up_to(k);
		if (!touch(older, store->at, store->size))
			continue;
		if (older->release)
			return chosen | up_to(k);
		chosen |= 1ULL << k;
	}
	return chosen;
}

bool il_buffer_is_first(const struct il_buffer *buffer, enum il_model model, uint32_t i)
{
	return il_buffer_closure(buffer, model, i) == 1ULL << i;
}

static void reach_memory(const struct il_store *store)
{
	if (!store->size)
		return;
	memcpy(store->at, &store->value, store->size);
	il_memory_commit(store->at, store->size);
}

static void drop(struct il_buffer *buffer, uint32_t i)
{
	buffer->n--;
	memmove(&buffer->stores[i], &buffer->stores[i + 1], (buffer->n - i) * sizeof(buffer->stores[0]));
}

bool il_buffer_overtakes(const struct il_buffer *buffer, enum il_model model, uint32_t i)
{
	uint64_t chosen = il_buffer_closure(buffer, model, i);

	for (uint32_t k = 0; k < i; k++)
		if (buffer->stores[k].size && !(chosen >> k & 1))
			return true;
	return false;
}

void il_buffer_flush(struct il_buffer *buffer, enum il_model model, uint32_t i)
{
	uint64_t chosen = il_buffer_closure(buffer, model, i);

	for (uint32_t k = 0, at = 0; k <= i; k++) {
		if (!(chosen >> k & 1)) {
			at++;
			continue;
		}
		reach_memory(&buffer->stores[at]);
		drop(buffer, at);
	}
	while (buffer->n && !buffer->stores[0].size) /* a barrier with nothing before it */
		drop(buffer, 0);
}

void il_buffer_flush_all(struct il_buffer *buffer)
{
	for (uint32_t i = 0; i < buffer->n; i++)
		reach_memory(&buffer->stores[i]);
	buffer->n = 0;
}

bool il_buffer_overlay(const struct il_buffer *buffer, const void *at, size_t size, unsigned char *bytes)
{
	uint32_t known = 0;

	for (uint32_t i = 0; i < buffer->n; i++) {
		const struct il_store *store = &buffer->stores[i];

		for (uint32_t k = 0; k < store->size; k++) {
			uintptr_t off = (uintptr_t)store->at + k - (uintptr_t)at;

			if (off >= size)
				continue;
			bytes[off] = ((const unsigned char *)&store->value)[k];
			known |= 1U << off;
		}
	}
	return known == (1U << size) - 1;
}

struct il_hash il_buffer_hash(const struct il_buffer *buffer, struct il_hash hash)
{
	for (uint32_t i = 0; i < buffer->n; i++) {
		const struct il_store *store = &buffer->stores[i];

		hash = il_hash_words(hash, (uintptr_t)store->at, store->value);
		hash = il_hash_words(hash, store->size, store->release);
	}
	return hash;
}
