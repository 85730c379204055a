// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * natbridge, the CNI plugin: reads the environment and stdin into arguments and configuration, runs
 * one command and writes JSON to stdout.
 */
#include <stdlib.h>
#include <unistd.h>

#include <natbridge/version.h>

#include "lib/net/rcu_expedite.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/privilege.h"

#include "args.h"
#include "cmd.h"
#include "cni_version.h"
#include "conf.h"
#include "report.h"
#include "stdin.h"

static const struct {
	int (*run)(const struct nb_args *args, const struct nb_conf *conf, struct nb_error *err);
	bool privileged; /* capabilities are checked before it runs; STATUS reports them itself */
} COMMANDS[NB_CNI_COMMANDS] = {
	[NB_CNI_ADD] = { nb_cni_add, true },        [NB_CNI_DEL] = { nb_cni_del, true },
	[NB_CNI_CHECK] = { nb_cni_check, true },    [NB_CNI_GC] = { nb_cni_gc, true },
	[NB_CNI_STATUS] = { nb_cni_status, false },
};

/* Run by hand, without CNI_COMMAND: says what this is, as the plugins of the CNI project do. */
static int about(void)
{
	nb_log("CNI plugin " NB_VERSION ": a bridge whose pods reach Services without br_netfilter");
	nb_log("CNI protocol versions supported: " NB_CNI_VERSIONS_TEXT);
	return EXIT_SUCCESS;
}

static int run(struct nb_args *args, struct nb_conf *conf, struct nb_error *err)
{
	char *text;
	size_t len;
	int rc = nb_args_read(args, err);

	if (rc)
		return rc;
	if (args->command == NB_CNI_VERSION)
		return nb_cni_version(err);
	rc = nb_stdin_read(STDIN_FILENO, &text, &len, err);
	if (rc)
		return rc;
	rc = nb_conf_parse(text, len, args, conf, err);
	if (rc)
		return rc;
	nb_rcu_expedite_allow(conf->proxy.rcu_expedited);
	if (COMMANDS[args->command].privileged) {
		rc = nb_privilege_check(NB_TO_WIRE, err);
		if (rc)
			return rc;
	}
	return COMMANDS[args->command].run(args, conf, err);
}

int main(void)
{
	nb_cleanup(nb_conf_free) struct nb_conf conf = { 0 };
	struct nb_args args = { .container_id = "", .netns = "", .path = "" };
	struct nb_error err = { 0 };
	const char *command = getenv("CNI_COMMAND");
	int rc = nb_report_prepare(&err);

	if (!rc && (!command || !*command))
		return about();
	if (!rc)
		rc = run(&args, &conf, &err);
	if (!rc)
		return EXIT_SUCCESS;
	nb_report_error(conf.cni_version ? conf.cni_version : NB_CNI_NEWEST, &args, &err);
	return EXIT_FAILURE;
}
