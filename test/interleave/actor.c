// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An actor: it stands at a trap, the access that it is about to make. A step lets that happen and
 * runs the actor to its next point. What happens on the way to that concerns no other actor.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

enum {
	/*
	 * Bytes below the stack that are made 0 after each step: what functions that have returned
	 * left there would else be in the frames of later ones and tell equal states apart.
	 */
	SCRUB = 1024,
};

struct il_actor il_actors[IL_ACTORS];
unsigned int il_n_actors;
const struct il_scenario *il_scenario;
enum il_model il_model;
char il_violation[256];
bool il_violated;
void (*il_on_access)(unsigned int actor, const struct il_trap *trap, uint64_t value, bool point);

static char *stacks[IL_ACTORS]; /* their lowest addresses */

/* The plain access that the actor's code has just made, or is about to make. */
static struct {
	struct il_trap trap; /* IL_READ: memory was changed for it. IL_FENCE: none */
	bool point;
} open = { .trap = { .op = IL_FENCE } };

void il_violate(const char *format, ...)
{
	va_list args;

	if (il_violated)
		return;
	il_violated = true;
	va_start(args, format);
	vsnprintf(il_violation, sizeof(il_violation), format, args);
	va_end(args);
}

void il_fail(const char *format, ...)
{
	va_list args;

	if (!il_violated) {
		va_start(args, format);
		vsnprintf(il_violation, sizeof(il_violation), format, args);
		va_end(args);
	}
	il_violated = true;
	if (!il_running)
		return;
	il_trapped = (struct il_trap){ .op = IL_FAILED };
	il_switch_back();
}

unsigned int il_self(void)
{
	return il_current;
}

/* ---- values ---- */

static uint64_t load(const void *at, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, at, size);
	return value;
}

static bool is_rmw(const struct il_trap *trap)
{
	return trap->op >= IL_CAS && trap->op <= IL_XOR;
}

static bool trap_reads(const struct il_trap *trap)
{
	return trap->op != IL_WRITE;
}

/* A compare and swap counts as a write even if it fails. */
static bool trap_writes(const struct il_trap *trap)
{
	return trap->op != IL_READ && trap->op != IL_RANGE_READ;
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

/* ---- what the memory model says ---- */

/*
 * Whether all stores of the actor reach memory before this access. In IL_PSO, atomic operations
 * whose result may be left out order nothing: eBPF has a form of them that does not.
 */
static bool drains(const struct il_trap *trap)
{
	switch (trap->op) {
	case IL_WRITE:
		return trap->atomic && trap->order == IL_ORDER_SEQ_CST;
	case IL_CAS:
	case IL_XCHG:
		return il_model == IL_TSO || trap->order >= IL_ORDER_RELEASE;
	case IL_ADD:
	case IL_SUB:
	case IL_AND:
	case IL_OR:
	case IL_XOR:
		return il_model == IL_TSO;
	case IL_FENCE:
		return trap->order == IL_ORDER_SEQ_CST;
	case IL_RANGE_READ:
	case IL_RANGE_WRITE:
		return true;
	default:
		return false;
	}
}

static bool meets(unsigned int number, const struct il_trap *trap)
{
	return il_use_meets(number, trap->at, trap->size, trap_reads(trap), trap_writes(trap));
}

/* Whether this store goes into the buffer. What no other actor sees goes to memory at once. */
static bool is_buffered(unsigned int number, const struct il_trap *trap)
{
	return il_model != IL_SC && trap->op == IL_WRITE && !drains(trap) && meets(number, trap);
}

/* Whether the actor's own buffer has all that the access reads. */
static bool is_forwarded(const struct il_buffer *buffer, const struct il_trap *trap)
{
	unsigned char bytes[8];

	return trap->op == IL_READ && il_buffer_overlay(buffer, trap->at, trap->size, bytes);
}

/* A relaxed atomic operation waits for the actor's own stores to its word. */
static bool waits_for_word(const struct il_buffer *buffer, const struct il_trap *trap)
{
	if (!is_rmw(trap))
		return false;
	for (uint32_t i = 0; i < buffer->n; i++)
		if ((uintptr_t)buffer->stores[i].at / 8 == (uintptr_t)trap->at / 8)
			return true;
	return false;
}

bool il_actor_ready(const struct il_actor *actor)
{
	const struct il_buffer *buffer = &actor->buffer;
	const struct il_trap *trap = &actor->trap;

	if (actor->finished)
		return false;
	if (!buffer->n)
		return true;
	if (trap->op == IL_WRITE && !drains(trap))
		return buffer->n < IL_BUFFERED;
	return !drains(trap) && !waits_for_word(buffer, trap);
}

/* Whether other actors, or the actor's own stores, may come before the trap happens. */
static bool is_point(unsigned int number)
{
	const struct il_actor *actor = &il_actors[number];
	const struct il_trap *trap = &actor->trap;

	if (!il_actor_ready(actor))
		return true;
	if (trap->op == IL_FENCE)
		return false;
	if (il_model != IL_SC && (is_buffered(number, trap) || is_forwarded(&actor->buffer, trap)))
		return false;
	return meets(number, trap);
}

/* ---- an access happens ---- */

static void report(unsigned int number, const struct il_trap *trap, uint64_t value, bool point)
{
	if (il_on_access)
		il_on_access(number, trap, value, point);
}

static void happen_store(unsigned int number, const struct il_trap *trap, uint64_t value)
{
	struct il_store store = {
		.at = trap->at, .value = value, .size = trap->size, .release = trap->order >= IL_ORDER_RELEASE
	};

	if (is_buffered(number, trap)) {
		il_buffer_add(&il_actors[number].buffer, &store);
		return;
	}
	memcpy(trap->at, &value, trap->size);
	il_memory_commit(trap->at, trap->size);
}

/* What a load reads. Of a plain one, memory holds it until the next trap. */
static void happen_read(unsigned int number, const struct il_trap *trap, bool point)
{
	uint64_t old = load(trap->at, trap->size), value = old;

	if (il_actors[number].buffer.n)
		il_buffer_overlay(&il_actors[number].buffer, trap->at, trap->size, (unsigned char *)&value);
	report(number, trap, value, point);
	il_trapped_result = value;
	if (trap->atomic || value == old)
		return;
	memcpy(trap->at, &value, trap->size);
	open.trap = *trap;
}

static void happen_fence(struct il_buffer *buffer, const struct il_trap *trap)
{
	struct il_store barrier = { .size = 0 };

	if (il_model != IL_SC && buffer->n && trap->order >= IL_ORDER_RELEASE && !drains(trap) &&
	    !il_buffer_add(buffer, &barrier))
		il_violate("an actor's buffer of stores is too small");
}

static void happen_rmw(unsigned int number, const struct il_trap *trap, bool point)
{
	uint64_t old = load(trap->at, trap->size), new = rmw(trap, old);

	report(number, trap, old, point);
	il_trapped_result = old;
	memcpy(trap->at, &new, trap->size);
	il_memory_commit(trap->at, trap->size);
}

static void happen(unsigned int number, bool point)
{
	struct il_actor *actor = &il_actors[number];
	const struct il_trap *trap = &actor->trap;

	switch (trap->op) {
	case IL_READ:
		happen_read(number, trap, point);
		break;
	case IL_WRITE:
		if (trap->atomic) {
			report(number, trap, trap->arg[0], point);
			happen_store(number, trap, trap->arg[0]);
			break;
		}
		open.trap = *trap;
		open.point = point;
		break;
	case IL_FENCE:
		happen_fence(&actor->buffer, trap);
		break;
	case IL_RANGE_READ:
	case IL_RANGE_WRITE:
		report(number, trap, 0, point);
		open.trap = *trap;
		break;
	default:
		happen_rmw(number, trap, point);
	}
}

/* The actor's code has made the access that was open. */
static void settle(unsigned int number)
{
	struct il_trap trap = open.trap;
	uint64_t value;

	open.trap.op = IL_FENCE;
	switch (trap.op) {
	case IL_READ:
		il_memory_revert(trap.at, trap.size);
		break;
	case IL_RANGE_WRITE:
		il_memory_commit(trap.at, trap.size);
		break;
	case IL_WRITE:
		value = load(trap.at, trap.size);
		report(number, &trap, value, open.point);
		if (il_model != IL_SC)
			il_memory_revert(trap.at, trap.size);
		happen_store(number, &trap, value);
		break;
	default:
		break;
	}
}

/* ---- steps ---- */

static char *stack_top(unsigned int number)
{
	return stacks[number] + IL_STACK;
}

static size_t stack_size(unsigned int number)
{
	return stack_top(number) - (char *)il_actors[number].stack;
}

static void hash_actor(unsigned int number)
{
	struct il_actor *actor = &il_actors[number];
	struct il_hash hash = { number, actor->finished };

	if (!actor->finished) {
		hash = il_hash_bytes(hash, actor->stack, stack_size(number));
		hash = il_hash_bytes(hash, &actor->trap, sizeof(actor->trap));
	}
	for (unsigned int i = 0; i < il_n_privates[number]; i++)
		hash = il_hash_bytes(hash, il_privates[number][i].at, il_privates[number][i].size);
	actor->hash = hash;
}

/* Runs an actor's code to its next trap. */
static void run(unsigned int number)
{
	struct il_actor *actor = &il_actors[number];

	if (il_current != number && il_scenario->switched)
		il_scenario->switched(number);
	il_current = number;
	il_running = true;
	il_switch_to(actor->stack);
	il_running = false;
	actor->stack = il_switched_stack;
	actor->trap = il_trapped;
	if (!actor->trap.from)
		actor->trap.from = il_switch_caller(actor->stack);
	settle(number);
}

/* Whether the actor stands at an access to shared memory, whose use is noted. */
static bool at_access(unsigned int number)
{
	const struct il_trap *trap = &il_actors[number].trap;

	if (trap->op == IL_FENCE)
		return true;
	if (!il_memory_has(trap->at, trap->size))
		return false;
	if (trap->size > 8 && trap->op < IL_RANGE_READ) {
		fprintf(stderr, "interleave: an access to more than 8 bytes\n");
		abort();
	}
	il_use(number, trap->at, trap->size, trap_reads(trap), trap_writes(trap));
	return true;
}

/* An access between two shared regions. */
static void happen_private(const struct il_trap *trap)
{
	uint64_t old = load(trap->at, trap->size), new;

	if (!trap->atomic)
		return;
	new = is_rmw(trap) ? rmw(trap, old) : trap->arg[0];
	if (trap->op != IL_READ)
		memcpy(trap->at, &new, trap->size);
	il_trapped_result = old;
}

/* Runs an actor to its next point. */
static void run_to_point(unsigned int number)
{
	struct il_actor *actor = &il_actors[number];

	for (int i = 0; !il_violated; i++) {
		run(number);
		if (actor->trap.op == IL_DONE)
			actor->finished = true;
		if (actor->trap.op == IL_DONE || actor->trap.op == IL_FAILED)
			break;
		if (!at_access(number))
			happen_private(&actor->trap);
		else if (is_point(number) || i >= IL_RUN_MAX)
			break;
		else
			happen(number, false);
	}
	memset((char *)actor->stack - SCRUB, 0, SCRUB);
	hash_actor(number);
}

void il_actor_step(unsigned int number)
{
	happen(number, true);
	run_to_point(number);
}

static void start(void)
{
	il_scenario->actors[il_current]();
	il_trapped = (struct il_trap){ .op = IL_DONE };
	il_switch_back();
}

static void make_stack(unsigned int number)
{
	enum { GUARD = 64 * 1024 };
	char *at;

	if (stacks[number])
		return;
	at = mmap(NULL, GUARD + IL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED || mprotect(at, GUARD, PROT_NONE)) {
		perror("interleave: a stack");
		exit(2);
	}
	stacks[number] = at + GUARD;
}

void il_actors_begin(void)
{
	for (il_n_actors = 0; il_n_actors < IL_ACTORS && il_scenario->actors[il_n_actors];)
		make_stack(il_n_actors++);
	il_current = IL_ACTORS;
	for (unsigned int i = 0; i < il_n_actors && !il_violated; i++) {
		memset(stacks[i], 0, IL_STACK);
		il_actors[i] = (struct il_actor){ .stack = il_switch_new(stack_top(i), start) };
		run_to_point(i);
	}
}

/* ---- saved states ---- */

size_t il_actor_size(unsigned int number)
{
	return sizeof(struct il_actor) + stack_size(number) + il_private_size(number);
}

size_t il_actor_save(unsigned int number, char *to)
{
	size_t size = stack_size(number);

	memcpy(to, &il_actors[number], sizeof(struct il_actor));
	memcpy(to + sizeof(struct il_actor), il_actors[number].stack, size);
	il_private_save(number, to + sizeof(struct il_actor) + size);
	return il_actor_size(number);
}

void il_actor_restore(unsigned int number, const char *from)
{
	size_t size;

	memcpy(&il_actors[number], from, sizeof(struct il_actor));
	size = stack_size(number);
	memcpy(il_actors[number].stack, from + sizeof(struct il_actor), size);
	il_private_restore(number, from + sizeof(struct il_actor) + size);
}
