/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_WHY_SEND_H
#define NATBRIDGE_CLI_WHY_SEND_H

/* natbridgectl why --send: the packet in earnest, and what became of it. */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

#include "why.h"

enum { NB_HEARD_MAX = 4 };

/* A drop that was heard while the packet was under way. */
struct nb_heard {
	enum nb_counter reason;
	bool is_answer; /* it was the answer's */
	char network[256], link[IFNAMSIZ];
};

struct nb_sent {
	int errnum; /* 0: connected, or answered; ETIMEDOUT: no answer; ECONNREFUSED and others: as connect()
		     */
	double ms;  /* until then */
	struct nb_heard heard[NB_HEARD_MAX];
	size_t n_heard;
};

/*
 * Opens a connection of TCP or SCTP and closes it again, or sends four bytes by UDP or a ping, from the
 * sender's network namespace; waits for an answer for 3 s, or 1 s without a connection. Sets the source port
 * of why->tuple, unless the question has one. An error: nothing was sent.
 */
int nb_why_send(struct nb_why *why, struct nb_sent *sent, struct nb_error *err);

#endif
