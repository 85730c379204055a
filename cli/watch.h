/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_WATCH_H
#define NATBRIDGE_CLI_WATCH_H

/* --watch: a listing again and again. */

#include "lib/util/error.h"

#include "cli.h"

/*
 * Runs fn, whose output goes to cli->out, every cli->watch seconds, until SIGINT, SIGTERM or SIGHUP comes:
 * then it returns 0. On a terminal, each listing takes the place of the last one, as far as it fits;
 * elsewhere they follow each other, a blank line between them, or as one line of JSON each. An error ends it.
 */
int nb_watch(struct nb_cli *cli, int (*fn)(const struct nb_cli *cli, struct nb_error *err),
	     struct nb_error *err);

#endif
