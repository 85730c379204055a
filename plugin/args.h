/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_ARGS_H
#define NATBRIDGE_PLUGIN_ARGS_H

/* The CNI_* environment, checked, as plain data (SPEC.md, "Parameters"). */

#include <net/if.h>
#include <stdbool.h>

#include "lib/util/error.h"

enum nb_cni_command {
	NB_CNI_ADD,
	NB_CNI_DEL,
	NB_CNI_CHECK,
	NB_CNI_GC,
	NB_CNI_STATUS,
	NB_CNI_VERSION,
	NB_CNI_COMMANDS,
};

/* Strings belong to the environment. */
struct nb_args {
	enum nb_cni_command command;
	const char *container_id; /* "" where the command needs none */
	const char *netns;        /* "" if absent (DEL) */
	char ifname[IFNAMSIZ];
	const char *path; /* CNI_PATH */
	bool has_mac;     /* MAC= of CNI_ARGS; ADD and CHECK read it */
	unsigned char mac[6];
	bool netns_override; /* CNI_NETNS_OVERRIDE: CNI_NETNS may be the plugin's own namespace */
};

/* "ADD" and so on, as CNI_COMMAND spells it. */
const char *nb_command_name(enum nb_cni_command command);

/*
 * Reads and checks the variables that the command needs. NB_ERR_ENVIRONMENT: the message names all
 * that are missing or wrong.
 */
int nb_args_read(struct nb_args *args, struct nb_error *err);

#endif
