/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_DOCTOR_AGENT_STATE_H
#define NATBRIDGE_CLI_DOCTOR_AGENT_STATE_H

/*
 * What natbridge-agent says of itself: the process is the one that owns a network's table, and its servers
 * are the ports at which it listens, whatever its configuration says. An agent of another pid namespace is
 * asked at the ports that it has by default.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "lib/util/error.h"

struct cJSON;
struct nb_doctor;

struct nb_agent_state {
	pid_t pid;            /* 0: no table has an owner; -1: it cannot be seen */
	bool serves;          /* it listens somewhere */
	char where[64];       /* the first of its ports, in words */
	struct nb_error mute; /* why it does not answer; code 0: it does, or it does not listen */
	struct cJSON *health; /* what /healthz says; NULL: it is not served */
	int livez, readyz;    /* status of HTTP; 0: no answer */
	char *metrics;        /* what /metrics says; NULL: it is not served */
};

/* Asks it, for at most some seconds. The caller frees *state (zeroed). -ENOMEM. */
int nb_agent_state_read(const struct nb_doctor *doctor, struct nb_agent_state *state, struct nb_error *err);
void nb_agent_state_free(struct nb_agent_state *state); /* for nb_cleanup() */

/*
 * Calls fn for each sample of a metric, with its labels ("{...}", "" for none) and its value, until it
 * returns false. Without metrics: no call.
 */
void nb_agent_each_sample(const struct nb_agent_state *state, const char *metric,
			  bool (*fn)(const char *labels, const char *value, void *arg), void *arg);

/* Copies the value of a label; false: there is none, or it is too long or has escapes. */
bool nb_agent_label(const char *labels, const char *name, char *value, size_t size);

#endif
