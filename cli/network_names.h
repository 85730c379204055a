/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_NETWORK_NAMES_H
#define NATBRIDGE_CLI_NETWORK_NAMES_H

/* Names of networks. */

#include <stddef.h>

#include "lib/util/error.h"

#include "cli.h"

struct nb_cli;

struct nb_network_names { /* zero-initialised: none */
	char **items;
	size_t n;
};

int nb_network_names_add(struct nb_network_names *names, const char *name, struct nb_error *err);
void nb_network_names_sort(struct nb_network_names *names);
void nb_network_names_free(struct nb_network_names *names); /* for nb_cleanup() */

/* Adds the network of the command line, or else all that have pins. */
int nb_network_names_read(struct nb_network_names *names, const struct nb_cli *cli, struct nb_error *err);

/* A path that was typed wrong must not look like a node without networks. */
int nb_check_bpffs(const struct nb_cli *cli, struct nb_error *err);

#endif
