/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_BACKOFF_H
#define NATBRIDGE_AGENT_BACKOFF_H

/* How long to wait after a failure. */

#include <stdbool.h>
#include <stdint.h>

/* Limits and state; the caller zeroes the state. Milliseconds. */
struct nb_backoff {
	unsigned int first_ms, max_ms;
	unsigned int healthy_ms; /* without a failure: pauses begin from the first again */

	unsigned int pause_ms; /* the last one, without what chance added; 0: there was none */
	int64_t failed_ms;     /* CLOCK_MONOTONIC */
};

/* Whether the last failure is less than healthy_ms ago. */
bool nb_backoff_is_recent(const struct nb_backoff *backoff);

/*
 * Notes a failure. Returns the pause: twice the last one, at most max_ms, and up to as much again by
 * chance, since many agents lose a server at once.
 */
int64_t nb_backoff_next(struct nb_backoff *backoff);

/* A number from 0 to max, not for secrets. */
unsigned int nb_random_up_to(unsigned int max);

#endif
