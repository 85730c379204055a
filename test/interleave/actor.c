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
	SCRUB = 512,
};

struct il_actor il_actors[IL_ACTORS];
unsigned int il_n_actors;
const struct il_scenario *il_scenario;
enum il_model il_model;
char il_violation[256];
bool il_violated;

static char *stacks[IL_ACTORS]; /* their lowest addresses */

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
	il_access_settle(number);
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
		if (il_access_is_point(number) || i >= IL_RUN_MAX)
			break;
		il_access_happen(number, 0, false);
	}
	memset((char *)actor->stack - SCRUB, 0, SCRUB);
	hash_actor(number);
}

void il_actor_step(unsigned int number, unsigned int version)
{
	il_access_happen(number, version, true);
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

/* Of the arrays of an actor only what is used is saved. */
static size_t seen_size(const struct il_actor *actor)
{
	return actor->n_seen * sizeof(actor->seen[0]);
}

static size_t buffer_size(const struct il_actor *actor)
{
	return offsetof(struct il_buffer, stores) + actor->buffer.n * sizeof(actor->buffer.stores[0]);
}

enum { HEAD = offsetof(struct il_actor, seen) };

size_t il_actor_size(unsigned int number)
{
	const struct il_actor *actor = &il_actors[number];

	return HEAD + seen_size(actor) + buffer_size(actor) + stack_size(number) + il_private_size(number);
}

static char *put(char *to, const void *from, size_t size)
{
	return (char *)memcpy(to, from, size) + size;
}

void il_actor_save(unsigned int number, char *to)
{
	const struct il_actor *actor = &il_actors[number];

	to = put(to, actor, HEAD);
	to = put(to, actor->seen, seen_size(actor));
	to = put(to, &actor->buffer, buffer_size(actor));
	to = put(to, actor->stack, stack_size(number));
	il_private_save(number, to);
}

static const char *take(void *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	return from + size;
}

void il_actor_restore(unsigned int number, const char *from)
{
	struct il_actor *actor = &il_actors[number];

	from = take(actor, from, HEAD);
	from = take(actor->seen, from, seen_size(actor));
	memcpy(&actor->buffer.n, from + offsetof(struct il_buffer, n), sizeof(actor->buffer.n));
	from = take(&actor->buffer, from, buffer_size(actor));
	from = take(actor->stack, from, stack_size(number));
	il_private_restore(number, from);
}
