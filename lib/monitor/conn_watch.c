// SPDX-License-Identifier: GPL-2.0-or-later
/* A word for each pair: which connection it held, and whether its end was told. */
#include "conn_watch.h"

#include <stdlib.h>
#include <time.h>

#include <natbridge/conn_index.h>

#include "lib/maps/conn_table_access.h"
#include "lib/maps/conntrack.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/tick.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

enum state {
	UNKNOWN, /* the pair was never in use */
	LIVE,
	MISSING, /* it has ended without an event, which may be on its way */
	ENDED,   /* told, or over before the first turn */
	STATES = 3,
	/* The connection before it, of the generation before, was ENDED. */
	ENDED_BEFORE = 4,
};

struct nb_conn_watch {
	const struct nb_conn_table *table;
	__u64 *known; /* by pair_id: a life's generation, enum state */
	__u32 now;    /* of this turn */
	__u32 generations[NB_MAX_PORTS];
};

/* ---- words ---- */

static enum state state_of(__u64 word)
{
	return word & STATES;
}

static __u64 generation_of(__u64 life)
{
	return life >> NB_GEN_SHIFT;
}

static void set_state(__u64 *word, enum state state)
{
	*word = (*word & ~(__u64)STATES) | state;
}

/* How many generations a life is behind the word; negative: before it. They wrap around. */
static int generations_behind(__u64 word, __u64 life)
{
	const __u32 difference = (generation_of(life) - generation_of(word)) & NB_GEN_MASK;

	return difference <= NB_GEN_MASK / 2 ? (int)difference : (int)difference - NB_GEN_MASK - 1;
}

/* The word becomes that of another connection, which came later. */
static void follow(__u64 *word, __u64 life, enum state state)
{
	const bool ended = state_of(*word) == ENDED && generations_behind(*word, life) == 1;

	*word = generation_of(life) << NB_GEN_SHIFT | state | (ended ? ENDED_BEFORE : 0);
}

/* ---- what programs tell ---- */

bool nb_conn_watch_note(struct nb_conn_watch *watch, const struct nb_event *event)
{
	const enum state state = event->kind == NB_EVENT_BEGIN ? LIVE : ENDED;
	int behind;
	__u64 *word;

	if (event->pair_id >= watch->table->n_pairs)
		return true;
	word = &watch->known[event->pair_id];
	behind = generations_behind(*word, event->life);
	if (state_of(*word) == UNKNOWN || behind > 0) {
		follow(word, event->life, state);
		return true;
	}
	if (state == LIVE)
		return true;
	if (behind < 0)
		return behind != -1 || !(*word & ENDED_BEFORE);
	if (state_of(*word) == ENDED)
		return false;
	set_state(word, ENDED);
	return true;
}

/* ---- what a turn finds ---- */

/* Copies the client's entry of a pair. False: the pair got another connection, or another use, meanwhile. */
static bool copy_client(const struct nb_conn_watch *watch, __u32 pair_id, __u64 life, struct nb_entry *entry)
{
	const struct nb_entry *at = &watch->table->pairs[pair_id].dir[0];

	*entry = *at;
	nb_read_barrier();
	return nb_life_same(nb_load(&at->conn.life), life);
}

static bool is_expired(const struct nb_conn_watch *watch, __u64 life)
{
	return (__s32)(nb_life_expires(life) - watch->now) <= 0;
}

/*
 * Why a connection is over, or NB_ENDS. What it says of NB_END_CLOSED and NB_END_FLUSHED may be wrong if the
 * event of a program is on its way.
 */
static enum nb_end end_of(const struct nb_conn_watch *watch, __u32 pair_id, __u64 life)
{
	switch (nb_life_use(life)) {
	case NB_USE_FREE:
		return NB_END_FLUSHED;
	case NB_USE_TAKEN:
		break;
	default: /* comes or goes */
		return NB_ENDS;
	}
	if (is_expired(watch, life))
		return NB_END_EXPIRED;
	if (!nb_conn_has_both_ends(&watch->table->pairs[pair_id], watch->generations))
		return NB_END_GONE;
	return nb_state_is_closed(nb_life_state(life)) ? NB_END_CLOSED : NB_ENDS;
}

struct turn {
	struct nb_conn_watch *watch;
	int (*fn)(struct nb_event *event, void *arg);
	void *arg;
};

static int tell(const struct turn *turn, __u32 pair_id, __u64 life, enum nb_end why)
{
	struct nb_event event = { .kind = NB_EVENT_END, .reason = why, .pair_id = pair_id, .life = life };
	struct timespec now;
	struct nb_entry client;

	if (!copy_client(turn->watch, pair_id, life, &client))
		return 0;
	set_state(&turn->watch->known[pair_id], ENDED);
	nb_event_take_entry(&event, &client);
	clock_gettime(CLOCK_MONOTONIC, &now);
	event.ns = (__u64)now.tv_sec * 1000000000 + (__u64)now.tv_nsec;
	return turn->fn(&event, turn->arg);
}

static int look_at_pair(const struct turn *turn, __u32 pair_id)
{
	__u64 *word = &turn->watch->known[pair_id];
	const __u64 life = nb_load(&turn->watch->table->pairs[pair_id].dir[0].conn.life);
	const bool is_taken = nb_life_use(life) == NB_USE_TAKEN;
	enum nb_end why;

	if (is_taken && (state_of(*word) == UNKNOWN || generations_behind(*word, life) > 0))
		follow(word, life, LIVE);
	if (state_of(*word) == UNKNOWN || state_of(*word) == ENDED || generations_behind(*word, life))
		return 0;
	why = end_of(turn->watch, pair_id, life);
	if (why == NB_ENDS)
		return 0;
	if (why != NB_END_CLOSED && why != NB_END_FLUSHED)
		return tell(turn, pair_id, life, why);
	if (state_of(*word) == MISSING)
		return tell(turn, pair_id, life, why);
	set_state(word, MISSING);
	return 0;
}

static int read_present(struct nb_conn_watch *watch, const struct nb_datapath *dp, struct nb_error *err)
{
	int rc = nb_tick_now(dp, &watch->now, err);

	return rc ? rc : nb_endpoint_generations(dp, watch->generations, err);
}

int nb_conn_watch_turn(struct nb_conn_watch *watch, const struct nb_datapath *dp,
		       int (*fn)(struct nb_event *event, void *arg), void *arg, struct nb_error *err)
{
	const struct turn turn = { watch, fn, arg };
	int rc = read_present(watch, dp, err);

	for (__u32 i = 0; i < watch->table->n_pairs && !rc; i++)
		rc = look_at_pair(&turn, i);
	return rc;
}

/* ---- begin and end ---- */

static void enter(struct nb_conn_watch *watch, __u32 pair_id)
{
	const __u64 life = nb_load(&watch->table->pairs[pair_id].dir[0].conn.life);

	if (nb_life_use(life) == NB_USE_TAKEN)
		follow(&watch->known[pair_id], life, end_of(watch, pair_id, life) == NB_ENDS ? LIVE : ENDED);
}

int nb_conn_watch_new(const struct nb_datapath *dp, const struct nb_conn_table *table,
		      struct nb_conn_watch **watch, struct nb_error *err)
{
	nb_cleanup(nb_conn_watch_free) struct nb_conn_watch *new = calloc(1, sizeof(*new));
	int rc;

	if (!new)
		return nb_fail_nomem(err);
	new->table = table;
	new->known = calloc(table->n_pairs ? table->n_pairs : 1, sizeof(*new->known));
	if (!new->known)
		return nb_fail_nomem(err);
	rc = read_present(new, dp, err);
	if (rc)
		return rc;
	for (__u32 i = 0; i < table->n_pairs; i++)
		enter(new, i);
	*watch = NB_TAKE_PTR(new);
	return 0;
}

void nb_conn_watch_free(struct nb_conn_watch **watch)
{
	if (!*watch)
		return;
	free((*watch)->known);
	free(*watch);
	*watch = NULL;
}
