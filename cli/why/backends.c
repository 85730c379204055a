// SPDX-License-Identifier: GPL-2.0-or-later
/* Each endpoint: whether the table has it, why the agent chose it or not, and what a packet to it meets. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "cli/agent_ports.h"
#include "lib/datapath/owner.h"
#include "lib/json/json.h"
#include "lib/maps/counters.h"
#include "lib/net/local_get.h"
#include "lib/service/service.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "why.h"

enum { TRIED = 64 /* endpoints that are tried alone */ };

static const struct nb_json_limits limits = { .depth = 8, .values = 1 << 17 };

/* ---- what the agent says ---- */

/* *json stays NULL if no agent answers. */
static void ask_agent(const struct nb_why *why, const char *service, cJSON **json)
{
	nb_cleanup(nb_listeners_free) struct nb_listeners listeners = { 0 };
	pid_t pid = 0;
	char path[NB_NAME_MAX + 16];

	snprintf(path, sizeof(path), "/endpoints/%s", service);
	if (nb_owner_find(&why->cli->pin_root, why->network, &pid, NULL) ||
	    nb_agent_ports(pid, &listeners, NULL))
		return;
	for (size_t i = 0; i < listeners.all.n && !*json; i++) {
		nb_cleanup(nb_local_answer_free) struct nb_local_answer answer = { 0 };
		const struct nb_listener *at = &listeners.all.items[i];

		if (!nb_local_get(&at->addr, at->port, path, NB_AGENT_ANSWER_MS, &answer, NULL) &&
		    answer.status == 200)
			(void)nb_json_parse(answer.body, strlen(answer.body), &limits, json, NULL);
	}
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

/* Which choice counts for the frontend. */
static const char *clients_of(const struct nb_service *service)
{
	if (service->kind == NB_CLUSTER_IP)
		return "clusterIP";
	return service->key.side == NB_SIDE_OUTSIDE ? "outside" : "external";
}

static const cJSON *find_set(const cJSON *json, const struct nb_service *service)
{
	const char *family = nb_addr_is_v4(&service->key.addr) ? "IPv4" : "IPv6";
	const cJSON *set;

	cJSON_ArrayForEach(set, cJSON_GetObjectItemCaseSensitive(json, "sets")) {
		if (!strcmp(text_of(set, "port"), service->port_name) &&
		    !strcmp(text_of(set, "protocol"), nb_proto_name(service->key.proto)) &&
		    !strcmp(text_of(set, "family"), family) &&
		    !strcmp(text_of(set, "clients"), clients_of(service)))
			return set;
	}
	return NULL;
}

static const struct {
	const char *choice, *words;
	bool chosen;
} choices[] = {
	{ "ready", "ready", true },
	{ "lastResort", "terminating, but no endpoint is ready", true },
	{ "notReady", "not ready", false },
	{ "terminating", "terminating", false },
	{ "elsewhere", "on another node, and the traffic policy is Local", false },
	{ "forOtherNodes", "its topology hints name other nodes", false },
	{ "forOtherZones", "its topology hints name other zones", false },
};

/* Why the agent chose an endpoint or not; NULL: it says nothing. */
static const char *words_of(const cJSON *endpoint, bool *chosen)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		if (strcmp(text_of(endpoint, "choice"), choices[i].choice) != 0)
			continue;
		*chosen = choices[i].chosen;
		return choices[i].words;
	}
	return NULL;
}

/* 0: it is no port. */
static unsigned int port_of(const cJSON *endpoint)
{
	const cJSON *port = cJSON_GetObjectItemCaseSensitive(endpoint, "port");

	return cJSON_IsNumber(port) && port->valueint > 0 && port->valueint <= 65535 ? port->valueint : 0;
}

static bool is_backend(const cJSON *endpoint, const struct nb_backend *backend)
{
	char addr[NB_ADDR_STRLEN];

	return !strcmp(text_of(endpoint, "address"), nb_addr_format(&backend->addr, addr)) &&
	       port_of(endpoint) == ntohs(backend->port);
}

/* ---- rows ---- */

static cJSON *add_row(cJSON *rows, const char *addr, unsigned int port)
{
	cJSON *row = cJSON_CreateObject();

	if (!row || !cJSON_AddItemToArray(rows, row)) {
		cJSON_Delete(row);
		return NULL;
	}
	if (!cJSON_AddStringToObject(row, "address", addr) || !cJSON_AddNumberToObject(row, "port", port))
		return NULL;
	return row;
}

/* A backend of the table. */
static bool add_backend(struct nb_why *why, cJSON *rows, __u32 index, const cJSON *set)
{
	const struct nb_backend *backend = &why->trial.backends[index];
	const bool in_use = index < why->trial.frontend.count;
	const char *words = in_use ? "in the table" : "keeps its connections, gets no new ones";
	const struct nb_endpoint_info *pod = nb_why_pod(why, &backend->addr);
	bool chosen = in_use;
	const cJSON *endpoint;
	char addr[NB_ADDR_STRLEN];
	cJSON *row;

	cJSON_ArrayForEach(endpoint, cJSON_GetObjectItemCaseSensitive(set, "endpoints")) {
		if (is_backend(endpoint, backend)) {
			words = words_of(endpoint, &chosen);
			break;
		}
	}
	if (chosen != in_use)
		words = in_use ? "the table is behind the cluster, which does not want it"
			       : "the table is behind the cluster, which wants it";
	row = add_row(rows, nb_addr_format(&backend->addr, addr), ntohs(backend->port));
	return row && cJSON_AddBoolToObject(row, "newConnections", in_use) &&
	       cJSON_AddStringToObject(row, "why", words ? words : "") &&
	       (!pod || cJSON_AddStringToObject(row, "device", nb_why_link_name(why, pod->port.ifindex)));
}

static bool is_in_table(const struct nb_why *why, const cJSON *endpoint)
{
	for (__u32 i = 0; i < why->trial.frontend.known; i++)
		if (is_backend(endpoint, &why->trial.backends[i]))
			return true;
	return false;
}

/* Endpoints that the table does not have. */
static bool add_others(const struct nb_why *why, cJSON *rows, const cJSON *set)
{
	const cJSON *endpoint;
	bool ok = true;

	cJSON_ArrayForEach(endpoint, cJSON_GetObjectItemCaseSensitive(set, "endpoints")) {
		bool chosen = false;
		const char *words = words_of(endpoint, &chosen);
		struct nb_addr addr;
		cJSON *row;

		if (!words || !nb_addr_parse(text_of(endpoint, "address"), &addr) ||
		    is_in_table(why, endpoint))
			continue;
		row = add_row(rows, text_of(endpoint, "address"), port_of(endpoint));
		ok = row && cJSON_AddBoolToObject(row, "newConnections", false) &&
		     cJSON_AddStringToObject(
			     row, "why", chosen ? "the table is behind the cluster, which wants it" : words);
		if (!ok)
			break;
	}
	return ok;
}

/* What a packet to one backend alone meets. */
static int try_backend(struct nb_why *why, __u32 index, cJSON *row, struct nb_error *err)
{
	const __be16 sport = htons(ntohs(why->tuple.sport) + 1 + index);
	struct nb_trial_result result;
	struct nb_tuple sent = why->tuple;
	enum nb_result became;
	const char *lost = NULL;
	int rc = nb_trial_choose(&why->trial, (int)index, err);

	rc = rc ? rc : nb_why_run(why, sport, &result, err);
	if (rc)
		return rc;
	sent.sport = sport;
	became = nb_why_result(&result, &sent);
	if (became == NB_DROPPED || became == NB_REJECTED)
		lost = nb_counter_name(result.drop);
	else if (became == NB_ARRIVES && result.is_tracked && !nb_why_has_way(why, &result))
		lost = "the host has no route to it";
	return !lost || cJSON_AddStringToObject(row, "lost", lost) ? 0 : nb_fail_nomem(err);
}

/* Only of a packet that may begin a connection: a client in no source range has no backend at all. */
static int try_backends(struct nb_why *why, cJSON *rows, struct nb_error *err)
{
	const __u32 count = why->trial.frontend.count, n = count < TRIED ? count : TRIED;
	cJSON *row = rows->child;
	int rc = 0;

	for (__u32 i = 0; i < n && row && why->port_is_made_up && !rc; i++, row = row->next)
		rc = try_backend(why, i, row, err);
	return rc ? rc : nb_trial_choose(&why->trial, -1, err);
}

/* What it says is hostile until checked. */
static bool add_policy(struct nb_why *why, const char *policy)
{
	if (strcmp(policy, "Local") != 0 && strcmp(policy, "Cluster") != 0)
		return true;
	return cJSON_AddStringToObject(why->row, "policy", policy);
}

int nb_why_add_backends(struct nb_why *why, struct nb_error *err)
{
	nb_cleanup(nb_json_free) cJSON *json = NULL;
	const struct nb_service *service = why->service;
	const cJSON *set;
	cJSON *rows;
	bool ok;

	if (!service || !why->trial.has_frontend)
		return 0;
	ask_agent(why, service->name, &json);
	set = find_set(json, service);
	rows = cJSON_AddArrayToObject(why->row, "backends");
	ok = rows && add_policy(why, text_of(set, "policy"));
	for (__u32 i = 0; ok && i < why->trial.frontend.known; i++)
		ok = add_backend(why, rows, i, set);
	if (!ok || !add_others(why, rows, set))
		return nb_fail_nomem(err);
	return try_backends(why, rows, err);
}
