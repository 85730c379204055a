// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl: reads the command line, runs the command, prints its error. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/datapath/pin_path.h"
#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "cli.h"
#include "command_line.h"
#include "commands.h"
#include "out.h"
#include "watch.h"

enum { EXIT_USAGE = 2, EXIT_NOT_SET_UP = 3 };

typedef int (*command_fn)(const struct nb_cli *cli, struct nb_error *err);

/* By enum nb_command_id. Not in the table itself, since help and completion go through that. */
#define COMMAND_FUNCTION(id, noun, verb, argument, least, most, run, summary) run,
static const command_fn functions[NB_COMMANDS] = { NB_COMMAND_TABLE(COMMAND_FUNCTION) };
#undef COMMAND_FUNCTION

static int run(struct nb_cli *cli, struct nb_error *err)
{
	command_fn fn = cli->help ? nb_cmd_help : functions[cli->command - nb_commands];

	int rc = nb_pin_root_resolve(cli->bpffs, &cli->pin_root, err);
	if (rc)
		return rc;
	if (cli->watch && !cli->help)
		return nb_watch(cli, fn, err);
	rc = fn(cli, err);
	if (rc)
		return rc;
	return nb_out_end(cli->out, err);
}

int main(int argc, char **argv)
{
	nb_cleanup(nb_command_line_free) struct nb_cli cli = { 0 };
	nb_cleanup(nb_out_free) struct nb_out *out = NULL;
	struct nb_error err = { 0 };
	int status = EXIT_SUCCESS, found = EXIT_SUCCESS;

	int rc = nb_command_line_read(argc, argv, &cli, &err);
	if (rc)
		status = rc == -ENOMEM ? EXIT_FAILURE : EXIT_USAGE;
	cli.status = &found;
	cli.out = out = nb_out_new(cli.output && !strcmp(cli.output, "json"));
	if (!rc && !out)
		rc = nb_fail_nomem(&err);
	if (!rc)
		rc = run(&cli, &err);
	if (!rc)
		return found;
	nb_out_error(out, err.msg);
	if (status)
		return status;
	return err.code == NB_ERR_NOT_SET_UP ? EXIT_NOT_SET_UP : EXIT_FAILURE;
}
