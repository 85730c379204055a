// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an access does, by the model of memory. An actor's trap says what it is about to do; atomic
 * accesses are made here, plain ones by the actor's code, with what memory holds for it at that
 * moment. If that is not what memory holds for the others, it is put there for the one access.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void (*il_on_access)(unsigned int actor, const struct il_trap *trap, uint64_t value, bool point);
void (*il_on_flush)(unsigned int actor, const struct il_store *store);

bool il_access_eager;

/* An actor has made an acquire fence: il_actor.latest is part of its state. */
static bool has_acquire_fence;

void il_access_forget(void)
{
	has_acquire_fence = false;
}

/* The plain access that the actor's code has just made, or is about to make. */
static struct {
	struct il_trap trap; /* IL_READ: memory was changed for it. IL_FENCE: none */
	bool point;
} open = { .trap = { .op = IL_FENCE } };

static void report(unsigned int number, const struct il_trap *trap, uint64_t value, bool point)
{
	if (il_on_access)
		il_on_access(number, trap, value, point);
}

/* ---- traps ---- */

static bool is_rmw(const struct il_trap *trap)
{
	return trap->op >= IL_CAS && trap->op <= IL_XOR;
}

static bool reads(const struct il_trap *trap)
{
	return trap->op != IL_WRITE;
}

/* A compare and swap counts as a write even if it fails. */
static bool writes(const struct il_trap *trap)
{
	return trap->op != IL_READ && trap->op != IL_RANGE_READ;
}

/* Whether a load is made before all later ones. */
static bool acquires(const struct il_trap *trap)
{
	return trap->op == IL_READ &&
	       (trap->order >= IL_ORDER_ACQUIRE || (il_scenario->leads && il_scenario->leads(trap->at)));
}

static uint64_t rmw(const struct il_trap *trap, uint64_t old)
{
	switch (trap->op) {
	case IL_CAS:
		return old == trap->arg[0] ? trap->arg[1] : old;
	case IL_XCHG:
		return trap->arg[0];
	case IL_ADD:
		return old + trap->arg[0];
	case IL_SUB:
		return old - trap->arg[0];
	case IL_AND:
		return old & trap->arg[0];
	case IL_OR:
		return old | trap->arg[0];
	default:
		return old ^ trap->arg[0];
	}
}

static bool meets(unsigned int number, const struct il_trap *trap)
{
	return il_use_meets(number, trap->at, trap->size, reads(trap), writes(trap));
}

static bool is_weaker_than_tso(void)
{
	return il_model > IL_TSO;
}

/* Whether all stores of the actor reach memory before this access. Of IL_CAS: if it succeeds. */
static bool drains(const struct il_trap *trap)
{
	switch (trap->op) {
	case IL_WRITE:
		return trap->atomic && trap->order == IL_ORDER_SEQ_CST;
	case IL_CAS:
	case IL_XCHG:
		return !is_weaker_than_tso() || trap->order >= IL_ORDER_RELEASE;
	case IL_ADD:
	case IL_SUB:
	case IL_AND:
	case IL_OR:
	case IL_XOR:
		return !is_weaker_than_tso();
	case IL_FENCE:
		return trap->order == IL_ORDER_SEQ_CST;
	case IL_RANGE_READ:
	case IL_RANGE_WRITE:
		return true;
	default:
		return false;
	}
}

/*
 * Whether this store goes into the buffer. What no other actor sees goes to memory at once, unless
 * an older store that covers it is late.
 */
static bool is_buffered(unsigned int number, const struct il_trap *trap)
{
	uint32_t last;

	return il_model != IL_SC && trap->op == IL_WRITE && !drains(trap) &&
	       (meets(number, trap) || il_buffer_has(&il_actors[number].buffer, trap->at, trap->size, &last));
}

/* Notes the use of shared memory. False: the access is to none. */
static bool note_use(unsigned int number, const struct il_trap *trap)
{
	if (trap->op == IL_FENCE)
		return true;
	if (!il_memory_has(trap->at, trap->size))
		return false;
	if (trap->size > 8 && trap->op < IL_RANGE_READ) {
		fprintf(stderr, "interleave: an access to more than 8 bytes\n");
		abort();
	}
	il_use(number, trap->at, trap->size, reads(trap), writes(trap));
	if (il_model == IL_ARM && acquires(trap))
		il_use_acquire(number, trap->at, trap->size);
	return true;
}

bool il_access_is_point(unsigned int number)
{
	const struct il_buffer *buffer = &il_actors[number].buffer;
	const struct il_trap *trap = &il_actors[number].trap;

	if (!note_use(number, trap))
		return false;
	if (buffer->n && drains(trap))
		return true;
	if (trap->op == IL_FENCE)
		return false;
	if (is_buffered(number, trap))
		return buffer->n == IL_BUFFERED;
	return meets(number, trap);
}

/* ---- loads of old values ---- */

static uint32_t max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The earliest time whose value a load of this actor may read. */
static uint32_t earliest(const struct il_actor *actor, const struct il_trap *trap)
{
	uint32_t half = il_memory_half(trap->at), since = actor->floor;

	for (uint32_t i = 0; i < actor->n_seen; i++)
		if (actor->seen[i].half - half < (trap->size + 3) / 4)
			since = max(since, actor->seen[i].since);
	return since;
}

/* Forgets what the floor implies. */
static void raise_floor(struct il_actor *actor, uint32_t floor)
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

static void see(struct il_actor *actor, const void *at, size_t size, uint32_t since)
{
	uint32_t half;

	actor->latest = max(actor->latest, since);
	if (il_model != IL_ARM || since <= actor->floor)
		return;
	half = il_memory_half(at);
	for (uint32_t i = 0; i < (size + 3) / 4; i++)
		see_half(actor, half + i, since);
}

/* What a load may read, the newest first; the actor's own late stores count. */
static unsigned int versions(unsigned int number, struct il_version *to)
{
	const struct il_actor *actor = &il_actors[number];
	const struct il_trap *trap = &actor->trap;
	unsigned int n = 1;
	uint32_t last;

	to[0] = (struct il_version){ .value = 0, .since = il_memory_now() };
	memcpy(&to[0].value, trap->at, trap->size);
	/* An old value under an own late store to the word is not modelled: it would be one half. */
	if (actor->buffer.n && il_buffer_has(&actor->buffer, trap->at, trap->size, &last))
		il_buffer_overlay(&actor->buffer, trap->at, trap->size, (unsigned char *)&to[0].value);
	else if (il_model == IL_ARM && meets(number, trap))
		n = il_memory_versions(trap->at, trap->size, earliest(actor, trap), to, IL_VERSIONS);
	return n;
}

/* A compare and swap that finds an old value fails. */
static unsigned int cas_versions(unsigned int number, struct il_version *to)
{
	unsigned int n = versions(number, to), kept = 1;

	for (unsigned int i = 1; i < n; i++)
		if (to[i].value != il_actors[number].trap.arg[0])
			to[kept++] = to[i];
	return kept;
}

static unsigned int trap_versions(unsigned int number, struct il_version *to)
{
	return il_actors[number].trap.op == IL_CAS ? cas_versions(number, to) : versions(number, to);
}

unsigned int il_access_versions(unsigned int number)
{
	const struct il_trap *trap = &il_actors[number].trap;
	struct il_version found[IL_VERSIONS];

	if (il_model != IL_ARM || (trap->op != IL_READ && trap->op != IL_CAS) ||
	    !il_memory_has(trap->at, trap->size))
		return 1;
	return trap_versions(number, found);
}

/* ---- stores ---- */

static void drain(unsigned int number)
{
	struct il_buffer *buffer = &il_actors[number].buffer;

	for (uint32_t i = 0; il_on_flush && i < buffer->n; i++)
		if (buffer->stores[i].size)
			il_on_flush(number, &buffer->stores[i]);
	il_buffer_flush_all(buffer);
}

static bool same_store(const struct il_store *a, const struct il_store *b)
{
	return a->at == b->at && a->value == b->value && a->size == b->size && a->release == b->release;
}

void il_access_flush(unsigned int number, uint32_t i)
{
	struct il_actor *actor = &il_actors[number];
	struct il_buffer before = actor->buffer;

	il_buffer_flush(&actor->buffer, il_model, i);
	for (uint32_t k = 0, left = 0; k < before.n; k++) {
		const struct il_store *store = &before.stores[k];

		if (left < actor->buffer.n && same_store(store, &actor->buffer.stores[left])) {
			left++;
			continue;
		}
		if (!store->size)
			continue;
		see(actor, store->at, store->size, il_memory_now());
		if (il_on_flush)
			il_on_flush(number, store);
	}
}

/* ---- when a late store may reach memory ---- */

/*
 * It does so when that matters: before another actor's access to its word, and in either order with
 * another actor's late store to its word, if one of both may reach memory now. All else that could
 * happen before leads to the same.
 */

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
	if (il_access_eager || il_use_observed(store->at, store->size))
		return true;
	return il_model == IL_ARM && (has_acquire_fence || il_use_acquired(number, store->at, store->size));
}

static bool matters_at_once(unsigned int number, uint32_t i)
{
	const struct il_buffer *buffer = &il_actors[number].buffer;
	const struct il_store *store = &buffer->stores[i];

	if (!store->size)
		return false;
	if (!il_access_eager && meets_trap(number, store))
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
	return actor->finished ? all_finished() : drains(&actor->trap) || actor->buffer.n == IL_BUFFERED;
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

void il_access_flushes(uint64_t matter[IL_ACTORS])
{
	uint64_t moving[IL_ACTORS];
	bool grown = false;

	for (unsigned int i = 0; i < il_n_actors; i++) {
		grown |= il_actors[i].buffer.n != 0;
		matter[i] = 0;
		for (uint32_t k = 0; k < il_actors[i].buffer.n; k++)
			matter[i] |= (uint64_t)matters_at_once(i, k) << k;
	}
	while (grown && !il_access_eager) {
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

/* ---- an access happens ---- */

static void to_memory(unsigned int number, const void *at, size_t size)
{
	il_memory_commit(at, size);
	see(&il_actors[number], at, size, il_memory_now());
}

static void happen_store(unsigned int number, const struct il_trap *trap, uint64_t value)
{
	struct il_actor *actor = &il_actors[number];
	struct il_store store = {
		.at = trap->at, .value = value, .size = trap->size, .release = trap->order >= IL_ORDER_RELEASE
	};

	if (is_buffered(number, trap)) {
		if (actor->buffer.n == IL_BUFFERED)
			il_access_flush(number, 0);
		il_buffer_add(&actor->buffer, &store);
		return;
	}
	if (drains(trap))
		drain(number);
	memcpy(trap->at, &value, trap->size);
	to_memory(number, trap->at, trap->size);
}

/* What a load reads. Of a plain one, memory holds it until the next trap. */
static void happen_read(unsigned int number, const struct il_version *version, bool point)
{
	struct il_actor *actor = &il_actors[number];
	const struct il_trap *trap = &actor->trap;

	report(number, trap, version->value, point);
	if (point)
		see(actor, trap->at, trap->size, version->since);
	if (point && acquires(trap))
		raise_floor(actor, version->since);
	il_trapped_result = version->value;
	if (trap->atomic || !memcmp(trap->at, &version->value, trap->size))
		return;
	memcpy(trap->at, &version->value, trap->size);
	open.trap = *trap;
}

static void happen_fence(unsigned int number, const struct il_trap *trap)
{
	struct il_actor *actor = &il_actors[number];
	struct il_store barrier = { .size = 0 };

	if (drains(trap)) {
		drain(number);
		raise_floor(actor, il_memory_now());
		return;
	}
	if (trap->order == IL_ORDER_ACQUIRE || trap->order == IL_ORDER_ACQ_REL) {
		il_uses_grown |= !has_acquire_fence;
		has_acquire_fence = true;
		raise_floor(actor, actor->latest);
	}
	if (actor->buffer.n && trap->order >= IL_ORDER_RELEASE) {
		if (actor->buffer.n == IL_BUFFERED)
			il_access_flush(number, 0);
		il_buffer_add(&actor->buffer, &barrier);
	}
}

/* An atomic operation that writes: to the newest value. */
static void happen_update(unsigned int number, const struct il_trap *trap, bool point)
{
	struct il_actor *actor = &il_actors[number];
	uint64_t old = 0, new;
	uint32_t last;

	if (drains(trap))
		drain(number);
	else if (il_buffer_has(&actor->buffer, trap->at, trap->size, &last))
		il_access_flush(number, last);
	memcpy(&old, trap->at, trap->size);
	new = rmw(trap, old);
	report(number, trap, old, point);
	il_trapped_result = old;
	memcpy(trap->at, &new, trap->size);
	to_memory(number, trap->at, trap->size);
	if (drains(trap) || (trap->op <= IL_XCHG && trap->order != IL_ORDER_RELAXED))
		raise_floor(actor, il_memory_now());
}

/* One that fails is a load; on x86 it is a barrier all the same. */
static void happen_cas(unsigned int number, const struct il_version *version, bool point)
{
	const struct il_trap *trap = &il_actors[number].trap;

	if (version->value == trap->arg[0]) {
		happen_update(number, trap, point);
		return;
	}
	if (!is_weaker_than_tso())
		drain(number);
	report(number, trap, version->value, point);
	see(&il_actors[number], trap->at, trap->size, version->since);
	il_trapped_result = version->value;
}

static void happen_range(unsigned int number, const struct il_trap *trap, bool point)
{
	drain(number);
	raise_floor(&il_actors[number], il_memory_now());
	report(number, trap, 0, point);
	open.trap = *trap;
}

/* An access beside shared memory. */
static void happen_private(const struct il_trap *trap)
{
	uint64_t old = 0, new;

	if (!trap->atomic)
		return;
	memcpy(&old, trap->at, trap->size);
	new = is_rmw(trap) ? rmw(trap, old) : trap->arg[0];
	if (trap->op != IL_READ)
		memcpy(trap->at, &new, trap->size);
	il_trapped_result = old;
}

static void happen_write(unsigned int number, const struct il_trap *trap, bool point)
{
	if (trap->atomic) {
		report(number, trap, trap->arg[0], point);
		happen_store(number, trap, trap->arg[0]);
		if (drains(trap))
			raise_floor(&il_actors[number], il_memory_now());
		return;
	}
	open.trap = *trap;
	open.point = point;
}

void il_access_happen(unsigned int number, unsigned int version, bool point)
{
	const struct il_trap *trap = &il_actors[number].trap;
	struct il_version found[IL_VERSIONS];

	if (trap->op == IL_FENCE) {
		happen_fence(number, trap);
		return;
	}
	if (!il_memory_has(trap->at, trap->size)) {
		happen_private(trap);
		return;
	}
	switch (trap->op) {
	case IL_READ:
		trap_versions(number, found);
		happen_read(number, &found[version], point);
		break;
	case IL_CAS:
		trap_versions(number, found);
		happen_cas(number, &found[version], point);
		break;
	case IL_WRITE:
		happen_write(number, trap, point);
		break;
	case IL_RANGE_READ:
	case IL_RANGE_WRITE:
		happen_range(number, trap, point);
		break;
	default:
		happen_update(number, trap, point);
	}
}

void il_access_settle(unsigned int number)
{
	struct il_trap trap = open.trap;
	uint64_t value = 0;

	open.trap.op = IL_FENCE;
	switch (trap.op) {
	case IL_READ:
		il_memory_revert(trap.at, trap.size);
		break;
	case IL_RANGE_WRITE:
		to_memory(number, trap.at, trap.size);
		break;
	case IL_WRITE:
		memcpy(&value, trap.at, trap.size);
		report(number, &trap, value, open.point);
		if (il_model != IL_SC)
			il_memory_revert(trap.at, trap.size);
		happen_store(number, &trap, value);
		break;
	default:
		break;
	}
}

/* ---- the hash of a state ---- */

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
static struct il_hash hash_old_values(unsigned int number, struct il_hash hash)
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

struct il_hash il_access_hash(struct il_hash hash, bool old_values)
{
	for (unsigned int i = 0; i < il_n_actors; i++) {
		if (il_actors[i].buffer.n)
			hash = il_buffer_hash(&il_actors[i].buffer,
					      il_hash_words(hash, i, il_actors[i].buffer.n));
		if (old_values && !il_actors[i].finished)
			hash = hash_old_values(i, hash);
	}
	return hash;
}
