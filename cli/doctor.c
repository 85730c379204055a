// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl doctor: what is wrong on this node, and what to do. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "doctor/checks.h"
#include "doctor/doctor.h"
#include "out.h"

/* Beside those of main.c. */
enum { EXIT_WARNINGS = 4, EXIT_ERRORS = 5 };

#define CNI_DIR      "/etc/cni/net.d"
#define AGENT_CONFIG "/etc/natbridge/agent.yaml"

#define CHECK_ROW(id, scope, severity, fn, why) { id, NB_FOR_##scope, NB_##severity, fn, why },
static const struct nb_check checks[] = { NB_CHECK_TABLE(CHECK_ROW) };
#undef CHECK_ROW

enum { CHECKS = sizeof(checks) / sizeof(checks[0]), PAUSE_MS = 300 };

static const char *const severities[] = {
	[NB_NOTICE] = "notice",
	[NB_WARNING] = "warning",
	[NB_ERROR] = "error",
};

/* ---- the run ---- */

static bool is_for(const struct nb_check *check, const struct nb_doctor_network *network)
{
	switch (check->scope) {
	case NB_FOR_NODE:
		return false;
	case NB_FOR_ALL:
		return true;
	case NB_FOR_TABLES:
		return network->usable;
	case NB_FOR_PODS:
		return network->usable && !network->is_node;
	case NB_FOR_OWN:
		return network->usable && network->is_node;
	case NB_FOR_LINKS:
		return network->file && network->n_links;
	}
	return false;
}

/* A check that cannot look is a finding, too. */
static void run_check(struct nb_doctor *doctor, const struct nb_doctor_network *network)
{
	struct nb_error why = { 0 };
	int rc = doctor->check->fn(doctor, network, &why);

	if (rc == -ENOMEM)
		doctor->nomem = true;
	else if (rc)
		nb_found_other(doctor, &(struct nb_finding){ .severity = NB_WARNING,
							     .subject = network ? network->name : "node",
							     .what = nb_doctor_text(doctor, "%s", why.msg),
							     .why = "this cannot be looked at",
							     .fix = "see the message" });
}

/* Runs the checks from first to last. */
static int run_checks(struct nb_doctor *doctor, const struct nb_check *first, const struct nb_check *last,
		      struct nb_error *err)
{
	for (const struct nb_check *check = first; check <= last; check++) {
		doctor->check = check;
		if (check->scope == NB_FOR_NODE)
			run_check(doctor, NULL);
		for (size_t i = 0; i < doctor->networks.n; i++)
			if (is_for(check, doctor->networks.items[i]))
				run_check(doctor, doctor->networks.items[i]);
		/* Without rights, all others would say the same. */
		if (doctor->findings.n && check == checks)
			break;
	}
	return doctor->nomem ? nb_fail_nomem(err) : 0;
}

/* Reads the node, and runs all checks but the last one, which waits. */
static int look(struct nb_doctor *doctor, struct nb_error *err)
{
	int rc = nb_doctor_read(doctor, err);

	return rc ? rc : run_checks(doctor, checks, checks + CHECKS - 2, err);
}

static bool has_finding(const struct nb_doctor *doctor, const struct nb_finding *finding)
{
	for (size_t i = 0; i < doctor->findings.n; i++) {
		const struct nb_finding *other = &doctor->findings.items[i];

		if (!strcmp(other->check, finding->check) && !strcmp(other->subject, finding->subject) &&
		    other->index == finding->index)
			return true;
	}
	return false;
}

/*
 * What an ADD or a DEL is about to do looks like a fault for a moment, and what is read is not of one moment.
 * So only what is found twice is one.
 */
static int look_again(struct nb_doctor *doctor, struct nb_error *err)
{
	nb_cleanup(nb_doctor_free) struct nb_doctor again = {
		.cli = doctor->cli,
		.cni_dir = doctor->cni_dir,
		.agent_config = doctor->agent_config,
	};
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	size_t kept = 0;

	nanosleep(&pause, NULL);
	int rc = look(&again, err);
	for (size_t i = 0; i < doctor->findings.n && !rc; i++)
		if (has_finding(&again, &doctor->findings.items[i]))
			doctor->findings.items[kept++] = doctor->findings.items[i];
	if (!rc)
		doctor->findings.n = kept;
	return rc;
}

static int examine(struct nb_doctor *doctor, struct nb_error *err)
{
	int rc = look(doctor, err);

	if (!rc && doctor->findings.n)
		rc = look_again(doctor, err);
	if (rc || (doctor->findings.n && doctor->findings.items[0].check == checks[0].id))
		return rc;
	return run_checks(doctor, checks + CHECKS - 1, checks + CHECKS - 1, err);
}

/* ---- the report ---- */

/* The worst first, otherwise in the order in which they were found. */
static void sort(struct nb_doctor *doctor, const struct nb_finding **sorted)
{
	size_t n = 0;

	for (int severity = NB_ERROR; severity >= NB_NOTICE; severity--)
		for (size_t i = 0; i < doctor->findings.n; i++)
			if (doctor->findings.items[i].severity == (enum nb_severity)severity)
				sorted[n++] = &doctor->findings.items[i];
}

static int print_finding(struct nb_doctor *doctor, const struct nb_finding *finding, struct nb_error *err)
{
	struct cJSON *row = cJSON_CreateObject();

	cJSON_AddStringToObject(row, "severity", severities[finding->severity]);
	cJSON_AddStringToObject(row, "check", finding->check);
	cJSON_AddStringToObject(row, "subject", finding->subject);
	if (nb_out_is_json(doctor->cli->out)) {
		cJSON_AddStringToObject(row, "what", finding->what);
		cJSON_AddStringToObject(row, "why", finding->why);
		cJSON_AddStringToObject(row, "fix", finding->fix);
	} else {
		cJSON_AddStringToObject(row, "finding",
					nb_doctor_text(doctor, "%s: %s. To do: %s", finding->what,
						       finding->why, finding->fix));
	}
	return nb_out_row(doctor->cli->out, row, NULL, err);
}

static void print_nothing(struct nb_doctor *doctor)
{
	if (nb_out_is_json(doctor->cli->out))
		return;
	printf("nothing is wrong: %d checks, %zu network%s\n", (int)CHECKS, doctor->networks.n,
	       doctor->networks.n == 1 ? "" : "s");
}

static int report(struct nb_doctor *doctor, struct nb_error *err)
{
	static const struct nb_column columns[] = {
		{ "SEVERITY", "severity" },
		{ "CHECK", "check" },
		{ "SUBJECT", "subject" },
		{ "FINDING", "finding" },
		{ 0 },
	};
	static const struct nb_coloured colours[] = {
		{ "error", NB_COLOUR_RED },
		{ "warning", NB_COLOUR_YELLOW },
		{ "notice", NB_COLOUR_CYAN },
		{ 0 },
	};
	nb_autofree const struct nb_finding **sorted = calloc(doctor->findings.n + 1, sizeof(void *));
	int rc = sorted ? 0 : nb_fail_nomem(err);

	if (rc)
		return rc;
	if (!doctor->findings.n) {
		print_nothing(doctor);
		return 0;
	}
	sort(doctor, sorted);
	nb_out_columns(doctor->cli->out, columns);
	nb_out_wrap(doctor->cli->out, "finding");
	nb_out_colour(doctor->cli->out, "severity", colours);
	for (size_t i = 0; i < doctor->findings.n && !rc; i++)
		rc = print_finding(doctor, sorted[i], err);
	if (sorted[0]->severity != NB_NOTICE)
		*doctor->cli->status = sorted[0]->severity == NB_ERROR ? EXIT_ERRORS : EXIT_WARNINGS;
	return rc;
}

int nb_cmd_doctor(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(nb_doctor_free) struct nb_doctor doctor = {
		.cli = cli,
		.cni_dir = cli->cni_conf_dir ? cli->cni_conf_dir : CNI_DIR,
		.agent_config = cli->agent_config ? cli->agent_config : AGENT_CONFIG,
	};
	int rc = examine(&doctor, err);

	return rc ? rc : report(&doctor, err);
}
