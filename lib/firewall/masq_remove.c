// SPDX-License-Identifier: GPL-2.0-or-later
/* Removes masquerade rules from nftables. */
#include "masq_remove.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "masq_rules.h"
#include "nft.h"
#include "nft_list.h"

struct removal {
	const struct nb_masq_choice *choice;
	struct nb_strbuf *commands;
	unsigned int count;
};

/* The kernel's number of the rule; 0: it has none. */
static unsigned long long handle_of(const cJSON *rule)
{
	const cJSON *handle = cJSON_GetObjectItemCaseSensitive(rule, "handle");

	if (!cJSON_IsNumber(handle) || handle->valuedouble < 1)
		return 0;
	return (unsigned long long)handle->valuedouble;
}

bool nb_masq_is_chosen(const cJSON *rule, const struct nb_masq_choice *choice)
{
	const char *comment = nb_nft_string(rule, "comment");

	return handle_of(rule) && nb_masq_begins_with(comment, choice->key) &&
	       (!choice->takes || choice->takes(comment, choice->arg));
}

static bool append_removal(const cJSON *rule, void *arg)
{
	struct removal *removal = arg;

	if (!nb_masq_is_chosen(rule, removal->choice))
		return true;
	nb_strbuf_append(removal->commands, "delete rule " NB_MASQ_TABLE " " NB_MASQ_CHAIN " handle %llu\n",
			 handle_of(rule));
	removal->count++;
	return true;
}

unsigned int nb_masq_append_removals(const cJSON *table, const struct nb_masq_choice *choice,
				     struct nb_strbuf *commands)
{
	struct removal removal = { .choice = choice, .commands = commands };

	nb_nft_each_rule(table, NB_MASQ_CHAIN, append_removal, &removal);
	return removal.count;
}

static int remove_once(const struct nb_masq_choice *choice, unsigned int *count, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	int rc = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	*count = 0;
	if (rc || !table)
		return rc;
	*count = nb_masq_append_removals(table, choice, &commands);
	return *count ? nb_nft_apply(&commands, err) : 0;
}

/*
 * If another process removes a rule after it was listed, the whole transaction fails: list again.
 */
int nb_masq_remove(const struct nb_masq_choice *choice, unsigned int *removed, struct nb_error *err)
{
	unsigned int count;
	int rc = -ENOENT;

	for (unsigned int tries = 0; tries < NB_MASQ_TRIES && rc == -ENOENT; tries++)
		rc = remove_once(choice, &count, err);
	if (rc)
		return nb_wrap(err, "cannot remove masquerade rules");
	if (removed)
		*removed = count;
	return 0;
}
