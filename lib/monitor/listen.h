/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MONITOR_LISTEN_H
#define NATBRIDGE_LIB_MONITOR_LISTEN_H

/*
 * Listening to the programs of networks: a ring buffer of this process, which it enters into the map
 * "listeners" of each network, for each kind of events that it wants. Programs write to it while it is there.
 * A process that is killed leaves its ring buffer in the maps; the next listener takes it out.
 */

#include <stdbool.h>
#include <stdint.h>

#include <natbridge/event.h>

#include "lib/datapath/pin_path.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"

struct nb_listening;

/*
 * An event, valid during the call, whose "translated" is known if its packet belongs to a connection.
 * network: its name; "?": it is not known any more. Not 0 ends nb_listen_wait() and nb_listen_turn().
 */
typedef int (*nb_event_fn)(const struct nb_event *event, const char *network, void *arg);

struct nb_listen_config {
	const struct nb_pin_root *root;
	const char *network; /* NULL: every network */
	unsigned int kinds;  /* 1 << enum nb_event_kind, for those that are wanted */
	nb_event_fn fn;
	void *arg;
};

/*
 * Begins to listen to the networks that there are. The caller ends it by nb_listen_end(); *config and what it
 * refers to must outlive it. Fails if there are networks and it can listen to none of them. -EBUSY:
 * NB_LISTENERS processes listen to it already.
 */
int nb_listen_begin(const struct nb_listen_config *config, struct nb_listening **listening,
		    struct nb_error *err);

/* Takes the ring buffer out of all networks; for nb_cleanup(). */
void nb_listen_end(struct nb_listening **listening);

/*
 * Listens also to networks that have come, or have new maps, since. Call it every second or so. Goes on after
 * an error, which the next call may not meet any more, and returns the first one.
 */
int nb_listen_follow(struct nb_listening *listening, struct nb_error *err);

/* How many networks are listened to. */
unsigned int nb_listen_networks(const struct nb_listening *listening);

/* Calls fn for each network, with its newest maps, until fn returns not 0, and returns that. */
int nb_listen_each(const struct nb_listening *listening,
		   int (*fn)(const char *network, const struct nb_datapath *dp, void *arg), void *arg);

/*
 * Looks for ends of connections of which no program tells (conn_watch.h), and calls the listener's fn. Call
 * it every second or so, behind nb_listen_follow(). Returns as nb_listen_wait().
 */
int nb_listen_turn(struct nb_listening *listening, struct nb_error *err);

/*
 * Waits at most ms for events, and calls fn for those that have come. Returns what fn returned if that is not
 * 0; -EINTR: a signal came; else 0.
 */
int nb_listen_wait(struct nb_listening *listening, int ms, struct nb_error *err);

/* How many events the ring buffers of all listeners had no room for, since nb_listen_begin(). */
uint64_t nb_listen_unheard(const struct nb_listening *listening);

#endif
