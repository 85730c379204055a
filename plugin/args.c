// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the CNI_* variables: which command needs which, and what each may hold. */
#include "args.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "cni_value.h"

static const char *const COMMANDS[NB_CNI_COMMANDS] = {
	[NB_CNI_ADD] = "ADD", [NB_CNI_DEL] = "DEL",       [NB_CNI_CHECK] = "CHECK",
	[NB_CNI_GC] = "GC",   [NB_CNI_STATUS] = "STATUS", [NB_CNI_VERSION] = "VERSION",
};

enum {
	ADD = 1 << NB_CNI_ADD,
	DEL = 1 << NB_CNI_DEL,
	CHECK = 1 << NB_CNI_CHECK,
	GC = 1 << NB_CNI_GC,
	STATUS = 1 << NB_CNI_STATUS,
	POD = ADD | DEL | CHECK, /* commands about one pod */
};

static const char *container_id_problem(const char *id)
{
	return nb_cni_name_valid(id) ? NULL : "is not [a-zA-Z0-9][a-zA-Z0-9_.-]* of at most 200 characters";
}

static const char *path_problem(const char *path)
{
	for (; *path; path++)
		if (iscntrl((unsigned char)*path))
			return "contains a control character";
	return NULL;
}

static const struct {
	const char *name;
	unsigned int needed_by; /* commands that fail without it */
	unsigned int read_by;   /* commands that read it */
	const char *(*problem)(const char *value);
} VARIABLES[] = {
	{ "CNI_CONTAINERID", POD, POD, container_id_problem },
	{ "CNI_NETNS", ADD | CHECK, POD, path_problem },
	{ "CNI_IFNAME", POD, POD, nb_ifname_problem },
	{ "CNI_PATH", POD | GC | STATUS, POD | GC | STATUS, path_problem },
};

const char *nb_command_name(enum nb_cni_command command)
{
	return COMMANDS[command];
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

static bool is_true(const char *value)
{
	return strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

static int read_command(struct nb_args *args, struct nb_error *err)
{
	const char *command = env("CNI_COMMAND");

	for (int i = 0; i < NB_CNI_COMMANDS; i++)
		if (strcmp(command, COMMANDS[i]) == 0) {
			args->command = (enum nb_cni_command)i;
			return 0;
		}
	return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "unknown CNI_COMMAND \"%.50s\"", command);
}

/* Puts every missing and every wrong variable into one message. */
static int check_variables(enum nb_cni_command command, struct nb_error *err)
{
	char missing[128] = "", wrong[NB_ERROR_MSG_MAX / 2] = "";
	const unsigned int bit = 1u << command;
	size_t used;

	for (size_t i = 0; i < sizeof(VARIABLES) / sizeof(*VARIABLES); i++) {
		const char *value = env(VARIABLES[i].name), *problem;

		if (!*value && (VARIABLES[i].needed_by & bit)) {
			used = strlen(missing);
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
				 VARIABLES[i].name);
		}
		problem = *value && (VARIABLES[i].read_by & bit) ? VARIABLES[i].problem(value) : NULL;
		if (!problem)
			continue;
		used = strlen(wrong);
		snprintf(wrong + used, sizeof(wrong) - used, "%s%s \"%.80s\" %s", used ? "; " : "",
			 VARIABLES[i].name, value, problem);
	}
	if (!*missing && !*wrong)
		return 0;
	return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "%s%s%s%s", *missing ? "missing in the environment: " : "",
		       missing, *missing && *wrong ? "; " : "", wrong);
}

static int set_mac(struct nb_args *args, const char *value, struct nb_error *err)
{
	args->has_mac = false;
	if (!*value)
		return 0;
	if (!nb_mac_parse_any(value, args->mac))
		return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "CNI_ARGS: MAC=%.50s is not a unicast MAC address",
			       value);
	args->has_mac = true;
	return 0;
}

static int set_ignore_unknown(bool *ignore, const char *value, struct nb_error *err)
{
	*ignore = is_true(value);
	if (*ignore || strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0)
		return 0;
	return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "CNI_ARGS: IgnoreUnknown=%.50s is not a boolean", value);
}

/* "K=V;K=V". An unknown key is an error unless IgnoreUnknown is set, as in libcni's types.LoadArgs(). */
static int read_cni_args(struct nb_args *args, struct nb_error *err)
{
	nb_autofree char *copy = strdup(env("CNI_ARGS"));
	const char *unknown = NULL;
	bool ignore_unknown = false;
	char *rest = copy, *pair;

	if (!copy)
		return nb_fail_nomem(err);
	if (!*copy)
		return 0;
	while ((pair = strsep(&rest, ";"))) {
		char *value = strchr(pair, '=');
		int rc = 0;

		if (!value || strchr(value + 1, '='))
			return nb_fail(err, NB_ERR_ENVIRONMENT, 0, "CNI_ARGS: \"%.100s\" is not KEY=VALUE",
				       pair);
		*value++ = '\0';
		if (strcmp(pair, "MAC") == 0)
			rc = set_mac(args, value, err);
		else if (strcmp(pair, "IgnoreUnknown") == 0)
			rc = set_ignore_unknown(&ignore_unknown, value, err);
		else if (!unknown)
			unknown = pair;
		if (rc)
			return rc;
	}
	if (unknown && !ignore_unknown)
		return nb_fail(err, NB_ERR_ENVIRONMENT, 0,
			       "CNI_ARGS: unknown key \"%.100s\"; IgnoreUnknown=1 allows it", unknown);
	return 0;
}

int nb_args_read(struct nb_args *args, struct nb_error *err)
{
	struct nb_args read = { .container_id = "", .netns = "", .path = "" };
	const unsigned int pod = POD;
	int rc;

	rc = read_command(&read, err);
	if (rc)
		return rc;
	rc = check_variables(read.command, err);
	if (rc)
		return rc;
	read.path = env("CNI_PATH");
	if (pod & (1u << read.command)) {
		read.container_id = env("CNI_CONTAINERID");
		read.netns = env("CNI_NETNS");
		snprintf(read.ifname, sizeof(read.ifname), "%s", env("CNI_IFNAME"));
		read.netns_override = is_true(env("CNI_NETNS_OVERRIDE"));
	}
	/* DEL does not use CNI_ARGS, and must not fail because of them. */
	if (read.command == NB_CNI_ADD || read.command == NB_CNI_CHECK) {
		rc = read_cni_args(&read, err);
		if (rc)
			return rc;
	}
	*args = read;
	return 0;
}
