/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_NAMES_H
#define NATBRIDGE_CLI_NAMES_H

/* Names on this node, for the completion of shells. */

#include <stdbool.h>

#include "cli.h"

/*
 * Prints the names of a list, one a line, sorted: "networks", "services", "pods", which are the addresses
 * of pods and the names of their ports, or "ends", which are those, the Services and "node". What cannot be
 * read is left out, and so is a name that a shell could take for more than a word. False: there is no such
 * list.
 */
bool nb_names_print(const struct nb_cli *cli, const char *list);

#endif
