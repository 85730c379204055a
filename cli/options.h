/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_OPTIONS_H
#define NATBRIDGE_CLI_OPTIONS_H

/*
 * The table of options: a row each. The command line is read by it into struct nb_cli, which has a field for
 * each row; help and the completion of shells are printed from it. A new option is a row here; a row without
 * one of its columns does not compile.
 */

#include <stdbool.h>
#include <stddef.h>

#include "commands.h"
#include "values.h"

/* Values of an option that may be given several times, in the order given. */
struct nb_option_values {
	const char **items; /* owned; the texts are the command line's */
	size_t n;
};

/* What an option is, and the type of its field in struct nb_cli. */
enum nb_option_type {
	NB_TYPE_SWITCH, /* without a value */
	NB_TYPE_TEXT,   /* one value; it may be given several times if it is the same */
	NB_TYPE_LIST,   /* any number of values */
	NB_TYPE_MAYBE,  /* one value or none, which is ""; the next word if that is one */
};

#define NB_FIELD_SWITCH bool
#define NB_FIELD_TEXT   const char *
#define NB_FIELD_LIST   struct nb_option_values
#define NB_FIELD_MAYBE  const char *

enum nb_option_rule {
	NB_OPTIONAL,
	NB_REQUIRED,
	NB_EITHER, /* a command takes one of its options with this rule, or none */
};

/*
 * ROW(NB_OPTION_ constant, NB_TYPE_ constant, field, name, letter or 0, kind of the value, set of commands
 * that take it, rule, help)
 */
#define NB_OPTION_TABLE(ROW)                                                                                 \
	ROW(FILE, LIST, files, "file", 'f', NB_VALUE_FILE, NB_COMMAND_BIT(SERVICE_APPLY), NB_REQUIRED,       \
	    "Kubernetes objects in JSON or YAML; - is standard input; repeatable")                           \
	ROW(KEEP, SWITCH, keep, "keep", 0, NB_VALUE_NONE, NB_COMMAND_BIT(SERVICE_APPLY), NB_EITHER,          \
	    "keep the Services that the input does not name")                                                \
	ROW(PRUNE_ALL, SWITCH, prune_all, "prune-all", 0, NB_VALUE_NONE, NB_COMMAND_BIT(SERVICE_APPLY),      \
	    NB_EITHER, "accept an input that removes every Service")                                         \
	ROW(FORCE, SWITCH, force, "force", 0, NB_VALUE_NONE,                                                 \
	    NB_COMMAND_BIT(SERVICE_APPLY) | NB_COMMAND_BIT(SERVICE_DELETE), NB_OPTIONAL,                     \
	    "change a table that natbridge-agent feeds")                                                     \
	ROW(NODE, TEXT, node, "node", 0, NB_VALUE_NODE, NB_COMMAND_BIT(SERVICE_APPLY), NB_OPTIONAL,          \
	    "name of this node, for traffic policy Local, topology and NodePorts")                           \
	ROW(SRC, TEXT, src, "src", 0, NB_VALUE_PREFIX,                                                       \
	    NB_COMMAND_BIT(CONNTRACK_LIST) | NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,                           \
	    "only what comes from this address, or from this prefix")                                        \
	ROW(DST, TEXT, dst, "dst", 0, NB_VALUE_PREFIX,                                                       \
	    NB_COMMAND_BIT(CONNTRACK_LIST) | NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,                           \
	    "only what goes to this address, or to this prefix")                                             \
	ROW(SERVICE, TEXT, service, "service", 0, NB_VALUE_SERVICE,                                          \
	    NB_COMMAND_BIT(CONNTRACK_LIST) | NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,                           \
	    "only connections to this Service")                                                              \
	ROW(STATE, TEXT, state, "state", 0, NB_VALUE_STATE, NB_COMMAND_BIT(CONNTRACK_LIST), NB_OPTIONAL,     \
	    "only connections in this state")                                                                \
	ROW(PROTOCOL, TEXT, protocol, "protocol", 'p', NB_VALUE_PROTOCOL,                                    \
	    NB_COMMAND_BIT(CONNTRACK_LIST) | NB_COMMAND_BIT(MONITOR), NB_OPTIONAL, "only this protocol")     \
	ROW(PORT, TEXT, port, "port", 0, NB_VALUE_PORT, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,                \
	    "only what comes from or goes to this port")                                                     \
	ROW(POD, TEXT, pod, "pod", 0, NB_VALUE_POD, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,                    \
	    "only what concerns the pod with this address or port on the bridge")                            \
	ROW(KIND, TEXT, kind, "kind", 0, NB_VALUE_KINDS, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,               \
	    "packets that are dropped, connections that begin, that end; default: drop")                     \
	ROW(REASON, TEXT, reason, "reason", 0, NB_VALUE_REASON, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,        \
	    "only packets that were dropped, or connections that have ended, for this reason")               \
	ROW(COUNT, TEXT, count, "count", 0, NB_VALUE_NUMBER, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,           \
	    "end after so many events")                                                                      \
	ROW(RATE, TEXT, rate, "rate", 0, NB_VALUE_NUMBER, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,              \
	    "show at most so many events a second, and count the others; default: 1000")                     \
	ROW(PCAP, TEXT, pcap, "pcap", 0, NB_VALUE_FILE, NB_COMMAND_BIT(MONITOR), NB_OPTIONAL,                \
	    "write the packets to a new file for Wireshark, too; - is standard output")                      \
	ROW(SEND, SWITCH, send, "send", 0, NB_VALUE_NONE, NB_COMMAND_BIT(WHY), NB_OPTIONAL,                  \
	    "send the packet, too, and show what became of it")                                              \
	ROW(WATCH, MAYBE, watch, "watch", 0, NB_VALUE_INTERVAL,                                              \
	    NB_COMMAND_BIT(SERVICE_LIST) | NB_COMMAND_BIT(CONNTRACK_LIST) |                                  \
		    NB_COMMAND_BIT(CONNTRACK_STATS) | NB_COMMAND_BIT(ENDPOINT_LIST) |                        \
		    NB_COMMAND_BIT(STATUS),                                                                  \
	    NB_OPTIONAL, "print it again every so many seconds, until a signal comes; default: 2")           \
	ROW(DRY_RUN, SWITCH, dry_run, "dry-run", 0, NB_VALUE_NONE, NB_COMMAND_BIT(UNINSTALL), NB_OPTIONAL,   \
	    "print what would be removed, and change nothing")                                               \
	ROW(SECONDS, TEXT, seconds, "seconds", 0, NB_VALUE_SECONDS, NB_COMMAND_BIT(DOCTOR), NB_OPTIONAL,     \
	    "watch counters for so long; 0: not at all; default: 2")                                         \
	ROW(CNI_CONF_DIR, TEXT, cni_conf_dir, "cni-conf-dir", 0, NB_VALUE_DIR, NB_COMMAND_BIT(DOCTOR),       \
	    NB_OPTIONAL, "network configurations; default: /etc/cni/net.d")                                  \
	ROW(AGENT_CONFIG, TEXT, agent_config, "agent-config", 0, NB_VALUE_FILE, NB_COMMAND_BIT(DOCTOR),      \
	    NB_OPTIONAL, "configuration of natbridge-agent; default: /etc/natbridge/agent.yaml")             \
	ROW(NETWORK, TEXT, network, "network", 0, NB_VALUE_NETWORK, NB_EVERY_COMMAND, NB_OPTIONAL,           \
	    "use only this network; default: every network of the node")                                     \
	ROW(BPFFS, TEXT, bpffs, "bpffs", 0, NB_VALUE_DIR, NB_EVERY_COMMAND, NB_OPTIONAL,                     \
	    "bpffs of the pinned maps; default: $NATBRIDGE_BPFFS, else /sys/fs/bpf")                         \
	ROW(OUTPUT, TEXT, output, "output", 'o', NB_VALUE_FORM, NB_EVERY_COMMAND, NB_OPTIONAL,               \
	    "form of the output; default: plain")                                                            \
	ROW(HELP, SWITCH, help, "help", 'h', NB_VALUE_NONE, NB_EVERY_COMMAND, NB_OPTIONAL,                   \
	    "print this help")                                                                               \
	ROW(VERSION, SWITCH, version, "version", 'V', NB_VALUE_NONE, NB_EVERY_COMMAND, NB_OPTIONAL,          \
	    "print the version")

#define NB_OPTION_CONSTANT(id, type, field, name, letter, value, commands, rule, help) NB_OPTION_##id,
enum nb_option_id { NB_OPTION_TABLE(NB_OPTION_CONSTANT) NB_OPTIONS };
#undef NB_OPTION_CONSTANT

struct nb_option {
	const char *name; /* without "--" */
	char letter;      /* 0: none */
	enum nb_option_type type;
	size_t offset; /* of its field in struct nb_cli */
	enum nb_value_kind value;
	unsigned int commands;
	enum nb_option_rule rule;
	const char *help;
};

/* By enum nb_option_id. */
extern const struct nb_option nb_options[NB_OPTIONS];

enum { NB_OPTION_STRLEN = 32 };

/* "-f" or "--keep" into buf, which is returned: the shorter way to write it. */
const char *nb_option_format(const struct nb_option *option, char buf[NB_OPTION_STRLEN]);

#endif
