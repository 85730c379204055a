// SPDX-License-Identifier: GPL-2.0-or-later
/* Table filter of iptables, of both backends and families, as iptables-save prints it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/firewall/iptables.h"
#include "lib/firewall/kube_find.h"
#include "lib/firewall/nft_chain.h"
#include "lib/util/cleanup.h"
#include "lib/util/process.h"

#include "rules.h"

enum { TIMEOUT_MS = 10000, OUTPUT_MAX = 16 << 20 };

static bool is_among(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static void add_verdict(struct nb_rule *rule, const char *target)
{
	static const char *const drops[] = { "DROP", "REJECT", NULL };

	if (is_among(target, drops))
		rule->verdict = NB_VERDICT_DROP;
	else if (!strcmp(target, "ACCEPT"))
		rule->verdict = NB_VERDICT_ACCEPT;
	else
		rule->verdict = NB_VERDICT_JUMP;
	snprintf(rule->target, sizeof(rule->target), "%s", target);
}

/* Behind the end of a quoted word, in which a backslash stands before a quote. */
static char *skip_quoted(char *word)
{
	for (word++; *word && *word != '"'; word++)
		word += *word == '\\' && word[1];
	return *word ? word + 1 : word;
}

/* Moves *rest behind the next word, which may be quoted; NULL: there is none. */
static char *next_word(char **rest)
{
	char *word = *rest + strspn(*rest, " "), *end;

	if (!*word)
		return NULL;
	end = *word == '"' ? skip_quoted(word) : word + strcspn(word, " ");
	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* One option with its value. *is_not: "!" stood before it. */
static void add_option(struct nb_rule *rule, const char *option, bool is_not, char **rest)
{
	/* They match nothing by themselves, or what does not matter here. */
	static const char *const nothing[] = { "-m", "-p", "--comment", "--reject-with", NULL };
	const bool has_value = (*rest)[strspn(*rest, " ")] != '-';
	const char *value = has_value ? next_word(rest) : NULL;

	rule->other |= !value;
	if (!value || is_among(option, nothing))
		return;
	if (!strcmp(option, "-j") || !strcmp(option, "-g"))
		add_verdict(rule, value);
	else if (!strcmp(option, "--ctstate") || !strcmp(option, "--state"))
		rule->not_new |= (strstr(value, "NEW") != NULL) == is_not;
	else if (!strcmp(option, "--mark"))
		rule->marked = true;
	else if (!is_not && (!strcmp(option, "-i") || !strcmp(option, "-o")))
		nb_rule_add_iface(rule, value);
	else if (!is_not && (!strcmp(option, "-s") || !strcmp(option, "-d")))
		nb_rule_add_addr(rule, value);
	else
		rule->other = true;
}

static int add_rule(struct nb_chains *chains, const char *table, char *line, struct nb_error *err)
{
	char *rest = line + strlen("-A "), *word, *name = next_word(&rest);
	struct nb_rule rule = { 0 };
	bool is_not = false;

	while ((word = next_word(&rest))) {
		if (*word == '-')
			add_option(&rule, word, is_not, &rest);
		else
			rule.other |= strcmp(word, "!") != 0;
		is_not = !strcmp(word, "!");
	}
	for (size_t i = 0; i < chains->all.n && name; i++)
		if (!strcmp(chains->all.items[i].table, table) && !strcmp(chains->all.items[i].name, name))
			return nb_vec_push(&chains->all.items[i].rules, rule, err);
	return 0;
}

/* ":FORWARD DROP [0:0]"; a chain of users has the policy "-". */
static int add_chain(struct nb_chains *chains, const char *table, char *line, struct nb_error *err)
{
	char *rest = line + 1, *name = next_word(&rest), *policy = next_word(&rest);
	struct nb_chain chain = { 0 };

	if (!name || !policy)
		return 0;
	snprintf(chain.table, sizeof(chain.table), "%s", table);
	snprintf(chain.name, sizeof(chain.name), "%s", name);
	/* What the host itself sends and gets is no concern of pods. */
	chain.is_base = chain.is_forward = !strcmp(name, "FORWARD");
	chain.drops = chain.is_base && !strcmp(policy, "DROP");
	return nb_vec_push(&chains->all, chain, err);
}

int nb_chains_take_iptables(struct nb_chains *chains, const char *table, char *text, struct nb_error *err)
{
	char *line;
	int rc = 0;

	while (!rc && (line = strsep(&text, "\n"))) {
		if (*line == ':')
			rc = add_chain(chains, table, line, err);
		else if (!strncmp(line, "-A ", 3))
			rc = add_rule(chains, table, line, err);
	}
	return rc;
}

/* A program that is not there has no rules. */
static int run(struct nb_chains *chains, const char *program, const char *table, struct nb_error *err)
{
	const char *const args[] = { "-t", "filter", NULL };
	nb_cleanup(nb_process_output_free) struct nb_process_output out = { 0 };
	struct nb_process process = { .args = args, .timeout_ms = TIMEOUT_MS, .output_max = OUTPUT_MAX };
	nb_autofree char *path = NULL;

	if (nb_iptables_find(program, &path, NULL))
		return 0;
	process.path = path;
	process.take_errors = true;
	int rc = nb_process_run(&process, &out, err);
	if (rc || out.status)
		return rc;
	return nb_chains_take_iptables(chains, table, out.text, err);
}

/* Programs run only for a family and backend that has the table. */
int nb_chains_add_iptables(struct nb_chains *chains, struct nb_error *err)
{
	static const char *const tables[NB_KUBE_FAMILIES] = { "iptables filter", "ip6tables filter" };
	static const char *const saves[NB_KUBE_FAMILIES] = { "iptables-save", "ip6tables-save" };
	int rc = 0;

	for (size_t i = 0; i < NB_KUBE_FAMILIES && !rc; i++) {
		const struct nb_kube_family *family = &nb_kube_families[i];
		char object[32], legacy[64];
		bool has = false;

		snprintf(object, sizeof(object), "%s filter", family->name);
		if (!nb_nft_has_chain(object, "FORWARD", &has, NULL) && has)
			rc = run(chains, saves[i], tables[i], err);
		snprintf(legacy, sizeof(legacy), "%s filter", family->legacy);
		if (!rc && nb_kube_has_legacy(family, "filter"))
			rc = run(chains, family->legacy_save, legacy, err);
		chains->has_nat |= nb_kube_has_legacy(family, "nat");
	}
	return rc;
}
