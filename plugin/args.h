/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_ARGS_H
#define NATBRIDGE_PLUGIN_ARGS_H

/* The CNI_* environment as checked, plain data (SPEC.md, "Parameters"). */

#include <net/if.h>
#include <stdbool.h>

#include "lib/util/error.h"

enum nb_command {
	NB_CMD_ADD,
	NB_CMD_DEL,
	NB_CMD_CHECK,
	NB_CMD_GC,
	NB_CMD_STATUS,
	NB_CMD_VERSION,
	NB_COMMANDS,
};

struct nb_args {
	enum nb_command command;
	const char *container_id; /* of the environment, not owned; "" where the command needs none */
	const char *netns;        /* "" if absent (DEL) */
	char ifname[IFNAMSIZ];
	const char *path; /* CNI_PATH */
	bool has_mac;     /* MAC= of CNI_ARGS, for ADD and CHECK */
	unsigned char mac[6];
	bool netns_override; /* CNI_NETNS_OVERRIDE: CNI_NETNS may be the own namespace */
};

/* "ADD" and so on, as CNI_COMMAND has it. */
const char *nb_command_name(enum nb_command command);

/* Reads and checks the variables that the command needs. Code 4 names all that are missing or wrong. */
int nb_args_read(struct nb_args *args, struct nb_error *err);

/* The spec's pattern of container ids and network names: [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most 200 bytes. */
bool nb_cni_name_valid(const char *name);

/*
 * NULL if the name can be that of a network interface (nb_ifname_valid() of link.h, and no '%', which the
 * kernel would take for a pattern), else what is wrong with it.
 */
const char *nb_ifname_problem(const char *name);

/* A unicast MAC address in any form that Go's net.ParseMAC takes: aa:bb:.., aa-bb-.., aabb.ccdd.eeff. */
bool nb_mac_parse_any(const char *text, unsigned char mac[6]);

#endif
