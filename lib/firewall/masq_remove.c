// SPDX-License-Identifier: GPL-2.0-or-later
#include "masq_remove.h"

#include <cjson/cJSON.h>
#include <errno.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "masq_rules.h"
#include "nft.h"

struct removal {
	const struct nb_masq_choice *choice;
	struct nb_strbuf *commands;
	unsigned int count;
};

/* 0: it has none. */
static unsigned long long handle_of(const cJSON *rule)
{
	const cJSON *handle = cJSON_GetObjectItemCaseSensitive(rule, "handle");

	return cJSON_IsNumber(handle) && handle->valuedouble >= 1 ? (unsigned long long)handle->valuedouble
								  : 0;
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

int nb_masq_run(const struct nb_strbuf *commands, struct nb_error *err)
{
	if (commands->failed)
		return nb_fail_nomem(err);
	return nb_nft_run(commands->buf, NULL, err);
}

static int remove_once(const struct nb_masq_choice *choice, unsigned int *count, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	int ret = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	*count = 0;
	if (ret || !table)
		return ret;
	*count = nb_masq_append_removals(table, choice, &commands);
	return *count ? nb_masq_run(&commands, err) : 0;
}

/* A rule that another process removed after we listed it fails the whole transaction: list again. */
int nb_masq_remove(const struct nb_masq_choice *choice, unsigned int *removed, struct nb_error *err)
{
	unsigned int tries, count;
	int ret = -ENOENT;

	for (tries = 0; tries < NB_MASQ_TRIES && ret == -ENOENT; tries++)
		ret = remove_once(choice, &count, err);
	if (ret)
		return nb_wrap(err, "cannot remove masquerade rules");
	if (removed)
		*removed = count;
	return 0;
}
