/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_MONITOR_CONN_WATCH_H
#define NATBRIDGE_LIB_MONITOR_CONN_WATCH_H

/*
 * The ends of connections that no program tells of: one whose time is over, which stays in the table until
 * its place is taken; one whose pod is gone; one that natbridgectl has removed. A turn looks at each pair of
 * the table, at two cache lines of those in use, and compares it with a word that it keeps of each. Each end
 * is told once, whether a program or a turn finds it first. Missed are only connections that natbridgectl
 * removes and whose places others have by the next turn.
 */

#include <stdbool.h>

#include <natbridge/event.h>

#include "lib/maps/conn_table.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"

struct nb_conn_watch;

/*
 * Looks at the table for the first time: what has ended by then is not told. *table must outlive the watch,
 * and *dp each turn. The caller frees it with nb_conn_watch_free().
 */
int nb_conn_watch_new(const struct nb_datapath *dp, const struct nb_conn_table *table,
		      struct nb_conn_watch **watch, struct nb_error *err);
void nb_conn_watch_free(struct nb_conn_watch **watch); /* for nb_cleanup() */

/* Notes what a program tells of a connection. False: its end was told already. */
bool nb_conn_watch_note(struct nb_conn_watch *watch, const struct nb_event *event);

/*
 * Calls fn with an event, which has no network, for each end that was found. Returns what fn returned if that
 * is not 0. Note what programs have told before: a connection that has left the table without an event is
 * told by the next turn, since the event may be on its way.
 */
int nb_conn_watch_turn(struct nb_conn_watch *watch, const struct nb_datapath *dp,
		       int (*fn)(struct nb_event *event, void *arg), void *arg, struct nb_error *err);

#endif
