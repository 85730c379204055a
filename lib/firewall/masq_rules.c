// SPDX-License-Identifier: GPL-2.0-or-later
/* Recognises masquerade rules in nftables. */
#include "masq_rules.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/cni_id.h"
#include "lib/util/hash.h"

#include "nft_list.h"

/* An interface name, a colon and a container id; nb_args_read() limits their lengths. */
enum { HASHED_MAX = 512 };

void nb_masq_network_key(const char *network, char key[NB_MASQ_HASH_DIGITS + 1])
{
	nb_sha512_hex(network, NB_MASQ_HASH_DIGITS, key);
}

void nb_masq_rule_key(const struct nb_cni_id *id, char key[NB_MASQ_KEY_SIZE])
{
	char text[HASHED_MAX];

	nb_masq_network_key(id->network, key);
	key[NB_MASQ_HASH_DIGITS] = '-';
	snprintf(text, sizeof(text), "%s:%s", id->ifname, id->container_id);
	nb_sha512_hex(text, NB_MASQ_HASH_DIGITS, key + NB_MASQ_HASH_DIGITS + 1);
}

/*
 * Copies the part of text between start and end; end "": to the end of text. False: there is none.
 */
static bool take_between(const char *text, const char *start, const char *end,
			 char part[NB_MASQ_COMMENT_SIZE])
{
	const char *from = strstr(text, start), *to;

	if (!from)
		return false;
	from += strlen(start);
	to = *end ? strstr(from, end) : from + strlen(from);
	if (!to || to == from)
		return false;
	memcpy(part, from, (size_t)(to - from));
	part[to - from] = '\0';
	return true;
}

bool nb_masq_comment_parse(const char *comment, char container_id[NB_MASQ_COMMENT_SIZE],
			   char ifname[NB_MASQ_COMMENT_SIZE])
{
	return strlen(comment) + 1 < NB_MASQ_COMMENT_SIZE &&
	       take_between(comment, ", if: ", ", id: ", ifname) &&
	       take_between(comment, ", id: ", "", container_id);
}

bool nb_masq_begins_with(const char *comment, const char *key)
{
	return !strncmp(comment, key, strlen(key));
}

/* ---- the postrouting chain ---- */

/* Its rules: the network that each one matches, and its verdict. */
static const struct {
	const char *network; /* NULL: no match */
	const char *verdict;
} hook_rules[] = {
	{ "224.0.0.0", "return" },
	{ "ff00::", "return" },
	{ NULL, "goto" },
};

enum { HOOK_RULES = sizeof(hook_rules) / sizeof(hook_rules[0]) };

struct hook_state {
	unsigned int n;
	bool wrong;
};

static bool matches_network(const cJSON *expr, const char *network)
{
	const cJSON *match = cJSON_GetObjectItemCaseSensitive(expr, "match");
	const cJSON *right = cJSON_GetObjectItemCaseSensitive(match, "right");

	return !strcmp(nb_nft_string(cJSON_GetObjectItemCaseSensitive(right, "prefix"), "addr"), network);
}

static bool look_at_hook_rule(const cJSON *rule, void *arg)
{
	const cJSON *expr = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(rule, "expr"), 0);
	struct hook_state *state = arg;

	if (state->n >= HOOK_RULES ||
	    (hook_rules[state->n].network && !matches_network(expr, hook_rules[state->n].network))) {
		state->wrong = true;
		return false;
	}
	if (hook_rules[state->n].network)
		expr = expr->next;
	if (!cJSON_HasObjectItem(expr, hook_rules[state->n].verdict))
		state->wrong = true;
	state->n++;
	return !state->wrong;
}

bool nb_masq_hook_is_right(const struct cJSON *table)
{
	struct hook_state state = { .n = 0 };

	nb_nft_each_rule(table, NB_MASQ_HOOK, look_at_hook_rule, &state);
	return !state.wrong && state.n == HOOK_RULES;
}
