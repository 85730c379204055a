/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_CLI_H
#define NATBRIDGE_CLI_CLI_H

/* What main.c hands to a verb, and the table of nouns and verbs. */

#include <stdbool.h>
#include <stddef.h>

#include "lib/datapath/pin_path.h"
#include "lib/maps/layout.h"
#include "lib/util/error.h"

/* The command line, read. */
struct nb_cli {
	const char *bpffs; /* NULL: not given */
	struct nb_pin_root pin_root;
	const char *network;      /* NULL: every network of the node */
	const char *const *files; /* -f, each one */
	size_t n_files;
	bool keep;
	bool prune_all;
	bool dry_run;
	char *const *arguments; /* behind the verb, ended by NULL */
	struct nb_out *out;
};

/* Options that only some verbs take. */
enum nb_verb_options {
	NB_OPTION_FILE = 1 << 0, /* -f, required; may be given several times */
	NB_OPTION_KEEP = 1 << 1, /* --keep and --prune-all */
	NB_OPTION_DRY_RUN = 1 << 2,
	NB_ARGUMENTS = 1 << 3, /* not an option: takes any number of its argument */
};

struct nb_verb {
	const char *name;
	const char
		*argument; /* what it is called in the synopsis, NULL: none is taken; else it is required */
	unsigned int options; /* enum nb_verb_options */
	const char *summary;  /* one line */
	const char *help;     /* the rest of its manual, lines ended by "\n" */
	int (*run)(const struct nb_cli *cli, struct nb_error *err);
};

struct nb_noun {
	const char *name;
	const char *summary;
	const struct nb_verb
		*verbs; /* ended by an empty one; a noun with one verb named "" is a command by itself */
};

extern const struct nb_noun nb_noun_service, nb_noun_conntrack, nb_noun_endpoint, nb_noun_status,
	nb_noun_upgrade, nb_noun_uninstall;

/* All of them, ended by NULL. */
extern const struct nb_noun *const nb_nouns[];

const struct nb_noun *nb_noun_find(const char *name);
const struct nb_verb *nb_verb_find(const struct nb_noun *noun, const char *name);

/* Manual of the program (noun NULL), of a noun (verb NULL) or of a verb, to stdout. */
void nb_help(const struct nb_noun *noun, const struct nb_verb *verb);

/* One network at a time, opened for reading or with the lock. */
typedef int (*nb_network_fn)(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp,
			     void *arg, struct nb_error *err);

enum nb_access {
	NB_READ,
	NB_CHANGE,               /* with the lock */
	NB_ENSURE,               /* with the lock; a network that is named and has no datapath gets one */
	NB_TRANSLATING = 1 << 2, /* a flag: networks in mode assist are passed over, or refused if named */
};

/* What a walk over the networks came by. */
struct nb_walked {
	unsigned int ran;      /* networks that fn was called for */
	unsigned int assisted; /* those in mode assist that were passed over */
	char first_assisted[256];
};

/*
 * Calls fn for the network of the command line, or for each one of the node in the order of their names. Goes
 * on after errors; the first one is in *err, with the network's name. A network that is named and that no ADD
 * has set up is NB_ERR_NOT_SET_UP. walked may be NULL.
 */
int nb_each_network(const struct nb_cli *cli, unsigned int access, nb_network_fn fn, void *arg,
		    struct nb_walked *walked, struct nb_error *err);

/*
 * After nb_datapath_open() or the like has failed with rc: NB_ERR_NOT_SET_UP in *err if the network has no
 * pins at all, so that its first ADD is still to come; else *err as it is. Returns what is to be returned.
 */
int nb_explain_missing(const struct nb_cli *cli, const char *network, int rc, struct nb_error *err);

/*
 * Brings up to date which ports are cut off. Whoever looks at a network or changes it does so; it is not what
 * the user asked for, so that a failure is a warning.
 */
void nb_follow_ports(const struct nb_cli *cli, const char *network, const struct nb_datapath *dp);

/* For a command that has to find a network: an error that says why there was none. */
int nb_require_network(const struct nb_cli *cli, const struct nb_walked *walked, struct nb_error *err);

/* For a listing: tells on stderr that it is empty because all networks are in mode assist. */
void nb_note_assisted(const struct nb_walked *walked);

#endif
