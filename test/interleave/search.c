// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The search. A frame stands for each state on the way to the one that is searched now, with the
 * choices that lead on from there. After a choice was followed to the end, what it changed is
 * restored: memory, the actor that made the step, and ghost memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"

enum {
	/* Executions at random before a search: so many in a row that show no new use of memory. */
	WALKS = 20,

	/* Steps of each. */
	WALK_STEPS = 1000,

	/* Steps that are made twice, to see that they depend on the state alone. */
	TWICE = 2000,
};

/* What is bounded by il_limits. */
struct spent {
	int preemptions, reorders;
};

struct frame {
	struct il_hash key;
	struct il_hash memory_hash;
	double paths;            /* executions from here to the end that were found so far */
	size_t saved, saved_end; /* where saved[] has what the step changes */
	uint32_t memory_mark;
	uint32_t first;          /* its choices begin here in choices[] */
	uint16_t n, next;        /* how many there are, which one comes next */
	struct spent spent;      /* on the way here */
	uint8_t last;            /* the actor that made the step before; IL_ACTORS: none */
	struct il_choice chosen; /* the one that is followed now */
};

static struct frame *frames;
static uint32_t n_frames, room_frames;
static struct il_choice *choices;
static uint32_t room_choices;
static char *saved;
static size_t room_saved;

static const struct il_limits *limits;
static struct il_result *result;

struct il_choice *il_path;
uint32_t il_path_len;

static void *enlarge(void *at, size_t size)
{
	at = realloc(at, size);
	if (!at) {
		fprintf(stderr, "interleave: out of memory\n");
		exit(2);
	}
	return at;
}

/* ---- states ---- */

void il_run_always(void)
{
	if (!il_scenario->always || il_violated)
		return;
	il_checking = true;
	il_scenario->always();
	il_checking = false;
}

void il_begin(const struct il_scenario *scenario, enum il_model model)
{
	il_scenario = scenario;
	il_model = model;
	il_violated = false;
	il_uses_grown = false;
	il_current = 0;
	il_memory_zero();
	if (scenario->setup)
		scenario->setup();
	il_memory_begin();
	il_actors_begin();
	il_run_always();
}

bool il_all_finished(void)
{
	for (unsigned int i = 0; i < il_n_actors; i++)
		if (!il_actors[i].finished || il_actors[i].buffer.n)
			return false;
	return true;
}

static unsigned int flush_choices(struct il_choice *to)
{
	uint64_t matter[IL_ACTORS];
	unsigned int n = 0;

	il_late_matter(matter);
	for (unsigned int i = 0; i < il_n_actors; i++)
		for (uint32_t k = 0; k < il_actors[i].buffer.n; k++)
			if (matter[i] >> k & 1)
				to[n++] = (struct il_choice){ .actor = i, .flush = true, .index = k };
	return n;
}

unsigned int il_choices(struct il_choice *to)
{
	unsigned int n = il_model == IL_SC ? 0 : flush_choices(to);

	for (unsigned int i = 0; i < il_n_actors; i++) {
		unsigned int versions = il_actors[i].finished ? 0 : il_access_versions(i);

		for (unsigned int k = 0; k < versions; k++)
			to[n++] = (struct il_choice){ .actor = i, .index = k };
	}
	for (unsigned int i = 0; !n && i < il_n_actors; i++)
		if (il_actors[i].buffer.n)
			to[n++] = (struct il_choice){ .actor = i, .flush = true };
	return n;
}

void il_choose(struct il_choice choice)
{
	if (choice.flush)
		il_access_flush(choice.actor, choice.index);
	else
		il_actor_step(choice.actor, choice.index);
}

static struct il_hash state_key(unsigned int last, struct spent spent)
{
	bool old_values = il_model == IL_ARM && spent.reorders != limits->reorders;
	struct il_hash hash = il_memory_hash;

	for (unsigned int i = 0; i < il_n_actors; i++)
		hash = il_hash_words(hash, il_actors[i].hash.a, il_actors[i].hash.b);
	for (unsigned int i = 0; i < il_n_actors; i++) {
		if (il_actors[i].buffer.n)
			hash = il_buffer_hash(&il_actors[i].buffer,
					      il_hash_words(hash, i, il_actors[i].buffer.n));
		if (old_values && !il_actors[i].finished)
			hash = il_old_hash(i, hash);
	}
	for (unsigned int i = 0; i < il_n_privates[IL_ACTORS]; i++)
		hash = il_hash_bytes(hash, il_privates[IL_ACTORS][i].at, il_privates[IL_ACTORS][i].size);
	if (il_all_finished())
		return hash;
	if (limits->unmerged)
		hash = il_hash_words(hash, result->transitions, 1);
	if (limits->preemptions >= 0)
		hash = il_hash_words(hash, last, spent.preemptions);
	if (limits->reorders >= 0)
		hash = il_hash_words(hash, spent.reorders, 2);
	return hash;
}

/* ---- frames ---- */

/* Whether a choice interrupts an actor that could go on. */
static bool preempts(const struct frame *frame, struct il_choice choice)
{
	return !choice.flush && frame->last < IL_ACTORS && choice.actor != frame->last &&
	       !il_actors[frame->last].finished;
}

static bool reorders(struct il_choice choice)
{
	return choice.flush ? il_buffer_overtakes(&il_actors[choice.actor].buffer, il_model, choice.index)
			    : choice.index != 0;
}

/* What will be spent after a choice. False: more than is allowed. */
static bool spend(const struct frame *frame, struct il_choice choice, struct spent *spent)
{
	*spent = frame->spent;
	if (limits->preemptions >= 0)
		spent->preemptions += preempts(frame, choice);
	if (limits->reorders >= 0)
		spent->reorders += reorders(choice);
	return (limits->preemptions < 0 || spent->preemptions <= limits->preemptions) &&
	       (limits->reorders < 0 || spent->reorders <= limits->reorders);
}

/* The choices of the state that is now; the actor that runs already comes first. */
static void find_choices(struct frame *frame)
{
	struct il_choice found[IL_CHOICES];
	unsigned int n = il_choices(found);
	struct spent spent;

	if (frame->first + n > room_choices) {
		room_choices = 2 * (frame->first + n) + 1024;
		choices = enlarge(choices, room_choices * sizeof(*choices));
	}
	frame->n = 0;
	for (int others = 0; others < 2; others++)
		for (unsigned int i = 0; i < n; i++)
			if ((found[i].actor != frame->last) == others && spend(frame, found[i], &spent))
				choices[frame->first + frame->n++] = found[i];
}

static void push(struct il_hash key, unsigned int last, struct spent spent)
{
	const struct frame *below = n_frames ? &frames[n_frames - 1] : NULL;
	struct frame frame = { .key = key,
			       .memory_hash = il_memory_hash,
			       .memory_mark = il_memory_mark(),
			       .last = last,
			       .spent = spent };

	if (below) {
		frame.first = below->first + below->n;
		frame.saved = below->saved_end;
	}
	find_choices(&frame);
	if (n_frames == room_frames) {
		room_frames = 2 * room_frames + 1024;
		frames = enlarge(frames, room_frames * sizeof(*frames));
	}
	frames[n_frames++] = frame;
	if (n_frames > result->depth)
		result->depth = n_frames;
}

/* Saves what the choice changes. */
static void save(struct frame *frame)
{
	size_t ghost = il_private_size(IL_ACTORS), size = ghost + il_actor_size(frame->chosen.actor);

	frame->saved_end = frame->saved + size;
	if (frame->saved_end > room_saved) {
		room_saved = 2 * frame->saved_end + IL_STACK;
		saved = enlarge(saved, room_saved);
	}
	il_private_save(IL_ACTORS, saved + frame->saved);
	il_actor_save(frame->chosen.actor, saved + frame->saved + ghost);
}

static void restore(const struct frame *frame)
{
	il_memory_undo(frame->memory_mark, frame->memory_hash);
	il_private_restore(IL_ACTORS, saved + frame->saved);
	il_actor_restore(frame->chosen.actor, saved + frame->saved + il_private_size(IL_ACTORS));
}

/* ---- the search ---- */

static void keep_path(void)
{
	il_path = enlarge(il_path, (n_frames + 1) * sizeof(*il_path));
	il_path_len = n_frames;
	for (uint32_t i = 0; i < n_frames; i++)
		il_path[i] = frames[i].chosen;
}

/* All have finished: the executions from here to the end are 1. */
static double finish(struct il_hash key)
{
	result->ends++;
	if (il_scenario->finally)
		il_scenario->finally();
	il_states_close(key, 1);
	return 1;
}

/* A step, and what comes of it: the key of the state. */
static struct il_hash make_step(const struct frame *frame, struct spent spent)
{
	il_choose(frame->chosen);
	il_run_always();
	return state_key(frame->chosen.flush ? frame->last : frame->chosen.actor, spent);
}

/* Makes the step once more. */
static void make_twice(const struct frame *frame, struct spent spent, struct il_hash key)
{
	struct il_hash again;

	restore(frame);
	again = make_step(frame, spent);
	if (again.a != key.a || again.b != key.b)
		il_violate("a step depends on memory that the scenario does not name");
}

/* Follows the next choice of the last frame. */
static void follow(void)
{
	struct frame *frame = &frames[n_frames - 1];
	struct il_choice choice = choices[frame->first + frame->next++];
	unsigned int last = choice.flush ? frame->last : choice.actor;
	struct spent spent;
	struct il_hash key;
	double paths;

	spend(frame, choice, &spent);
	frame->chosen = choice;
	save(frame);
	result->transitions++;
	key = make_step(frame, spent);
	if (result->transitions < TWICE && !il_violated && !il_uses_grown)
		make_twice(frame, spent, key);
	if (il_violated)
		return;
	paths = il_states_enter(key);
	if (paths == IL_PATHS_NEW && il_all_finished()) {
		paths = finish(key);
	} else if (paths == IL_PATHS_NEW) {
		push(key, last, spent);
		return;
	} else if (paths == IL_PATHS_OPEN) {
		if (!il_scenario->waits)
			il_violate("a state comes back: actors can go round in a loop without end");
		paths = 0;
	}
	frame->paths += paths;
	if (!il_violated)
		restore(frame);
}

/* All choices of the last frame were followed. */
static void pop(void)
{
	const struct frame *frame = &frames[--n_frames];

	il_states_close(frame->key, frame->paths);
	if (!n_frames) {
		result->interleavings = frame->paths;
		return;
	}
	frames[n_frames - 1].paths += frame->paths;
	restore(&frames[n_frames - 1]);
}

/* Whether it goes on. After a new use it does for a while, which most often shows more of them. */
static bool goes_on(uint64_t *until)
{
	if (!il_uses_grown)
		*until = result->transitions + result->transitions / 4 + 1000;
	return n_frames && !il_violated && !result->limited && result->transitions <= *until;
}

/* False: actors meet where they did not before. */
static bool search(const struct il_scenario *scenario, enum il_model model)
{
	uint64_t until = 0;
	struct il_hash key;

	il_begin(scenario, model);
	n_frames = 0;
	memset(result, 0, sizeof(*result));
	il_states_clear();
	key = state_key(IL_ACTORS, (struct spent){ 0 });
	if (!il_violated && il_all_finished()) {
		il_states_enter(key);
		result->interleavings = finish(key);
	} else if (!il_violated) {
		il_states_enter(key);
		push(key, IL_ACTORS, (struct spent){ 0 });
	}
	while (goes_on(&until)) {
		if (frames[n_frames - 1].next == frames[n_frames - 1].n)
			pop();
		else
			follow();
		result->limited = il_states_count() > limits->states;
		if (n_frames > limits->depth)
			il_violate("an execution of more than %u steps", limits->depth);
	}
	keep_path();
	return !il_uses_grown;
}

/* Executions at random, to see who uses what. */
static void walk(const struct il_scenario *scenario, enum il_model model)
{
	uint64_t random = 1;

	for (int left = WALKS; left; left--) {
		struct il_choice found[IL_CHOICES];
		uint32_t before = il_uses;

		il_begin(scenario, model);
		for (int i = 0; i < WALK_STEPS && !il_violated && !il_all_finished(); i++) {
			unsigned int n = il_choices(found);

			if (!n)
				return;
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			il_choose(found[(random >> 33) % n]);
			il_run_always();
		}
		if (il_uses != before)
			left = WALKS;
	}
}

void il_search(const struct il_scenario *scenario, enum il_model model, const struct il_limits *at_most,
	       struct il_result *to)
{
	struct timespec begin, end;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	limits = at_most;
	result = to;
	il_late_eager = at_most->eager;
	il_memory_forget();
	il_old_forget();
	scenario->memory();
	walk(scenario, model);
	while (!search(scenario, model))
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	result->states = il_states_count();
	result->points = il_use_count();
	result->violated = il_violated;
	memcpy(result->violation, il_violation, sizeof(result->violation));
	result->seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}
