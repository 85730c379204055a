/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_KNOWN_NETWORKS_H
#define NATBRIDGE_AGENT_KNOWN_NETWORKS_H

/*
 * The networks that the agent feeds, kept on disk: one that has left the CNI directory may still have pods,
 * also after a restart of the agent.
 */

#include "lib/util/error.h"

#include "tables.h"

/*
 * Calls fn for each network of the file in dir, until it returns not 0, and returns that. There is no file,
 * or dir is "": nothing. Lines that cannot be a network are left out.
 */
int nb_known_networks_load(const char *dir, int (*fn)(const char *name, const char *bpffs, void *arg),
			   void *arg, struct nb_error *err);

/* Replaces the file by the networks of *tables. dir "": nothing. */
int nb_known_networks_save(const char *dir, const struct nb_tables *tables, struct nb_error *err);

#endif
