// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stores of an actor that have not reached memory yet. Which of them may reach it next is what
 * tells one memory model from another; when they do is the search's choice.
 */
#include <string.h>

#include "internal.h"

bool il_buffer_add(struct il_buffer *buffer, const struct il_store *store)
{
	if (buffer->n == IL_BUFFERED)
		return false;
	buffer->stores[buffer->n++] = *store;
	return true;
}

/* Whether two stores are to one word of 8 bytes: these reach memory in their order. */
static bool same_word(const struct il_store *a, const struct il_store *b)
{
	return (uintptr_t)a->at / 8 == (uintptr_t)b->at / 8;
}

bool il_buffer_may_flush(const struct il_buffer *buffer, enum il_model model, uint32_t i)
{
	const struct il_store *store = &buffer->stores[i];

	if (!i)
		return true;
	if (model != IL_PSO || store->release || !store->size)
		return false;
	for (uint32_t k = 0; k < i; k++)
		if (!buffer->stores[k].size || same_word(&buffer->stores[k], store))
			return false;
	return true;
}

static void drop(struct il_buffer *buffer, uint32_t i)
{
	buffer->n--;
	memmove(&buffer->stores[i], &buffer->stores[i + 1], (buffer->n - i) * sizeof(buffer->stores[0]));
}

void il_buffer_flush(struct il_buffer *buffer, uint32_t i)
{
	struct il_store store = buffer->stores[i];

	drop(buffer, i);
	memcpy(store.at, &store.value, store.size);
	il_memory_commit(store.at, store.size);
	while (buffer->n && !buffer->stores[0].size) /* a barrier with nothing before it */
		drop(buffer, 0);
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
	return il_hash_words(hash, buffer->n, 0);
}
