/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_NETWORKS_H
#define NATBRIDGE_CLI_NETWORKS_H

/* Names of networks. */

#include <stddef.h>

#include "lib/util/error.h"

#include "cli.h"

struct nb_cli;

struct nb_networks { /* zero-initialised: none */
	char **items;
	size_t n;
};

int nb_networks_add(struct nb_networks *names, const char *name, struct nb_error *err);
void nb_networks_sort(struct nb_networks *names);
void nb_networks_free(struct nb_networks *names); /* for nb_cleanup() */

/* Adds the network of the command line, or else all that have pins. */
int nb_networks_read(struct nb_networks *names, const struct nb_cli *cli, struct nb_error *err);

/* A path that was typed wrong must not look like a node without networks. */
int nb_check_bpffs(const struct nb_cli *cli, struct nb_error *err);

#endif
