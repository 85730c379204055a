/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_CLI_H
#define NATBRIDGE_CLI_CLI_H

/* The command line as a command gets it. */

#include "lib/datapath/pin_path.h"

#include "commands.h"
#include "options.h"
#include "out.h"

#define NB_OPTION_FIELD(id, type, field, name, letter, value, commands, rule, help) NB_FIELD_##type field;

struct nb_cli {
	/* The options, by their rows; false, NULL or empty: not given. */
	NB_OPTION_TABLE(NB_OPTION_FIELD)
	/* Where the pins are, from --bpffs and the environment. */
	struct nb_pin_root pin_root;
	/* The noun, and the command if its verb is given too; only help does without either. */
	const char *noun;
	const struct nb_command *command;
	/* What stands behind the verb, ended by NULL. */
	char *const *arguments;
	struct nb_out *out;
	int *status; /* the exit status of a command that succeeds; 0 unless the command says otherwise */
};

#undef NB_OPTION_FIELD

#endif
