// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shared memory: what it holds, a hash of that, what was overwritten on the way to this state, and
 * who uses which of its words. il_words[] has the committed value of each word; a word in memory
 * differs from it only between an access and the engine's next look.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct il_region il_regions[IL_REGIONS];
unsigned int il_n_regions;
struct il_private_region il_privates[IL_ACTORS + 1][IL_REGIONS];
unsigned int il_n_privates[IL_ACTORS + 1];
struct il_hash il_memory_hash;
bool il_uses_grown;
uint32_t il_uses;

static struct {
	uint64_t *at;
	uint64_t value;
} words[IL_WORDS];
static uint32_t n_words;

struct undo {
	uint32_t word;
	uint64_t value;
};

static struct undo *undo;
static uint32_t n_undo, room_undo;

/* Those entries of undo[], by number, that change words where actors meet. */
static uint32_t *history;
static uint32_t n_history, room_history;

/* By words of 4 bytes: a bit for each actor, and for IL_OBSERVER. */
static uint8_t readers[2 * IL_WORDS], writers[2 * IL_WORDS], acquirers[2 * IL_WORDS];

static _Noreturn void fault(const char *what)
{
	fprintf(stderr, "interleave: %s\n", what);
	abort();
}

/* ---- registered memory ---- */

void il_memory_forget(void)
{
	il_n_regions = 0;
	memset(il_n_privates, 0, sizeof(il_n_privates));
	memset(readers, 0, sizeof(readers));
	memset(writers, 0, sizeof(writers));
	memset(acquirers, 0, sizeof(acquirers));
	il_low = il_span = n_words = 0;
}

static void widen(uintptr_t low, uintptr_t high)
{
	if (il_span && il_low < low)
		low = il_low;
	if (il_span && il_low + il_span > high)
		high = il_low + il_span;
	il_low = low;
	il_span = high - low;
}

void il_shared(void *at, size_t size, const char *name)
{
	struct il_region *region = &il_regions[il_n_regions];
	size_t n = (size + 7) / 8;

	if ((uintptr_t)at % 8)
		fault("shared memory is not aligned to 8 bytes");
	if (il_n_regions == IL_REGIONS || n > IL_WORDS - n_words)
		fault("too much shared memory");
	*region = (struct il_region){ .at = at, .size = n * 8, .name = name, .first = n_words };
	for (size_t i = 0; i < n; i++)
		words[n_words++].at = (uint64_t *)at + i;
	il_n_regions++;
	widen((uintptr_t)at, (uintptr_t)at + n * 8);
}

static void add_private(unsigned int owner, void *at, size_t size)
{
	if (owner > IL_ACTORS || il_n_privates[owner] == IL_REGIONS)
		fault("too much private memory");
	il_privates[owner][il_n_privates[owner]++] = (struct il_private_region){ .at = at, .size = size };
}

void il_private(unsigned int actor, void *at, size_t size)
{
	add_private(actor, at, size);
}

void il_ghost(void *at, size_t size)
{
	add_private(IL_ACTORS, at, size);
}

size_t il_private_size(unsigned int owner)
{
	size_t size = 0;

	for (unsigned int i = 0; i < il_n_privates[owner]; i++)
		size += il_privates[owner][i].size;
	return size;
}

void il_private_save(unsigned int owner, char *to)
{
	for (unsigned int i = 0; i < il_n_privates[owner]; i++) {
		memcpy(to, il_privates[owner][i].at, il_privates[owner][i].size);
		to += il_privates[owner][i].size;
	}
}

void il_private_restore(unsigned int owner, const char *from)
{
	for (unsigned int i = 0; i < il_n_privates[owner]; i++) {
		memcpy(il_privates[owner][i].at, from, il_privates[owner][i].size);
		from += il_privates[owner][i].size;
	}
}

void il_memory_zero(void)
{
	for (unsigned int i = 0; i < il_n_regions; i++)
		memset(il_regions[i].at, 0, il_regions[i].size);
	for (unsigned int owner = 0; owner <= IL_ACTORS; owner++)
		for (unsigned int i = 0; i < il_n_privates[owner]; i++)
			memset(il_privates[owner][i].at, 0, il_privates[owner][i].size);
}

static const struct il_region *region_of(const void *at)
{
	for (unsigned int i = 0; i < il_n_regions; i++)
		if ((uintptr_t)at - (uintptr_t)il_regions[i].at < il_regions[i].size)
			return &il_regions[i];
	return NULL;
}

bool il_memory_has(const void *at, size_t size)
{
	const struct il_region *region = region_of(at);

	if (region && (const char *)at + size > region->at + region->size)
		fault("an access goes beyond the end of shared memory");
	return region;
}

/* ---- hashes ---- */

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

struct il_hash il_hash_words(struct il_hash hash, uint64_t a, uint64_t b)
{
	uint64_t x = mix(hash.a ^ a ^ 0xa0761d6478bd642fULL, b ^ 0xe7037ed1a0b428dbULL);
	uint64_t y = mix(hash.b ^ b ^ 0x8ebc6af09c88c6e3ULL, a ^ 0x589965cc75374cc3ULL);

	return (struct il_hash){ x + (hash.b << 32 | hash.b >> 32), y + (hash.a << 21 | hash.a >> 43) };
}

struct lanes {
	uint64_t a, b, c, d;
};

/* Each word goes into two sums of 64 bits, which depend on it in different ways. */
static inline __attribute__((always_inline)) void hash_block(struct lanes *to, const uint64_t word[4])
{
	to->a = mix(to->a ^ word[0], word[1] ^ 0xa0761d6478bd642fULL);
	to->b = mix(to->b ^ word[1], word[0] ^ 0xe7037ed1a0b428dbULL);
	to->c = mix(to->c ^ word[2], word[3] ^ 0x8ebc6af09c88c6e3ULL);
	to->d = mix(to->d ^ word[3], word[2] ^ 0x589965cc75374cc3ULL);
}

struct il_hash il_hash_bytes(struct il_hash hash, const void *at, size_t size)
{
	struct lanes lanes = { hash.a, hash.b, ~hash.a, ~hash.b };
	const char *from = at;
	uint64_t word[4];
	size_t left;

	for (left = size; left >= sizeof(word); left -= sizeof(word), from += sizeof(word)) {
		memcpy(word, from, sizeof(word));
		hash_block(&lanes, word);
	}
	if (left) {
		memset(word, 0, sizeof(word));
		memcpy(word, from, left);
		hash_block(&lanes, word);
	}
	hash = il_hash_words((struct il_hash){ lanes.a, lanes.b }, lanes.c, lanes.d);
	return il_hash_words(hash, size, 0);
}

/* The hash of memory is the sum of those of its words, so that a change of one is cheap. */
static struct il_hash word_hash(uint32_t word, uint64_t value)
{
	return il_hash_words((struct il_hash){ word, ~word }, value, word);
}

static void word_change(uint32_t word, uint64_t value)
{
	struct il_hash old = word_hash(word, words[word].value), new = word_hash(word, value);

	il_memory_hash.a += new.a - old.a;
	il_memory_hash.b += new.b - old.b;
	words[word].value = value;
}

/* ---- what memory holds ---- */

void il_memory_begin(void)
{
	n_undo = n_history = 0;
	il_memory_hash = (struct il_hash){ 0 };
	for (uint32_t i = 0; i < n_words; i++) {
		struct il_hash hash = word_hash(i, words[i].value = *words[i].at);

		il_memory_hash.a += hash.a;
		il_memory_hash.b += hash.b;
	}
}

static void *enlarge(void *at, uint32_t *room, size_t size)
{
	*room = *room ? 2 * *room : 4096;
	at = realloc(at, *room * size);
	if (!at)
		fault("out of memory");
	return at;
}

static bool is_met(uint32_t word);

static void keep(uint32_t word)
{
	if (n_undo == room_undo)
		undo = enlarge(undo, &room_undo, sizeof(*undo));
	if (il_model == IL_ARM && is_met(word)) {
		if (n_history == room_history)
			history = enlarge(history, &room_history, sizeof(*history));
		history[n_history++] = n_undo;
	}
	undo[n_undo++] = (struct undo){ .word = word, .value = words[word].value };
}

/* The words of [at, at + size): from .. *end - 1. */
static uint32_t words_of(const void *at, size_t size, uint32_t *end)
{
	const struct il_region *region = region_of(at);
	size_t off = (const char *)at - region->at;

	*end = region->first + (off + size + 7) / 8;
	return region->first + off / 8;
}

void il_memory_commit(const void *at, size_t size)
{
	uint32_t end;

	for (uint32_t i = words_of(at, size, &end); i < end; i++) {
		if (*words[i].at == words[i].value)
			continue;
		keep(i);
		word_change(i, *words[i].at);
	}
}

void il_memory_revert(const void *at, size_t size)
{
	uint32_t end;

	for (uint32_t i = words_of(at, size, &end); i < end; i++)
		*words[i].at = words[i].value;
}

uint32_t il_memory_mark(void)
{
	return n_undo;
}

void il_memory_undo(uint32_t mark, struct il_hash hash)
{
	while (n_undo > mark) {
		const struct undo *last = &undo[--n_undo];

		words[last->word].value = last->value;
		*words[last->word].at = last->value;
	}
	while (n_history && history[n_history - 1] >= mark)
		n_history--;
	il_memory_hash = hash;
}

/* ---- what memory held ---- */

uint32_t il_memory_now(void)
{
	return n_history;
}

uint32_t il_memory_half(const void *at)
{
	const struct il_region *region = region_of(at);

	return 2 * region->first + ((const char *)at - region->at) / 4;
}

unsigned int il_memory_versions(const void *at, size_t size, uint32_t since, struct il_version *to,
				unsigned int max)
{
	uint32_t word = il_memory_half(at) / 2, n = 0;
	size_t off = (uintptr_t)at % 8;
	uint64_t value = 0, old;

	memcpy(&value, at, size);
	for (uint32_t i = n_history; i-- > since;) {
		const struct undo *change = &undo[history[i]];

		if (change->word != word)
			continue;
		old = 0;
		memcpy(&old, (const char *)&change->value + off, size);
		if (old == value)
			continue;
		to[n++] = (struct il_version){ .value = value, .since = i + 1 };
		if (n == max)
			return n;
		value = old;
	}
	to[n++] = (struct il_version){ .value = value, .since = since };
	return n;
}

uint32_t il_memory_change(uint32_t time, uint64_t *value)
{
	const struct undo *change = &undo[history[time]];

	*value = change->value;
	return change->word;
}

/* ---- uses ---- */

/* Whether a use of this word by "who" is a point. */
static bool meets(unsigned int who, uint32_t half, bool reads, bool writes)
{
	uint8_t others = ~(1U << who);

	return (writes && (readers[half] | writers[half]) & others) || (reads && writers[half] & others);
}

/* For each one who uses the word: whether its reads are points (bit 0), and its writes (bit 1). */
static void points_of(uint32_t half, uint8_t points[8])
{
	for (unsigned int who = 0; who < 8; who++) {
		bool reads = readers[half] >> who & 1, writes = writers[half] >> who & 1;

		points[who] = (reads && meets(who, half, true, false)) |
			      (writes && meets(who, half, false, true)) << 1;
	}
}

/* Whether some read of the word is a point. */
static bool is_met(uint32_t word)
{
	for (uint32_t half = 2 * word; half < 2 * word + 2; half++)
		for (unsigned int who = 0; who < IL_ACTORS; who++)
			if (readers[half] >> who & 1 && meets(who, half, true, false))
				return true;
	return false;
}

static void use_half(unsigned int who, uint32_t half, bool reads, bool writes)
{
	uint8_t before[8], after[8];
	uint8_t bit = 1U << who;

	if ((!reads || readers[half] & bit) && (!writes || writers[half] & bit))
		return;
	il_uses++;
	points_of(half, before);
	/* A use that was not noted before was no point either. */
	if (reads)
		readers[half] |= bit;
	if (writes)
		writers[half] |= bit;
	points_of(half, after);
	/* The states so far do not tell apart what this actor may read of it. */
	il_uses_grown |= il_model == IL_ARM && reads && after[who] & 1;
	for (unsigned int i = 0; i < 8; i++)
		if (i != who && before[i] != after[i] && i != IL_OBSERVER)
			il_uses_grown = true;
}

static uint32_t halves_of(const void *at, size_t size, uint32_t *end)
{
	const struct il_region *region = region_of(at);
	size_t off = (const char *)at - region->at;

	*end = 2 * region->first + (off + size + 3) / 4;
	return 2 * region->first + off / 4;
}

void il_use(unsigned int who, const void *at, size_t size, bool reads, bool writes)
{
	uint32_t end;

	if (!il_memory_has(at, size))
		return;
	for (uint32_t i = halves_of(at, size, &end); i < end; i++)
		use_half(who, i, reads, writes);
}

bool il_use_meets(unsigned int who, const void *at, size_t size, bool reads, bool writes)
{
	uint32_t end;

	for (uint32_t i = halves_of(at, size, &end); i < end; i++)
		if (meets(who, i, reads, writes))
			return true;
	return false;
}

void il_use_acquire(unsigned int who, const void *at, size_t size)
{
	uint32_t end;

	for (uint32_t i = halves_of(at, size, &end); i < end; i++) {
		il_uses_grown |= !(acquirers[i] >> who & 1);
		acquirers[i] |= 1U << who;
	}
}

bool il_use_acquired(unsigned int who, const void *at, size_t size)
{
	uint32_t end;

	for (uint32_t i = halves_of(at, size, &end); i < end; i++)
		if (acquirers[i] & ~(1U << who))
			return true;
	return false;
}

bool il_use_reads(unsigned int who, uint32_t half)
{
	return readers[half] >> who & 1;
}

bool il_use_observed(const void *at, size_t size)
{
	uint32_t end;

	for (uint32_t i = halves_of(at, size, &end); i < end; i++)
		if (readers[i] >> IL_OBSERVER & 1)
			return true;
	return false;
}

uint32_t il_use_count(void)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < 2 * n_words; i++) {
		uint8_t points[8], any = 0;

		points_of(i, points);
		for (unsigned int who = 0; who < IL_OBSERVER; who++)
			any |= points[who];
		count += any != 0;
	}
	return count;
}

/* ---- names ---- */

void il_memory_name(const struct il_scenario *scenario, const void *at, char *name, size_t size)
{
	const struct il_region *region = region_of(at);

	name[0] = 0;
	if (!region)
		return;
	if (scenario->name_of)
		scenario->name_of(at, name, size);
	if (!name[0])
		snprintf(name, size, "%s+%td", region->name, (const char *)at - region->at);
}
