// SPDX-License-Identifier: GPL-2.0-or-later
/* Chains of nftables, from nft's JSON (libnftables-json(5)). */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/firewall/kube_find.h"
#include "lib/firewall/nft_list.h"
#include "lib/util/cleanup.h"

#include "rules.h"

enum { CHAINS_MAX = 64 };

/* The chains of macspoofchk, natbridge's and the reference plugin's, drop frames with another MAC than the
 * pod's. */
#define MACSPOOF_PREFIX "cni-br-iface-"

/* ---- what a rule matches ---- */

static const struct cJSON *get(const struct cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* Calls add for the value of a match: a text, a prefix, or each of a set. */
static void each_value(struct nb_rule *rule, const struct cJSON *value,
		       void (*add)(struct nb_rule *rule, const char *text))
{
	const struct cJSON *prefix = get(value, "prefix"), *set = get(value, "set"), *item;
	const struct cJSON *len = get(prefix, "len");
	char text[128];

	if (cJSON_IsString(value)) {
		add(rule, value->valuestring);
	} else if (prefix && cJSON_IsNumber(len)) {
		snprintf(text, sizeof(text), "%s/%d", nb_nft_string(prefix, "addr"), len->valueint);
		add(rule, text);
	} else if (cJSON_IsArray(set)) {
		cJSON_ArrayForEach(item, set)
			each_value(rule, item, add);
	} else {
		rule->other = true;
	}
}

static bool has_state(const struct cJSON *value, const char *state)
{
	const struct cJSON *list = cJSON_IsArray(value) ? value : get(value, "set"), *item;

	if (cJSON_IsString(value))
		return !strcmp(value->valuestring, state);
	cJSON_ArrayForEach(item, list) {
		if (cJSON_IsString(item) && !strcmp(item->valuestring, state))
			return true;
	}
	return false;
}

static void add_match(struct nb_rule *rule, const struct cJSON *match)
{
	const struct cJSON *left = get(match, "left"), *right = get(match, "right");
	const char *meta = nb_nft_string(get(left, "meta"), "key");
	const char *field = nb_nft_string(get(left, "payload"), "field");
	const char *protocol = nb_nft_string(get(left, "payload"), "protocol");
	const bool is_not = !strcmp(nb_nft_string(match, "op"), "!=");
	const bool is_iface = !strcmp(meta, "iifname") || !strcmp(meta, "oifname") || !strcmp(meta, "iif") ||
			      !strcmp(meta, "oif");
	const bool is_addr =
		(!strcmp(field, "saddr") || !strcmp(field, "daddr")) && strcmp(protocol, "ether") != 0;

	if (!strcmp(nb_nft_string(get(left, "ct"), "key"), "state"))
		rule->not_new |= has_state(right, "new") == is_not;
	else if (!strcmp(meta, "mark"))
		rule->marked = true;
	else if (!strcmp(meta, "nfproto") || !strcmp(meta, "protocol") || !strcmp(meta, "l4proto"))
		return;
	else if (!is_not && is_iface)
		each_value(rule, right, nb_rule_add_iface);
	else if (!is_not && is_addr)
		each_value(rule, right, nb_rule_add_addr);
	else
		rule->other = true;
}

static void add_statement(struct nb_rule *rule, const struct cJSON *statement)
{
	const struct cJSON *jump = get(statement, "jump") ? get(statement, "jump") : get(statement, "goto");

	if (get(statement, "match"))
		add_match(rule, get(statement, "match"));
	else if (get(statement, "drop") || get(statement, "reject"))
		rule->verdict = NB_VERDICT_DROP;
	else if (get(statement, "accept"))
		rule->verdict = NB_VERDICT_ACCEPT;
	else if (jump) {
		rule->verdict = NB_VERDICT_JUMP;
		snprintf(rule->target, sizeof(rule->target), "%s", nb_nft_string(jump, "target"));
	} else if (!get(statement, "counter") && !get(statement, "log") && !get(statement, "comment"))
		rule->other = true;
}

/* ---- chains ---- */

/* The kernel takes any bytes for a name; what is no plain word could be taken for more of a command. */
static bool is_word(const char *text)
{
	const char *c = text;

	while (isalnum((unsigned char)*c) || (*c && strchr("_-./", *c)))
		c++;
	return *text && !*c;
}

struct reading {
	struct nb_chain chain;
	struct nb_error *err;
	int rc;
};

static bool take_rule(const struct cJSON *json, void *arg)
{
	struct reading *reading = arg;
	const struct cJSON *statement;
	struct nb_rule rule = { 0 };

	cJSON_ArrayForEach(statement, get(json, "expr"))
		add_statement(&rule, statement);
	reading->rc = nb_vec_push(&reading->chain.rules, rule, reading->err);
	return !reading->rc;
}

static void reading_free(struct reading *reading)
{
	nb_vec_free(&reading->chain.rules);
}

/* Appends a chain with its rules. One that is gone meanwhile is left out. */
static int add_chain(struct nb_chains *chains, const struct nb_chain *head, struct nb_error *err)
{
	nb_cleanup(reading_free) struct reading reading = { .chain = *head, .err = err };
	nb_cleanup(nb_nft_list_free) struct cJSON *list = NULL;
	char object[2 * NB_CHAIN_NAME_MAX + 8];

	snprintf(object, sizeof(object), "chain %s %s", head->table, head->name);
	int rc = nb_nft_list(object, &list, err);
	if (rc || !list)
		return rc;
	nb_nft_each_rule(list, head->name, take_rule, &reading);
	rc = reading.rc ? reading.rc : nb_vec_push(&chains->all, reading.chain, err);
	if (!rc)
		reading.chain = (struct nb_chain){ 0 };
	return rc;
}

/* The chains that those from first on jump to, and those that these jump to. */
static int add_targets(struct nb_chains *chains, size_t first, struct nb_error *err)
{
	int rc = 0;

	for (size_t i = first; i < chains->all.n && !rc; i++) {
		for (size_t k = 0; k < chains->all.items[i].rules.n && !rc; k++) {
			const struct nb_rule *rule = &chains->all.items[i].rules.items[k];
			struct nb_chain head = { 0 };

			if (rule->verdict != NB_VERDICT_JUMP || !is_word(rule->target) ||
			    !strncmp(rule->target, MACSPOOF_PREFIX, strlen(MACSPOOF_PREFIX)) ||
			    chains->all.n >= CHAINS_MAX ||
			    nb_chains_find(chains, chains->all.items[i].table, rule->target))
				continue;
			memcpy(head.table, chains->all.items[i].table, sizeof(head.table));
			memcpy(head.name, rule->target, sizeof(head.name));
			rc = add_chain(chains, &head, err);
		}
	}
	return rc;
}

/* Tables whose chains say nothing of what a rule of the host drops, or that iptables lists better. */
static bool is_left_out(const struct nb_chains *chains, const char *family, const char *table)
{
	char name[NB_CHAIN_NAME_MAX];

	if (!strcmp(table, NB_KUBE_NFT_TABLE) || (strcmp(family, "ip") && strcmp(family, "ip6") &&
						  strcmp(family, "inet") && strcmp(family, "bridge")))
		return true;
	if (strcmp(table, "filter") != 0)
		return false;
	snprintf(name, sizeof(name), "%s filter", strcmp(family, "ip") ? "ip6tables" : "iptables");
	return (!strcmp(family, "ip") || !strcmp(family, "ip6")) && nb_chains_find(chains, name, "FORWARD");
}

static int add_base(struct nb_chains *chains, const struct cJSON *json, struct nb_error *err)
{
	const char *family = nb_nft_string(json, "family"), *table = nb_nft_string(json, "table");
	const char *name = nb_nft_string(json, "name"), *hook = nb_nft_string(json, "hook");
	struct nb_chain head = { .is_base = true };

	if (!strcmp(nb_nft_string(json, "type"), "nat") && !strcmp(hook, "prerouting"))
		chains->has_nat = true;
	/* What the host itself sends and gets is no concern of pods. */
	if (strcmp(nb_nft_string(json, "type"), "filter") != 0 || !strcmp(hook, "output") ||
	    !strcmp(hook, "input") || !is_word(family) || !is_word(table) || !is_word(name) ||
	    strlen(table) + strlen(name) > 90 || is_left_out(chains, family, table) ||
	    chains->all.n >= CHAINS_MAX)
		return 0;
	head.is_forward = !strcmp(hook, "forward") && strcmp(family, "bridge") != 0;
	head.drops = !strcmp(nb_nft_string(json, "policy"), "drop");
	snprintf(head.table, sizeof(head.table), "%s %s", family, table);
	snprintf(head.name, sizeof(head.name), "%s", name);
	return add_chain(chains, &head, err);
}

int nb_chains_add_nft(struct nb_chains *chains, struct nb_error *err)
{
	nb_cleanup(nb_nft_list_free) struct cJSON *list = NULL;
	const size_t first = chains->all.n;
	const struct cJSON *item;
	int rc = nb_nft_list("chains", &list, err);

	if (rc == -ENOSYS || rc == -EOPNOTSUPP) /* no library, no nf_tables in the kernel */
		return 0;
	cJSON_ArrayForEach(item, get(list, "nftables")) {
		if (!rc && get(item, "chain"))
			rc = add_base(chains, get(item, "chain"), err);
	}
	return rc ? rc : add_targets(chains, first, err);
}
