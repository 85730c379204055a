/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_COMMAND_LINE_H
#define NATBRIDGE_CLI_COMMAND_LINE_H

/* From argv to struct nb_cli, by the tables of commands and options. */

#include "lib/util/error.h"

#include "cli.h"

/*
 * Reads the whole command line into *cli (zeroed), which refers to the texts of argv afterwards, and checks
 * it: on success there is a command, unless help is asked for. Options may stand anywhere; argv is reordered.
 * After an error (NB_ERR_CONFIG) all options are in *cli nevertheless, so that it is printed in the form that
 * -o asks for. -ENOMEM: out of memory.
 */
int nb_command_line_read(int argc, char **argv, struct nb_cli *cli, struct nb_error *err);
void nb_command_line_free(struct nb_cli *cli); /* for nb_cleanup() */

#endif
