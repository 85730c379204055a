/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_REMOVE_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_REMOVE_H

/* Removes masquerade rules from nftables. Their comments alone decide which. */

#include <stdbool.h>

#include "lib/util/error.h"
#include "lib/util/strbuf.h"

struct cJSON;

/* Which rules to remove. */
struct nb_masq_choice {
	const char *key; /* the comments of the rules start with it */
	/* Whether such a rule is chosen; NULL: all are. May be called more than once for a rule. */
	bool (*takes)(const char *comment, void *arg);
	void *arg;
};

/* Whether a rule, as nb_nft_each_rule() passes it, is chosen. */
bool nb_masq_is_chosen(const struct cJSON *rule, const struct nb_masq_choice *choice);

/* Appends the commands that delete the chosen rules of a listed table. Returns their number. */
unsigned int nb_masq_append_removals(const struct cJSON *table, const struct nb_masq_choice *choice,
				     struct nb_strbuf *commands);

/*
 * Deletes the chosen rules in one transaction. 0 if there are none, or no table. removed may be
 * NULL; else *removed is the number of deleted rules.
 */
int nb_masq_remove(const struct nb_masq_choice *choice, unsigned int *removed, struct nb_error *err);

/*
 * Tries of a transaction, which fails with -ENOENT if another process deletes a rule that it names.
 */
enum { NB_MASQ_TRIES = 16 };

#endif
