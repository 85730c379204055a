/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_INTERLEAVE_INTERNAL_H
#define NATBRIDGE_TEST_INTERLEAVE_INTERNAL_H

/*
 * What the files of the engine share.
 *
 *   switch.c   from the engine's stack to an actor's and back
 *   hooks.c    what the compiler calls before each access: a trap, if memory is shared
 *   memory.c   shared memory: its hash, what was overwritten, where actors meet
 *   buffer.c   stores that have not reached memory yet
 *   access.c   what an access does, by the model of memory
 *   late.c     when a late store may reach memory
 *   old.c      what a load may read that memory does not hold any more
 *   actor.c    an actor: its trap, a step of it, its saved state
 *   states.c   the set of visited states
 *   search.c   the search
 *   trace.c    a violation, step by step
 *   main.c     the command line
 */

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"

enum {
	IL_WORDS = 8192,  /* of shared memory, of 8 bytes each */
	IL_REGIONS = 32,  /* of each kind */
	IL_OBSERVER = 7,  /* the bit of always() beside those of the actors */
	IL_BUFFERED = 64, /* stores of an actor that have not reached memory */
	IL_SEEN = 128,    /* words of 4 bytes of which an actor knows that older values are gone */
	IL_VERSIONS = 16, /* values of a word that an actor may read */
	IL_CHOICES = IL_ACTORS * (IL_VERSIONS + IL_BUFFERED),

	/* After so many accesses that concern no other actor there is a point all the same. */
	IL_RUN_MAX = 1000,
};

struct il_hash {
	uint64_t a, b;
};

/* ---- traps ---- */

enum il_op {
	IL_READ,
	IL_WRITE,
	IL_CAS, /* argument 0 is expected, 1 is written */
	IL_XCHG,
	IL_ADD,
	IL_SUB,
	IL_AND,
	IL_OR,
	IL_XOR,
	IL_FENCE,
	IL_RANGE_READ,
	IL_RANGE_WRITE,
	IL_DONE,
	IL_FAILED, /* il_fail() */
};

enum il_order {
	IL_ORDER_RELAXED,
	IL_ORDER_CONSUME,
	IL_ORDER_ACQUIRE,
	IL_ORDER_RELEASE,
	IL_ORDER_ACQ_REL,
	IL_ORDER_SEQ_CST,
};

/* What an actor is about to do. */
struct il_trap {
	void *at;
	uint32_t size;
	uint8_t op;    /* enum il_op */
	uint8_t order; /* enum il_order */
	bool atomic;   /* made by the engine; IL_WRITE: argument 0 is written */
	uint8_t pad;
	uint64_t arg[2];
	uintptr_t from; /* the code that makes the access; 0: the caller of the trap */
};

/* Set by il_trap() of hooks.c before it switches; il_trapped_result is what it returns then. */
extern struct il_trap il_trapped;
extern uint64_t il_trapped_result;

/* Code of an actor runs; code of always() does. */
extern bool il_running, il_checking;
extern unsigned int il_current; /* the actor whose code runs, or ran last */

/* All shared regions are in here, and not much else. */
extern uintptr_t il_low, il_span;

/* ---- switch.c ---- */

/* Goes on with the actor whose stack pointer is given, until it calls il_switch_back(). */
void il_switch_to(void *stack);
extern void *il_switched_stack; /* where the actor stopped */

/* Goes on with the engine. Returns il_trapped_result when the actor goes on. */
uint64_t il_switch_back(void);

/* A new stack below "top" whose first il_switch_to() calls start(), which never returns. */
void *il_switch_new(void *top, void (*start)(void));

/* The address from which an actor called il_trap(). */
uintptr_t il_switch_caller(const void *stack);

/* ---- memory.c ---- */

struct il_region {
	char *at;
	size_t size;
	const char *name;
	uint32_t first; /* number of its first word */
};

/* All registered memory as far as an actor (or, at IL_ACTORS, ghost memory) has it for itself. */
struct il_private_region {
	char *at;
	size_t size;
};

extern struct il_region il_regions[IL_REGIONS];
extern unsigned int il_n_regions;
extern struct il_private_region il_privates[IL_ACTORS + 1][IL_REGIONS];
extern unsigned int il_n_privates[IL_ACTORS + 1];

/* Forgets all registered memory, and who has used it. */
void il_memory_forget(void);

/* Fills all registered memory with 0. */
void il_memory_zero(void);

/* The memory as it is now is the first state. */
void il_memory_begin(void);

/* What was written to [at, at + size) counts from now on. */
void il_memory_commit(const void *at, size_t size);

/* Takes back what was written there since the last commit. */
void il_memory_revert(const void *at, size_t size);

extern struct il_hash il_memory_hash;

uint32_t il_memory_mark(void);
void il_memory_undo(uint32_t mark, struct il_hash hash);

/*
 * The values that words had, for loads that read old ones (IL_ARM). Time is the number of changes
 * so far of words where actors meet.
 */
struct il_version {
	uint64_t value;
	uint32_t since; /* time */
};

uint32_t il_memory_now(void);

/* What [at, at + size) has held since a time, the newest first. Returns how many, at most "max". */
unsigned int il_memory_versions(const void *at, size_t size, uint32_t since, struct il_version *to,
				unsigned int max);

/* A change of a word by number, which is the time before it; and what the word held before. */
uint32_t il_memory_change(uint32_t time, uint64_t *value);

/* The number of the word of 4 bytes at this address. */
uint32_t il_memory_half(const void *at);

/* Whether [at, at + size) is shared. */
bool il_memory_has(const void *at, size_t size);

/*
 * Notes who uses which memory. il_uses_grown: two uses meet where a use before was no point; the
 * search begins again.
 */
void il_use(unsigned int who, const void *at, size_t size, bool reads, bool writes);
extern bool il_uses_grown;
extern uint32_t il_uses; /* how many were noted */

/* Whether another one uses the memory in a way that matters to this access. */
bool il_use_meets(unsigned int who, const void *at, size_t size, bool reads, bool writes);

/* Notes that a load there comes before all later loads (IL_ARM). */
void il_use_acquire(unsigned int who, const void *at, size_t size);

/* Whether somebody else has such a load there. */
bool il_use_acquired(unsigned int who, const void *at, size_t size);

/* Whether an actor reads a word of 4 bytes. */
bool il_use_reads(unsigned int who, uint32_t half);

/* Whether always() reads it. */
bool il_use_observed(const void *at, size_t size);

/* Words of 4 bytes where uses meet. */
uint32_t il_use_count(void);

void il_private_save(unsigned int owner, char *to);
void il_private_restore(unsigned int owner, const char *from);
size_t il_private_size(unsigned int owner);

struct il_hash il_hash_bytes(struct il_hash hash, const void *at, size_t size);
struct il_hash il_hash_words(struct il_hash hash, uint64_t a, uint64_t b);

/* A name for traces. */
void il_memory_name(const struct il_scenario *scenario, const void *at, char *name, size_t size);

/* ---- buffer.c ---- */

struct il_store {
	void *at;
	uint64_t value;
	uint32_t size; /* 0: a barrier between the stores before it and those behind it */
	bool release;  /* after all stores before it */
};

struct il_buffer {
	uint32_t n;
	struct il_store stores[IL_BUFFERED]; /* the oldest first */
};

void il_buffer_add(struct il_buffer *buffer, const struct il_store *store);

/* Whether no other store has to reach memory before this one. */
bool il_buffer_is_first(const struct il_buffer *buffer, enum il_model model, uint32_t i);

/* A bit for each store that reaches memory if store i does. */
uint64_t il_buffer_closure(const struct il_buffer *buffer, enum il_model model, uint32_t i);

/* Whether a store reaches memory before an older one that may as well come first. */
bool il_buffer_overtakes(const struct il_buffer *buffer, enum il_model model, uint32_t i);

/* A store reaches memory, with those that come before it in any case. */
void il_buffer_flush(struct il_buffer *buffer, enum il_model model, uint32_t i);
void il_buffer_flush_all(struct il_buffer *buffer);

/* Whether a store to a word of 8 bytes in [at, at + size) is in the buffer; *last is the last one. */
bool il_buffer_has(const struct il_buffer *buffer, const void *at, size_t size, uint32_t *last);

/* Puts the actor's own stores over bytes that were read at "at"; true: all bytes are from there. */
bool il_buffer_overlay(const struct il_buffer *buffer, const void *at, size_t size, unsigned char *bytes);

struct il_hash il_buffer_hash(const struct il_buffer *buffer, struct il_hash hash);

/* ---- access.c, actor.c ---- */

struct il_actor {
	void *stack; /* where it stopped */
	struct il_trap trap;
	struct il_hash hash; /* of all that the actor will do, if memory stays as it is */
	bool finished;

	/* IL_ARM: its loads read what memory held at "floor" or later ... */
	uint32_t floor;
	/* ... and at "latest" or later behind an acquire fence ... */
	uint32_t latest;
	/* ... and of these words what they held since then: an older value was overwritten before. */
	uint32_t n_seen;
	struct {
		uint32_t half, since;
	} seen[IL_SEEN];

	struct il_buffer buffer;
};

extern struct il_actor il_actors[IL_ACTORS];
extern unsigned int il_n_actors;
extern const struct il_scenario *il_scenario;
extern enum il_model il_model;

/* A violation was found: its text. */
extern char il_violation[256];
extern bool il_violated;

void il_violate(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether all stores of an actor reach memory before this access. Of IL_CAS: if it succeeds. */
bool il_access_drains(const struct il_trap *trap);

/* Whether other actors, or stores that are late, may come before the actor's trap. Notes its use. */
bool il_access_is_point(unsigned int number);

/* How many values the actor's trap may read: versions 0 .. n - 1, of which 0 is the newest. */
unsigned int il_access_versions(unsigned int number);

/* The trap happens, and reads this version. */
void il_access_happen(unsigned int number, unsigned int version, bool point);

/* The actor's code has made a plain access that was about to happen, and stands at its next trap. */
void il_access_settle(unsigned int number);

/* A store of an actor reaches memory. */
void il_access_flush(unsigned int number, uint32_t store);

/* NULL, or called for each access that happens, with the value read or written. */
extern void (*il_on_access)(unsigned int actor, const struct il_trap *trap, uint64_t value, bool point);

/* NULL, or called for each store that reaches memory later than it was made. */
extern void (*il_on_flush)(unsigned int actor, const struct il_store *store);

/* Runs all actors to their first points. */
void il_actors_begin(void);

/* Lets the trap of an actor happen, and runs it to its next point. */
void il_actor_step(unsigned int number, unsigned int version);

/* The bytes that a saved actor takes now. */
size_t il_actor_size(unsigned int number);
void il_actor_save(unsigned int number, char *to);
void il_actor_restore(unsigned int number, const char *from);

/* ---- late.c ---- */

/* A bit for each late store of each actor: it matters now whether that reaches memory. */
void il_late_matter(uint64_t matter[IL_ACTORS]);

/* Stores may reach memory at any time, and not only when it matters. */
extern bool il_late_eager;

/* ---- old.c ---- */

/* Forgets what was noted of all actors, for the next scenario. */
void il_old_forget(void);

/* The earliest time whose value a load of this actor may read. */
uint32_t il_old_earliest(const struct il_actor *actor, const struct il_trap *trap);

/* The actor has read or written what memory holds since then. */
void il_old_see(struct il_actor *actor, const void *at, size_t size, uint32_t since);

/* Later loads of the actor read nothing older. */
void il_old_raise(struct il_actor *actor, uint32_t floor);

/* The actor makes an acquire fence. */
void il_old_fence(struct il_actor *actor);
bool il_old_has_fence(void); /* somebody did */

/* What an actor may read of the past. */
struct il_hash il_old_hash(unsigned int number, struct il_hash hash);

/* ---- states.c ---- */

/* What is known of a state: the executions from it to the end, or one of these. */
#define IL_PATHS_NEW  (-1.0) /* never seen before */
#define IL_PATHS_OPEN (-2.0) /* on the way to the state that is searched now */

void il_states_clear(void);

/* Finds a state, or enters it as IL_PATHS_OPEN and returns IL_PATHS_NEW. */
double il_states_enter(struct il_hash key);
void il_states_close(struct il_hash key, double paths);
uint64_t il_states_count(void);

/* ---- search.c ---- */

/* A choice of the scheduler. */
struct il_choice {
	uint8_t actor;
	bool flush;    /* a store of the actor reaches memory; else a step of the actor */
	uint8_t index; /* of the store, or of the version that its trap reads */
};

/* The memory is registered, filled and all actors stand at their first points. */
void il_begin(const struct il_scenario *scenario, enum il_model model);

unsigned int il_choices(struct il_choice *choices);
void il_choose(struct il_choice choice);
void il_run_always(void);
bool il_all_finished(void);

/* The choices that led to the violation that il_search() found last. */
extern struct il_choice *il_path;
extern uint32_t il_path_len;

/* ---- trace.c ---- */

/*
 * Prints the steps that lead to the violation that il_search() found last; with "all" the accesses
 * that no other actor notices, too.
 */
void il_trace(const struct il_scenario *scenario, enum il_model model, bool all);

#endif
