// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridge-agent: whether it runs, what it says of itself, and its API servers. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <natbridge/version.h>

#include "lib/json/json.h"
#include "lib/net/local_get.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/process.h"

#include "agent_state.h"
#include "checks.h"

#define LOGS                                                                                                 \
	"journalctl -u natbridge-agent, or kubectl -n kube-system logs -l "                                  \
	"app.kubernetes.io/name=natbridge-agent"
#define START "systemctl start natbridge-agent; its messages: " LOGS

enum {
	OFFSET_MAX_S = 30,
	CHECK_MS = 20000,
	CONNECT_MS = 2000,
	WATCH_TRIES = 4, /* a watch that has ended begins anew at once */
	WATCH_MS = 500,
};

/* Asks it once for all checks. */
static int read_state(struct nb_doctor *doctor, struct nb_error *err)
{
	if (doctor->agent_read)
		return 0;
	int rc = nb_agent_state_read(doctor, &doctor->agent, err);
	doctor->agent_read = !rc;
	return rc;
}

/* ---- whether it runs ---- */

static const char *process_of(struct nb_doctor *doctor, const struct nb_agent_state *state)
{
	return state->pid > 0 ? nb_doctor_text(doctor, "process %d", (int)state->pid) : "natbridge-agent";
}

/* Tables that nobody feeds. While no agent runs at all, only the node's own needs one. */
static void check_tables(struct nb_doctor *doctor, const struct nb_agent_state *state)
{
	for (size_t i = 0; i < doctor->networks.n; i++) {
		const struct nb_doctor_network *network = doctor->networks.items[i];

		if (network->owner || !network->usable)
			continue;
		if (network->is_node)
			nb_found(doctor, network->name, "no natbridge-agent feeds the node's own table",
				 START);
		else if (state->pid && network->mode == NB_MODE_EBPF && network->file)
			nb_found(doctor, network->name,
				 nb_doctor_text(doctor, "natbridge-agent (%s) does not feed this network",
						process_of(doctor, state)),
				 LOGS);
	}
}

int nb_check_agent(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	const struct nb_agent_state *state = &doctor->agent;
	const size_t before = doctor->findings.n;
	int rc = read_state(doctor, err);

	(void)network;
	if (rc)
		return rc;
	check_tables(doctor, state);
	if (state->serves && state->mute.code && !state->health && !state->metrics)
		nb_found(doctor, process_of(doctor, state),
			 nb_doctor_text(doctor, "natbridge-agent does not answer: %s", state->mute.msg),
			 "systemctl restart natbridge-agent, or delete its pod");
	else if (!state->pid && doctor->findings.n == before && !access(doctor->agent_config, F_OK))
		nb_found(doctor, "natbridge-agent",
			 nb_doctor_text(doctor, "%s configures an agent, and none feeds a table here",
					doctor->agent_config),
			 START);
	return 0;
}

/* ---- what it says of itself ---- */

static const struct cJSON *get(const struct cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* Other checks look for programs themselves, and know more. */
static bool knows_program(const struct nb_doctor *doctor)
{
	for (size_t i = 0; i < doctor->findings.n; i++)
		if (strstr(doctor->findings.items[i].check, "-program"))
			return true;
	return false;
}

static bool is_any_watch_down(const struct cJSON *health)
{
	const struct cJSON *watch;

	cJSON_ArrayForEach(watch, get(get(health, "natbridge"), "watches")) {
		/* A server may have no ServiceCIDRs, or no right to read them. */
		if (strcmp(watch->string, "servicecidrs") != 0 && !cJSON_IsTrue(get(watch, "up")))
			return true;
	}
	return false;
}

int nb_check_agent_health(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			  struct nb_error *err)
{
	const struct nb_agent_state *state = &doctor->agent;
	const struct cJSON *family, *table;
	bool missing = false;
	int rc = read_state(doctor, err);

	(void)network;
	if (rc || !state->health)
		return rc;
	const char *detached = cJSON_GetStringValue(get(get(state->health, "natbridge"), "detached"));
	if (detached && !knows_program(doctor))
		nb_found(doctor, process_of(doctor, state),
			 nb_doctor_text(doctor, "natbridge-agent misses a program: %s", detached),
			 "recreate the pod, and find what removes programs: another tool that manages tc or "
			 "tcx");
	cJSON_ArrayForEach(family, get(state->health, "status")) {
		if (cJSON_IsFalse(get(family, "healthy")))
			nb_found(doctor, process_of(doctor, state),
				 nb_doctor_text(doctor,
						"a change of %s has waited for a minute to be written",
						family->string),
				 LOGS);
	}
	cJSON_ArrayForEach(table, get(get(state->health, "natbridge"), "notWritten")) {
		nb_found(doctor, process_of(doctor, state),
			 nb_doctor_text(doctor, "the table of \"%s\" is not equal to the cluster: %s",
					table->string, cJSON_GetStringValue(table)),
			 LOGS);
		missing = true;
	}
	if (state->readyz == 503 && !missing && state->livez == 200 && !is_any_watch_down(state->health))
		nb_found_other(doctor,
			       &(struct nb_finding){ .severity = NB_WARNING,
						     .subject = process_of(doctor, state),
						     .what = "not all tables are equal to the cluster yet",
						     .why = "Services may be missing",
						     .fix = "wait; if it stays so: " LOGS });
	return 0;
}

int nb_check_agent_node(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	const struct nb_agent_state *state = &doctor->agent;
	int rc = read_state(doctor, err);

	(void)network;
	if (!rc && cJSON_IsFalse(get(state->health, "nodeEligible")))
		nb_found(doctor, process_of(doctor, state),
			 "the cluster has no Node of this name, or the Node is going",
			 "kubectl get nodes; natbridge-agent --hostname-override gives the Node's name");
	return rc;
}

struct version {
	struct nb_doctor *doctor;
	const struct nb_agent_state *state;
};

static bool compare_version(const char *labels, const char *value, void *arg)
{
	const struct version *version = arg;
	struct nb_doctor *doctor = version->doctor;
	char text[64];

	(void)value;
	if (nb_agent_label(labels, "version", text, sizeof(text)) && strcmp(text, NB_VERSION) != 0)
		nb_found(doctor, process_of(doctor, version->state),
			 nb_doctor_text(doctor, "natbridge-agent has version %s, and natbridgectl %s", text,
					NB_VERSION),
			 "install the same version of plugin, tool and agent, and restart the agent");
	return false;
}

int nb_check_agent_version(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			   struct nb_error *err)
{
	const struct nb_agent_state *state = &doctor->agent;
	int rc = read_state(doctor, err);

	(void)network;
	if (!rc)
		nb_agent_each_sample(state, "natbridge_build_info", compare_version,
				     &(struct version){ doctor, state });
	return rc;
}

/* ---- API servers ---- */

struct servers {
	struct nb_doctor *doctor;
	const char *text;
	char last[300];
};

/* Whether a server can be reached at all. Only addresses are tried: names are the agent's to resolve. */
static const char *describe_server(struct nb_doctor *doctor, const char *host)
{
	struct nb_error why = { 0 };
	struct nb_addr addr;
	__be16 port;

	if (!nb_addr_port_parse(host, &addr, &port))
		return nb_doctor_text(doctor, "%s", host);
	if (!nb_local_connect(&addr, be16toh(port), CONNECT_MS, &why))
		return nb_doctor_text(doctor, "%s takes connections", host);
	return nb_doctor_text(doctor, "%s: %s", host, strerror(why.errnum));
}

/* Samples of one host stand together. */
static bool add_server(const char *labels, const char *value, void *arg)
{
	struct servers *servers = arg;
	char host[300];

	(void)value;
	if (!nb_agent_label(labels, "host", host, sizeof(host)) || !strcmp(host, servers->last))
		return true;
	snprintf(servers->last, sizeof(servers->last), "%s", host);
	servers->text = nb_doctor_text(servers->doctor, "%s%s%s", servers->text, *servers->text ? ", " : "",
				       describe_server(servers->doctor, host));
	return true;
}

static const char *watches_down(struct nb_doctor *doctor, const struct cJSON *health)
{
	const struct cJSON *watch;
	const char *text = "";

	cJSON_ArrayForEach(watch, get(get(health, "natbridge"), "watches")) {
		if (!cJSON_IsTrue(get(watch, "up")) && strcmp(watch->string, "servicecidrs") != 0)
			text = nb_doctor_text(doctor, "%s%s%s", text, *text ? ", " : "", watch->string);
	}
	return text;
}

/*
 * What natbridge-agent --check prints: a row for each thing, of which those of the API count here; others
 * have checks of their own. Without any row, the last line is why nothing was looked at.
 */
static void take_lines(struct nb_doctor *doctor, char *text)
{
	static const char failed[] = "FAILED API ";
	const char *names = "", *why = "", *last = "";
	const bool has_rows = strstr(text, "FAILED ") || strstr(text, "ok ");
	char *line, *colon;

	while ((line = strsep(&text, "\n"))) {
		last = *line ? line : last;
		colon = strchr(line, ':');
		if (strncmp(line, failed, strlen(failed)) != 0 || !colon)
			continue;
		*colon = '\0';
		names = nb_doctor_text(doctor, "%s%s%s", names, *names ? ", " : "", line + strlen(failed));
		why = *why ? why : colon + 1 + (colon[1] == ' ');
	}
	if (*names)
		nb_found(doctor, "natbridge-agent",
			 nb_doctor_text(doctor, "it cannot follow %s: %s", names, why),
			 nb_doctor_text(doctor, "natbridge-agent --config %s --check", doctor->agent_config));
	else if (!has_rows)
		nb_found(doctor, "natbridge-agent", nb_doctor_text(doctor, "%s", last),
			 nb_doctor_text(doctor, "correct %s: natbridge-agent.yaml(5)", doctor->agent_config));
}

/* Where programs are looked for: beside this one, and in PATH. */
static const char *program_path(struct nb_doctor *doctor)
{
	const char *env = getenv("PATH");
	char self[PATH_MAX] = "";
	char *slash;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		*self = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	return nb_doctor_text(doctor, "%s:%s:/usr/sbin", self, env ? env : "");
}

/* While no agent runs that could be asked: what it would say of the servers. */
static int run_check(struct nb_doctor *doctor, struct nb_error *err)
{
	const char *const args[] = { "--config", doctor->agent_config, "--check", NULL };
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	struct nb_process process = { .args = args, .timeout_ms = CHECK_MS, .take_errors = true };
	nb_autofree char *path = NULL;

	if (access(doctor->agent_config, F_OK) ||
	    nb_process_find("natbridge-agent", program_path(doctor), &path, NULL))
		return 0;
	process.path = path;
	int rc = nb_process_run(&process, &out, err);
	if (!rc && out.status)
		take_lines(doctor, out.text);
	return rc;
}

int nb_check_api(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	const struct timespec pause = { .tv_nsec = WATCH_MS * 1000000L };
	const struct nb_agent_state *state = &doctor->agent;
	struct servers servers = { .doctor = doctor, .text = "" };
	int rc = read_state(doctor, err);

	(void)network;
	if (!rc && !state->pid)
		return run_check(doctor, err);
	for (unsigned int i = 1; i < WATCH_TRIES && !rc && is_any_watch_down(state->health); i++) {
		nanosleep(&pause, NULL);
		nb_agent_state_free(&doctor->agent);
		doctor->agent = (struct nb_agent_state){ 0 };
		doctor->agent_read = false;
		rc = read_state(doctor, err);
	}
	if (rc || !is_any_watch_down(state->health))
		return rc;
	nb_agent_each_sample(state, "rest_client_requests_total", add_server, &servers);
	nb_found(doctor, process_of(doctor, state),
		 nb_doctor_text(doctor, "no API server sends changes of %s (%s)",
				watches_down(doctor, state->health),
				*servers.text ? servers.text : "no server is known"),
		 "see that the servers run, and that the node reaches them; " LOGS);
	return 0;
}

int nb_check_api_object(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	const struct nb_agent_state *state = &doctor->agent;
	const struct cJSON *watch;
	int rc = read_state(doctor, err);

	(void)network;
	cJSON_ArrayForEach(watch, get(get(state->health, "natbridge"), "watches")) {
		const struct cJSON *skipped = get(watch, "skippedObjects");

		if (cJSON_IsNumber(skipped) && skipped->valuedouble > 0)
			nb_found(doctor, process_of(doctor, state),
				 nb_doctor_text(doctor,
						"natbridge-agent has skipped %.0f %s that it cannot read",
						skipped->valuedouble, watch->string),
				 "its log names them: " LOGS);
	}
	return rc;
}

/* ---- the clock ---- */

static bool compare_clock(const char *labels, const char *value, void *arg)
{
	struct nb_doctor *doctor = arg;
	const double offset = strtod(value, NULL);
	char host[300] = "?";

	nb_agent_label(labels, "host", host, sizeof(host));
	if (offset > OFFSET_MAX_S || offset < -OFFSET_MAX_S)
		nb_found(doctor, "clock",
			 nb_doctor_text(doctor, "the node's clock is %.0f s %s that of the API server %s",
					offset > 0 ? offset : -offset, offset > 0 ? "behind" : "ahead of",
					host),
			 "timedatectl, or chronyc makestep");
	return true;
}

/* No server says what time it is: the clock is wrong if it is earlier than this program. */
static void compare_program(struct nb_doctor *doctor)
{
	struct timespec now;
	struct stat status;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!stat("/proc/self/exe", &status) && status.st_mtime - now.tv_sec > 86400)
		nb_found(doctor, "clock",
			 "the node's clock is earlier than the time at which natbridgectl was made",
			 "timedatectl, or chronyc makestep");
}

int nb_check_clock(struct nb_doctor *doctor, const struct nb_doctor_network *network, struct nb_error *err)
{
	const struct nb_agent_state *state = &doctor->agent;
	int rc = read_state(doctor, err);

	(void)network;
	if (rc)
		return rc;
	compare_program(doctor);
	nb_agent_each_sample(state, "natbridge_api_clock_offset_seconds", compare_clock, doctor);
	return 0;
}
