/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_DOCTOR_DOCTOR_H
#define NATBRIDGE_CLI_DOCTOR_DOCTOR_H

/*
 * What the checks of natbridgectl doctor look at, and how they report. All of it is read: nothing is changed,
 * and no lock of the pin root is taken. What others have written (files, names, rules) is checked before use.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <natbridge/abi.h>

#include "cli/cli.h"
#include "lib/conf/network_files.h"
#include "lib/datapath/pin_path.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "agent_state.h"
#include "rules.h"

enum nb_severity { NB_NOTICE, NB_WARNING, NB_ERROR };

/* The texts are the doctor's. */
struct nb_finding {
	enum nb_severity severity;
	const char *check;   /* its id */
	const char *subject; /* what it is about: a network, a port, a file */
	unsigned int index;  /* of the link that it is about, since others may get its name; 0: none */
	const char *what;    /* what is wrong */
	const char *why;     /* why it matters */
	const char *fix;     /* what to do */
};

/* A network of pods, or the node's own table. */
struct nb_doctor_network {
	char *name;                         /* owned */
	bool is_node;                       /* the node's own table */
	const struct nb_network_file *file; /* NULL: no configuration names it */
	struct nb_pin_root root;
	bool has_bpffs;             /* root.bpffs is one */
	bool has_pins;              /* of this map layout; all that is pinned is in dp */
	struct nb_error open_error; /* why some pin cannot be opened; code 0: all can */
	struct nb_datapath dp;
	bool usable;       /* dp has all of the mode, and what follows is read */
	enum nb_mode mode; /* as the settings say; not usable: as the configuration says */
	struct nb_settings settings;
	struct nb_port *ports; /* owned */
	unsigned int n_ports;
	NB_VEC(struct nb_endpoint_info) endpoints;
	__u64 counters[NB_COUNTERS];  /* at the start */
	const struct nb_link *host;   /* where pods reach the host, by settings.bridge_ifindex; NULL: gone */
	const struct nb_link *bridge; /* the bridge below it; NULL: gone */
	unsigned int n_links;         /* host ends that have its name */
	pid_t owner;                  /* the process that feeds the table; 0: none, -1: unknown */
};

struct nb_doctor {
	const struct nb_cli *cli;
	const char *cni_dir;      /* of network configurations */
	const char *agent_config; /* path of the agent's */
	struct nb_netlink nl;
	struct nb_link *links; /* of this network namespace */
	unsigned int n_links;
	struct nb_network_files files;
	NB_VEC(const char *) bad_files; /* why a file cannot be used */
	NB_VEC(struct nb_doctor_network *) networks;
	struct nb_chains chains; /* read when a check needs them */
	bool chains_read;
	struct nb_error chains_error; /* why they cannot be read; code 0: they can */
	struct nb_agent_state agent;  /* the same */
	bool agent_read;
	NB_VEC(struct nb_finding) findings;
	NB_VEC(char *) texts;
	bool nomem;
	const struct nb_check *check; /* the one that runs */
	long long started_ms;         /* CLOCK_MONOTONIC: when the counters were read */
};

/* ---- for checks ---- */

/* A text that lives as long as the doctor; "" if there is no memory, which ends the command later. */
const char *nb_doctor_text(struct nb_doctor *doctor, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds a finding of the check that runs, with its severity and its reason. */
void nb_found(struct nb_doctor *doctor, const char *subject, const char *what, const char *fix);

/* The same about a link. */
void nb_found_link(struct nb_doctor *doctor, const struct nb_link *link, const char *what, const char *fix);

/* The same with another severity or reason than the check's. */
void nb_found_other(struct nb_doctor *doctor, const struct nb_finding *finding);

/* A link of this namespace; NULL: there is none. */
const struct nb_link *nb_doctor_link(const struct nb_doctor *doctor, unsigned int ifindex);

/* The link's name; "ifindex N" if there is no such link. */
const char *nb_doctor_link_name(struct nb_doctor *doctor, unsigned int ifindex);

/* Whether a usable network has an address of that family with a gateway on the bridge. */
bool nb_doctor_has_gateway(const struct nb_doctor_network *network, int family);

/* ---- for the command ---- */

/* Reads files, links and networks. What cannot be read is left to the checks; an error: out of memory. */
int nb_doctor_read(struct nb_doctor *doctor, struct nb_error *err);
void nb_doctor_free(struct nb_doctor *doctor); /* for nb_cleanup() */

#endif
