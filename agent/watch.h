/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_WATCH_H
#define NATBRIDGE_AGENT_WATCH_H

/*
 * Follows the objects of one resource: reads all of them, then each change, for as long as the
 * agent runs. A server that goes, lies or restarts makes it try again; the owner hears of that only
 * by the statistics.
 *
 * What the owner hears:
 *
 *   begin, put*, end      a full set. At end, and not before, what the set does not name is gone.
 *                         The first set makes the resource known; later ones come when changes may
 *                         have been missed (HTTP 410).
 *   begin, put*, abort    a set that broke. It is as if it had never begun: the objects that the
 *                         owner had before stand.
 *   put, remove           between sets: one change. In a set, a remove takes back a put.
 *
 * The owner therefore collects a set apart from what it has, and swaps at end. A put may repeat what
 * is known, and a remove may name what is not. No callback may free the watch, or start or cancel
 * requests; a timer of delay 0 may.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct nb_api;
struct nb_json;
struct nb_loop;
struct nb_watch;

struct nb_watch_owner {
	void (*begin)(void *arg);
	void (*end)(void *arg);
	void (*abort)(void *arg);
	/* The object has a name, and its kind if it has one; nothing else is checked. It is gone after
	 * the call. */
	void (*put)(const struct nb_json *object, void *arg);
	void (*remove)(const struct nb_json *object, void *arg);
	/* An object that cannot be read was skipped. Its names are a guess, from what came of it, and
	 * may be empty. In a set, an owner who has an object of that name may keep it. */
	void (*bad)(const char *namespace, const char *name, const char *why, void *arg);
};

/* In milliseconds. Tests have shorter ones. */
struct nb_watch_times {
	unsigned int pause_first_ms, pause_max_ms, healthy_ms; /* of struct nb_backoff */
	unsigned int short_ms;  /* a watch that ends earlier and without an event has failed */
	unsigned int silent_ms; /* a server that streams no list says nothing for so long */
	unsigned int absent_ms; /* from one look for a resource that is not there to the next */
};

extern const struct nb_watch_times nb_watch_times; /* 0.8 s, 30 s, 2 min, 1 s, 30 s, 10 min */

/* What to follow. The strings, the owner and the times are constants or outlive the watch. */
struct nb_watch_config {
	const char *name;           /* in logs and metrics: "services" */
	const char *path;           /* "/api/v1/services" */
	const char *kind;           /* "Service" */
	const char *label_selector; /* NULL: none */
	const char *field_selector; /* NULL: none */
	const struct nb_watch_owner *owner;
	void *arg; /* of the owner */
	const struct nb_watch_times *times;
	/* The server does not know the resource, or does not show it, and is asked again much later; NULL:
	 * then it is a failure like any other. */
	void (*absent)(void *arg);
};

/* natbridge_api_watch_*{resource=name}, and what health is made of. */
struct nb_watch_stats {
	bool synced;           /* a full set has come */
	bool up;               /* the server is sending changes, as far as can be told */
	uint64_t requests;     /* lists and watches that were started */
	uint64_t sets;         /* full sets that came whole */
	uint64_t events;       /* puts, removes and bookmarks */
	uint64_t bad;          /* objects that were skipped */
	uint64_t failures;     /* tries that a pause or another server followed */
	int64_t last_event_ms; /* CLOCK_REALTIME, of the last event or the end of a list; 0: none */
};

/* Starts to follow, at the loop's next turn. The caller frees it. NULL: *err. */
struct nb_watch *nb_watch_new(struct nb_loop *loop, struct nb_api *api, const struct nb_watch_config *config,
			      struct nb_error *err);
void nb_watch_free(struct nb_watch **watch); /* for nb_cleanup() */

const struct nb_watch_stats *nb_watch_stats(const struct nb_watch *watch);

#endif
