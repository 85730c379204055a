// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds the agent and asks it. */
#include "agent_state.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/agent_ports.h"
#include "lib/json/json.h"
#include "lib/net/listeners.h"
#include "lib/net/local_get.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "doctor.h"

static const struct nb_json_limits limits = { .depth = 16, .values = 4096 };

void nb_agent_state_free(struct nb_agent_state *state)
{
	nb_json_free(&state->health);
	free(state->metrics);
}

static pid_t find_owner(const struct nb_doctor *doctor)
{
	pid_t found = 0;

	for (size_t i = 0; i < doctor->networks.n && found <= 0; i++)
		if (doctor->networks.items[i]->owner)
			found = doctor->networks.items[i]->owner;
	return found;
}

/* The status of an answer; 0: there is none, and why in state->mute. */
static int ask_status(const struct nb_listener *at, const char *path, struct nb_agent_state *state)
{
	nb_cleanup(nb_local_answer_free) struct nb_local_answer answer = { 0 };

	nb_local_get(&at->addr, at->port, path, NB_AGENT_ANSWER_MS, &answer, &state->mute);
	return answer.status;
}

/* Takes an answer of the agent's /healthz; other servers have other JSON, or none. */
static bool take_health(const struct nb_listener *at, const char *body, struct nb_agent_state *state)
{
	nb_cleanup(nb_json_free) struct cJSON *json = NULL;

	if (state->health || nb_json_parse(body, strlen(body), &limits, &json, NULL) ||
	    !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(json, "natbridge")))
		return false;
	state->health = NB_TAKE_PTR(json);
	state->livez = ask_status(at, "/livez", state);
	state->readyz = ask_status(at, "/readyz", state);
	return true;
}

/* Asks one of its ports. One that does not answer in time ends the asking. */
static void ask_port(const struct nb_listener *at, struct nb_agent_state *state)
{
	nb_cleanup(nb_local_answer_free) struct nb_local_answer health = { 0 }, metrics = { 0 };

	if (nb_local_get(&at->addr, at->port, "/healthz", NB_AGENT_ANSWER_MS, &health, &state->mute) ||
	    take_health(at, health.body, state) || state->metrics)
		return;
	if (!nb_local_get(&at->addr, at->port, "/metrics", NB_AGENT_ANSWER_MS, &metrics, &state->mute) &&
	    strstr(metrics.body, "\nnatbridge_build_info{"))
		state->metrics = NB_TAKE_PTR(metrics.body);
}

int nb_agent_state_read(const struct nb_doctor *doctor, struct nb_agent_state *state, struct nb_error *err)
{
	nb_cleanup(nb_listeners_free) struct nb_listeners listeners = { 0 };
	int rc;

	state->pid = find_owner(doctor);
	rc = nb_agent_ports(state->pid, &listeners, err);
	if (rc)
		return rc;
	state->serves = listeners.all.n;
	for (size_t i = 0; i < listeners.all.n && !state->mute.code; i++) {
		const struct nb_listener *at = &listeners.all.items[i];
		char addr[NB_ADDR_STRLEN];

		if (!*state->where)
			snprintf(state->where, sizeof(state->where), "%s port %u",
				 nb_addr_format(&at->addr, addr), at->port);
		ask_port(at, state);
	}
	return 0;
}

/* ---- metrics ---- */

void nb_agent_each_sample(const struct nb_agent_state *state, const char *metric,
			  bool (*fn)(const char *labels, const char *value, void *arg), void *arg)
{
	const size_t len = strlen(metric);
	const char *line = state->metrics;

	for (; line; line = strchr(line, '\n')) {
		char labels[512] = "", value[64];
		const char *rest;

		line += *line == '\n';
		if (strncmp(line, metric, len) != 0)
			continue;
		rest = line + len;
		if (*rest == '{' && sscanf(rest, "%511[^}\n]} %63s", labels, value) == 2) {
			if (!fn(labels, value, arg))
				return;
		} else if (*rest == ' ' && sscanf(rest, " %63s", value) == 1) {
			if (!fn("", value, arg))
				return;
		}
	}
}

bool nb_agent_label(const char *labels, const char *name, char *value, size_t size)
{
	const size_t len = strlen(name);
	const char *at = labels;

	while (*at) {
		const char *end;

		at += strspn(at, "{,");
		end = strchr(at, '"');
		end = end ? strchr(end + 1, '"') : NULL;
		if (!end)
			return false;
		if (!strncmp(at, name, len) && at[len] == '=' && at[len + 1] == '"') {
			const size_t n = end - (at + len + 2);

			if (n >= size || memchr(at + len + 2, '\\', n))
				return false;
			memcpy(value, at + len + 2, n);
			value[n] = '\0';
			return true;
		}
		at = end + 1;
	}
	return false;
}
