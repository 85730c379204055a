/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_COMMANDS_H
#define NATBRIDGE_CLI_COMMANDS_H

/*
 * The table of commands: a row for each noun and verb. The command line is read by it; help and the
 * completion of shells are printed from it. A new command is a row here and its function in the file of its
 * noun; a row without one of its columns does not compile.
 */

#include <stddef.h>

#include "lib/util/error.h"

#include "values.h"

struct nb_cli;

enum { NB_ANY_NUMBER = 1 << 16 };

/*
 * ROW(NB_COMMAND_ constant, noun, verb, kind of the arguments, their least and their greatest number,
 * function, what it does). A verb "": the noun is a command by itself. Verbs of a noun stand together.
 */
#define NB_COMMAND_TABLE(ROW)                                                                                \
	ROW(SERVICE_APPLY, "service", "apply", NB_VALUE_NONE, 0, 0, nb_cmd_service_apply,                    \
	    "make the service table equal to the input")                                                     \
	ROW(SERVICE_LIST, "service", "list", NB_VALUE_NONE, 0, 0, nb_cmd_service_list,                       \
	    "list the frontends of the Services, with their backends")                                       \
	ROW(SERVICE_DELETE, "service", "delete", NB_VALUE_SERVICE, 1, 1, nb_cmd_service_delete,              \
	    "remove a Service")                                                                              \
	ROW(CONNTRACK_LIST, "conntrack", "list", NB_VALUE_NONE, 0, 0, nb_cmd_conntrack_list,                 \
	    "list the tracked connections")                                                                  \
	ROW(CONNTRACK_FLUSH, "conntrack", "flush", NB_VALUE_NONE, 0, 0, nb_cmd_conntrack_flush,              \
	    "remove all connections")                                                                        \
	ROW(CONNTRACK_STATS, "conntrack", "stats", NB_VALUE_NONE, 0, 0, nb_cmd_conntrack_stats,              \
	    "show the counters and settings of the datapath")                                                \
	ROW(CONNTRACK_SET, "conntrack", "set", NB_VALUE_SETTING, 1, NB_ANY_NUMBER, nb_cmd_conntrack_set,     \
	    "change settings of the running datapath")                                                       \
	ROW(ENDPOINT_LIST, "endpoint", "list", NB_VALUE_NONE, 0, 0, nb_cmd_endpoint_list,                    \
	    "list the addresses of the pods and the states of their ports")                                  \
	ROW(STATUS, "status", "", NB_VALUE_NONE, 0, 0, nb_cmd_status,                                        \
	    "show programs, ports and maps of each network")                                                 \
	ROW(MONITOR, "monitor", "", NB_VALUE_NONE, 0, 0, nb_cmd_monitor,                                     \
	    "show packets as they are dropped, and connections as they begin and end")                       \
	ROW(METRICS, "metrics", "", NB_VALUE_NONE, 0, 0, nb_cmd_metrics,                                     \
	    "print the numbers of the datapath for Prometheus")                                              \
	ROW(WHY, "why", "", NB_VALUE_ENDS, 2, 2, nb_cmd_why,                                                 \
	    "say what becomes of a packet from one end to another, and why")                                 \
	ROW(DOCTOR, "doctor", "", NB_VALUE_NONE, 0, 0, nb_cmd_doctor, "look for what is wrong on this node") \
	ROW(INSTALL, "install", "", NB_VALUE_DIR, 1, 1, nb_cmd_install,                                      \
	    "copy plugin and tool to a directory of CNI plugins")                                            \
	ROW(UPGRADE, "upgrade", "", NB_VALUE_NONE, 0, 0, nb_cmd_upgrade,                                     \
	    "replace the eBPF programs of another version of natbridge")                                     \
	ROW(UNINSTALL, "uninstall", "", NB_VALUE_NONE, 0, 0, nb_cmd_uninstall,                               \
	    "remove what natbridge has put on this node")                                                    \
	ROW(COMPLETION, "completion", "", NB_VALUE_SHELL, 1, 1, nb_cmd_completion,                           \
	    "print a completion script for a shell, or names for it")                                        \
	ROW(HELP, "help", "", NB_VALUE_COMMAND, 0, 2, nb_cmd_help, "print the help of a command")            \
	ROW(VERSION, "version", "", NB_VALUE_NONE, 0, 0, nb_cmd_version, "print the version")

#define NB_COMMAND_CONSTANT(id, noun, verb, argument, least, most, run, summary) NB_COMMAND_##id,
enum nb_command_id { NB_COMMAND_TABLE(NB_COMMAND_CONSTANT) NB_COMMANDS };
#undef NB_COMMAND_CONSTANT

struct nb_command {
	const char *noun, *verb;
	enum nb_value_kind argument;
	size_t least, most; /* arguments */
	const char *summary;
};

/* By enum nb_command_id. */
extern const struct nb_command nb_commands[NB_COMMANDS];

/* The functions, which main() calls, stand in the files of their nouns. */
#define NB_COMMAND_FUNCTION(id, noun, verb, argument, least, most, run, summary)                             \
	int run(const struct nb_cli *cli, struct nb_error *err);
NB_COMMAND_TABLE(NB_COMMAND_FUNCTION)
#undef NB_COMMAND_FUNCTION

/* The command of a noun and a verb; NULL: there is none. */
const struct nb_command *nb_command_find(const char *noun, const char *verb);

/* A set of commands: bit 1 << enum nb_command_id for each of them. */
#define NB_COMMAND_BIT(id) (1U << NB_COMMAND_##id)
#define NB_EVERY_COMMAND   ((1U << NB_COMMANDS) - 1)
_Static_assert(NB_COMMANDS < 32, "a set of commands is an unsigned int");

/* The set of one command, and of all commands of a noun; 0: there is no such noun. */
unsigned int nb_command_bit(const struct nb_command *command);
unsigned int nb_commands_of_noun(const char *noun);

#endif
