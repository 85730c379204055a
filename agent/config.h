/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_AGENT_CONFIG_H
#define NATBRIDGE_AGENT_CONFIG_H

/*
 * The configuration of the agent: a file (AgentConfiguration, natbridge.io/v1alpha1, in YAML or JSON) and the
 * command line, of which the latter wins. Each key is a flag. Names are kube-proxy's where they mean the
 * same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"

enum { NB_AGENT_LIST_MAX = 32 };

/* Texts that may be given several times. */
struct nb_agent_list {
	size_t n;
	char *items[NB_AGENT_LIST_MAX]; /* owned */
};

enum nb_agent_verb {
	NB_AGENT_RUN,
	NB_AGENT_ONCE,    /* writes the tables once */
	NB_AGENT_DRY_RUN, /* says what NB_AGENT_ONCE would write */
	NB_AGENT_CHECK,
	NB_AGENT_CLEANUP,
	NB_AGENT_HELP,
	NB_AGENT_VERSION,
};

struct nb_agent_config {
	enum nb_agent_verb verb;
	char *convert;                /* kube-proxy's configuration, to be converted; NULL: none */
	char *file;                   /* of the configuration; NULL: none. All strings are owned */
	char *kubeconfig;             /* NULL: the service account of this pod */
	struct nb_agent_list servers; /* URLs of further API servers */
	char *node;                   /* name of this node; "": the host name */
	char *cni_dir;                /* CNI configuration */
	char *bpffs;                  /* NULL: as the network's configuration says */
	char *state_dir;              /* where learned API servers are kept; "": nowhere */
	char *healthz, *metrics;      /* ADDRESS:PORT; "": not served */
	bool health_ports;            /* health check node ports are answered here */
	bool serves_node;             /* instead of kube-proxy: the node itself and clients outside, too */
	bool takes_over;              /* removes the rules of a kube-proxy */
	bool fast_path;               /* struct nb_node_config */
	struct nb_agent_list service_cidrs; /* ranges of Services, beside those that the API server tells */
	struct nb_agent_list devices;       /* globs; none: those that have addresses */
	struct nb_agent_list self;          /* sources of the node's connections to itself */
	struct nb_agent_list node_ports;    /* addresses of NodePorts: "primary" or CIDRs */
	struct nb_agent_list excluded;      /* addresses that are left to the node */
	unsigned int sync_ms;               /* at least, from one writing of changes to the next */
	bool json_log;
	unsigned int verbosity;
};

/*
 * Reads the command line and the file that it names into *config (zeroed). The caller frees it, also on
 * failure. Errors name the flag, or the file and the key, and the value.
 */
int nb_agent_config_read(int argc, char **argv, struct nb_agent_config *config, struct nb_error *err);

void nb_agent_config_free(struct nb_agent_config *config); /* for nb_cleanup(); leaves it zeroed */

/* Prints the usage. */
void nb_agent_config_help(FILE *to);

#endif
