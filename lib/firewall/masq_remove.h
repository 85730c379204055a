/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_REMOVE_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_REMOVE_H

/* Taking masquerade rules away. They are chosen by their comments alone. */

#include <stdbool.h>

#include "lib/util/error.h"
#include "lib/util/strbuf.h"

struct cJSON;

struct nb_masq_choice {
	const char *key; /* with which the comments of all rules in question begin */
	/* Which of those are meant; NULL: all. Called once or more for a rule. */
	bool (*takes)(const char *comment, void *arg);
	void *arg;
};

/* Whether a rule, as nb_nft_each_rule() has it, is one of the choice. */
bool nb_masq_is_chosen(const struct cJSON *rule, const struct nb_masq_choice *choice);

/* Appends the commands that delete the chosen rules of a table that was listed; returns their number. */
unsigned int nb_masq_append_removals(const struct cJSON *table, const struct nb_masq_choice *choice,
				     struct nb_strbuf *commands);

/*
 * Deletes the chosen rules in one transaction; no table, or none in it: 0. *removed may be NULL; else the
 * number of rules deleted.
 */
int nb_masq_remove(const struct nb_masq_choice *choice, unsigned int *removed, struct nb_error *err);

/* Runs the commands; out of memory while they were written is an error. */
int nb_masq_run(const struct nb_strbuf *commands, struct nb_error *err);

enum { NB_MASQ_TRIES = 16 }; /* of a transaction that gives -ENOENT since others delete rules meanwhile */

#endif
