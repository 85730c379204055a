/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_TEST_INTERLEAVE_ENGINE_H
#define NATBRIDGE_TEST_INTERLEAVE_ENGINE_H

/*
 * Walks through all interleavings of a few actors that share memory. An actor is real code: clang
 * compiles it with -fsanitize=thread, and the engine stands for that sanitizer's runtime, so it
 * sees every access to memory before it happens (hooks.c). The Makefile compiles what is in
 * test/interleave/scenarios/ this way; the engine itself is compiled as usual.
 *
 *   state   shared memory, and of each actor its stack, registers and private memory
 *   point   an access to shared memory that another actor may notice, or that may notice another
 *           actor's: here another actor may run first
 *   step    from one point of an actor to its next one
 *
 * The search goes through all states, depth first. It notes the hash of each state (128 bits), and
 * goes back by restoring memory and stacks. An actor may do anything that depends on its state
 * alone; so no system calls, no allocation, no clock.
 *
 * A scenario:
 *
 *   static int shared, seen[2];
 *
 *   static void setup(void) { }                          // memory is all zero before
 *   static void add(void) { seen[il_self()] = ++shared; }
 *   static void finally(void) { il_check(shared == 2, "%d instead of 2", shared); }
 *
 *   static const struct il_scenario scenarios[] = {
 *           { .name = "lost update", .memory = memory, .setup = setup, .actors = { add, add },
 *             .finally = finally },
 *   };
 *
 *   static void memory(void)
 *   {
 *           il_shared(&shared, sizeof(shared), "shared");
 *           il_private(0, &seen[0], sizeof(seen[0])); ...
 *   }
 *
 *   int main(int argc, char **argv) { return il_main(argc, argv, scenarios, 1); }
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	IL_ACTORS = 4,

	/* The stack of an actor. Only what it uses is saved. */
	IL_STACK = 64 * 1024,
};

/*
 * How memory behaves.
 *
 * Atomic operations other than loads and stores are full barriers, as in the kernel. In IL_PSO and
 * IL_ARM, those that add, and, or and xor order nothing (eBPF has a form of them that does not,
 * for results that nobody uses), nor does a compare and swap that fails.
 */
enum il_model {
	/* Each access takes effect at once, for all actors. */
	IL_SC,
	/* As x86: an actor's stores reach memory later, in their order. */
	IL_TSO,
	/* Stores to different words of 8 bytes also reach memory in another order. */
	IL_PSO,
	/*
	 * As IL_PSO, and a load may have been made earlier than loads and stores before it: it reads
	 * an old value. What arm64 may do besides, a store before an earlier load, is not modelled.
	 */
	IL_ARM,
	IL_MODELS,
};

struct il_scenario {
	const char *name;

	/* Names the memory: il_shared(), il_private(), il_ghost(). Called once. */
	void (*memory)(void);

	/* Fills the memory, which is all zero. Called again whenever a search begins. */
	void (*setup)(void);

	/* NULL: no more of them. Several may be the same function. */
	void (*actors[IL_ACTORS])(void);

	/*
	 * NULL, or called after each step. It may write to ghost memory only. Each write to a word
	 * that it reads is a point.
	 */
	void (*always)(void);

	/* NULL, or called once in each state in which all actors have finished. */
	void (*finally)(void);

	/* NULL, or called when code of this actor is about to run. */
	void (*switched)(unsigned int actor);

	/* NULL, or what a trace calls the shared memory at this address. "" leaves that to the engine. */
	void (*name_of)(const void *at, char *name, size_t size);

	/*
	 * IL_ARM: NULL, or whether later loads need the value that is read here to know their
	 * addresses. Then they are made after this one.
	 */
	bool (*leads)(const void *at);

	/* What traces call the actors; NULL: A, B, ... */
	const char *actor_names[IL_ACTORS];

	/* A bit for each enum il_model in which it is searched; 0: IL_SC alone. */
	unsigned int models;

	/* NULL, or the search has to find a violation whose text contains this ... */
	const char *violation;

	/* ... in these models, and none in the others. 0: in all. */
	unsigned int violated_in;

	/* Switches away from an actor that could go on; 0: any number. */
	unsigned int preemptions;

	/*
	 * IL_ARM: stores that reach memory before older ones, and loads of old values, in an execution;
	 * 0: any number.
	 */
	unsigned int reorders;

	/* Distinct interleavings, known from elsewhere; 0: not known. */
	double interleavings;

	/* Distinct states in which all have finished; 0: not known. */
	uint64_t ends;

	/*
	 * Search again without what makes the search short: as if no state were met twice, and with
	 * stores that reach memory at any time. Executions and ends must be as many.
	 */
	bool cross_check;

	/* An actor may wait for another one in a loop: a cycle of states is no violation. */
	bool waits;

	/* Only in the long form (--long). */
	bool is_long;
};

/* ---- for scenarios ---- */

/* Memory that several actors use. Aligned to 8 bytes. The name is for traces. */
void il_shared(void *at, size_t size, const char *name);

/* Memory that one actor uses and that outlives its function: what it notes, per-CPU maps. */
void il_private(unsigned int actor, void *at, size_t size);

/* Memory of always(): what it has to remember of earlier states. */
void il_ghost(void *at, size_t size);

/* The number of the actor that runs. */
unsigned int il_self(void);

/* Ends the search: something is wrong here. Actors and checks may call it. */
void il_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define il_check(condition, ...)                                                                             \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			il_fail(__VA_ARGS__);                                                                \
	} while (0)

/*
 * One access to a range of shared memory as a whole, by code that the compiler did not instrument:
 * called before it. It fits hosted_on_hash of test/hosted/hosted.h.
 */
void il_range(const void *at, size_t size, bool writes);

/* Runs the scenarios as the arguments say (--help) and reports in TAP. The exit status of main(). */
int il_main(int argc, char **argv, const struct il_scenario *scenarios, size_t n);

/* ---- for the engine's own test ---- */

struct il_limits {
	uint64_t states; /* the search ends if there are more */
	uint32_t depth;  /* steps of an execution: more count as a loop without end */
	int preemptions; /* negative: no bound */
	int reorders;    /* negative: no bound */
	bool unmerged;   /* each execution for itself, as if no state were met twice */
	bool eager;      /* late stores may reach memory at any time, not only when it matters */
};

struct il_result {
	uint64_t states, transitions; /* distinct states; steps from one to another */
	uint64_t ends;                /* distinct states in which all have finished */
	uint32_t depth;               /* the most steps of an execution */
	uint32_t points;              /* words of 4 bytes where actors meet */
	double interleavings;         /* executions that the states cover; exact below 2^53 */
	bool violated;
	char violation[256];
	bool limited;   /* not complete: more than limits.states */
	double seconds; /* of CPU time */
};

/* Searches one scenario, with the bounds in "limits" instead of its own. */
void il_search(const struct il_scenario *scenario, enum il_model model, const struct il_limits *limits,
	       struct il_result *result);

#endif
