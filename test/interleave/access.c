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
bool il_access_drains(const struct il_trap *trap)
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

	return il_model != IL_SC && trap->op == IL_WRITE && !il_access_drains(trap) &&
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
	if (buffer->n && il_access_drains(trap))
		return true;
	if (trap->op == IL_FENCE)
		return false;
	if (is_buffered(number, trap))
		return buffer->n == IL_BUFFERED;
	return meets(number, trap);
}

/* ---- what a load may read ---- */

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
		n = il_memory_versions(trap->at, trap->size, il_old_earliest(actor, trap), to, IL_VERSIONS);
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
		il_old_see(actor, store->at, store->size, il_memory_now());
		if (il_on_flush)
			il_on_flush(number, store);
	}
}

/* ---- an access happens ---- */

static void to_memory(unsigned int number, const void *at, size_t size)
{
	il_memory_commit(at, size);
	il_old_see(&il_actors[number], at, size, il_memory_now());
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
	if (il_access_drains(trap))
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
		il_old_see(actor, trap->at, trap->size, version->since);
	if (point && acquires(trap))
		il_old_raise(actor, version->since);
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

	if (il_access_drains(trap)) {
		drain(number);
		il_old_raise(actor, il_memory_now());
		return;
	}
	if (trap->order == IL_ORDER_ACQUIRE || trap->order == IL_ORDER_ACQ_REL) {
		il_old_fence(actor);
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

	if (il_access_drains(trap))
		drain(number);
	else if (il_buffer_has(&actor->buffer, trap->at, trap->size, &last))
		il_access_flush(number, last);
	memcpy(&old, trap->at, trap->size);
	new = rmw(trap, old);
	report(number, trap, old, point);
	il_trapped_result = old;
	memcpy(trap->at, &new, trap->size);
	to_memory(number, trap->at, trap->size);
	if (il_access_drains(trap) || (trap->op <= IL_XCHG && trap->order != IL_ORDER_RELAXED))
		il_old_raise(actor, il_memory_now());
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
	il_old_see(&il_actors[number], trap->at, trap->size, version->since);
	il_trapped_result = version->value;
}

static void happen_range(unsigned int number, const struct il_trap *trap, bool point)
{
	drain(number);
	il_old_raise(&il_actors[number], il_memory_now());
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
		if (il_access_drains(trap))
			il_old_raise(&il_actors[number], il_memory_now());
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
