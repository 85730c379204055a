/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_NETWORK_NAMES_H
#define NATBRIDGE_CLI_NETWORK_NAMES_H

/* Names of networks: the one that the command line gives, or those of the node. */

#include <stddef.h>

#include "lib/util/error.h"

#include "cli.h"

struct nb_network_names { /* zeroed: none */
	char **items;     /* owned */
	size_t n;
};

/* Adds a copy of the name, out of order. */
int nb_network_names_add(struct nb_network_names *names, const char *name, struct nb_error *err);
void nb_network_names_sort(struct nb_network_names *names);
void nb_network_names_free(struct nb_network_names *names); /* for nb_cleanup() */

/*
 * Adds the network of the command line, which need not exist, or else all that have pins, sorted. Fails if
 * --bpffs is not in a bpffs: a mistyped path must not look like a node without networks.
 */
int nb_network_names_read(struct nb_network_names *names, const struct nb_cli *cli, struct nb_error *err);

#endif
