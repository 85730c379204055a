/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_LOOP_H
#define NATBRIDGE_AGENT_LOOP_H

/*
 * The event loop of one thread: file descriptors (epoll) and one-shot timers. The caller owns
 * struct nb_loop_fd and struct nb_timer, zeroed at first, and keeps them in place while they are in
 * the loop. The loop allocates nothing. Callbacks may add, change and remove any of them, and free
 * what they removed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct epoll_event;

struct nb_loop_fd {
	int fd;
	void (*fn)(uint32_t events, void *arg); /* events: EPOLLIN and others, level-triggered */
	void *arg;
	bool added;
};

struct nb_timer {
	void (*fn)(void *arg);
	void *arg;
	int64_t at_ms;               /* CLOCK_MONOTONIC */
	struct nb_timer *next, **at; /* at NULL: not armed */
};

struct nb_loop {
	int epoll_fd; /* owned */
	bool stopped;
	struct nb_timer *timers;    /* the next one first */
	struct epoll_event *events; /* those that wait for their callback, while it runs */
	int n_events;
};

int nb_loop_open(struct nb_loop *loop, struct nb_error *err);
void nb_loop_close(struct nb_loop *loop); /* for nb_cleanup(); what is in the loop is just left out */

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t nb_loop_now(void);

/*
 * Calls fn(events, arg) whenever the descriptor has one of the events, and on EPOLLERR and
 * EPOLLHUP. The descriptor stays the caller's, who removes it from the loop before closing it.
 */
int nb_loop_fd_add(struct nb_loop *loop, struct nb_loop_fd *watched, uint32_t events, struct nb_error *err);
int nb_loop_fd_change(struct nb_loop *loop, struct nb_loop_fd *watched, uint32_t events,
		      struct nb_error *err);
void nb_loop_fd_remove(struct nb_loop *loop, struct nb_loop_fd *watched); /* nothing, if it is not added */

/* Arms the timer, or arms it anew: fn(arg) once, delay_ms (0 or more) from now. */
void nb_timer_set(struct nb_loop *loop, struct nb_timer *timer, int64_t delay_ms);
void nb_timer_stop(struct nb_timer *timer); /* nothing, if it is not armed */

/* Runs until a callback calls nb_loop_stop(). */
int nb_loop_run(struct nb_loop *loop, struct nb_error *err);
void nb_loop_stop(struct nb_loop *loop);

#endif
