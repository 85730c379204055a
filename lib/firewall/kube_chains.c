// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of Kubernetes 1.0 to 1.34, of kube-proxy's modes iptables and ipvs. */
#include "kube_chains.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 64, LINE_SIZE = 1024 };

static const struct {
	const char *table, *name;
	bool begins; /* with name; else it is the name */
	bool shared; /* see enum nb_kube_chains */
} rows[] = {
	{ "nat", "KUBE-SERVICES", false, false },
	{ "nat", "KUBE-NODEPORTS", false, false },
	{ "nat", "KUBE-POSTROUTING", false, true },
	{ "nat", "KUBE-MARK-MASQ", false, true },
	{ "nat", "KUBE-PROXY-CANARY", false, false },
	{ "nat", "KUBE-SVC-", true, false },
	{ "nat", "KUBE-SVL-", true, false },
	{ "nat", "KUBE-SEP-", true, false },
	{ "nat", "KUBE-FW-", true, false },
	{ "nat", "KUBE-EXT-", true, false },
	{ "nat", "KUBE-XLB-", true, false },
	{ "nat", "KUBE-NODE-PORT", false, false },
	{ "nat", "KUBE-LOAD-BALANCER", false, false },
	{ "filter", "KUBE-SERVICES", false, false },
	{ "filter", "KUBE-EXTERNAL-SERVICES", false, false },
	{ "filter", "KUBE-FORWARD", false, false },
	{ "filter", "KUBE-NODEPORTS", false, false },
	{ "filter", "KUBE-PROXY-FIREWALL", false, false },
	{ "filter", "KUBE-PROXY-CANARY", false, false },
	{ "filter", "KUBE-NODE-PORT", false, false },
	{ "filter", "KUBE-SOURCE-RANGES-FIREWALL", false, false },
	{ "filter", "KUBE-IPVS-FILTER", false, false },
	{ "filter", "KUBE-IPVS-OUT-FILTER", false, false },
	{ "mangle", "KUBE-PROXY-CANARY", false, false },
};

const struct nb_kube_sign nb_kube_signs[NB_KUBE_SIGNS] = {
	{ "nat", "KUBE-SERVICES" },
	{ "filter", "KUBE-FORWARD" },
	{ "mangle", "KUBE-PROXY-CANARY" },
};

/* Names go into commands: kube-proxy's have no other bytes. */
static bool is_plain(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			return false;
	return strlen(name) < NAME_SIZE;
}

bool nb_kube_chains_have(enum nb_kube_chains which, const char *table, const char *chain)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const size_t len = strlen(rows[i].name);

		if (!strcmp(rows[i].table, table) && !strncmp(rows[i].name, chain, len) &&
		    (rows[i].begins ? chain[len] && is_plain(chain) : !chain[len]))
			return which == NB_KUBE_CHAINS_ALL || !rows[i].shared;
	}
	return false;
}

bool nb_kube_chains_is_hook(const char *chain)
{
	static const char *const hooks[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++)
		if (!strcmp(chain, hooks[i]))
			return true;
	return false;
}

/* ---- what iptables-save prints ---- */

/* Copies the word at text, which ends at a blank or the end of the line. */
static const char *take_word(const char *text, char word[NAME_SIZE])
{
	const size_t len = strcspn(text, " \n");

	snprintf(word, NAME_SIZE, "%.*s", len < NAME_SIZE ? (int)len : 0, text);
	return text + len;
}

/* The chain to which the rule line[len] jumps, "": none. It ends with that. */
static void target_of(const char *line, size_t len, char target[NAME_SIZE])
{
	size_t at = len;

	*target = '\0';
	while (at && line[at - 1] != ' ')
		at--;
	if (at >= 4 && (!strncmp(line + at - 4, " -j ", 4) || !strncmp(line + at - 4, " -g ", 4)))
		take_word(line + at, target);
}

static void append_rule_removal(enum nb_kube_chains which, const char *table, const char *line, size_t len,
				struct nb_strbuf *commands)
{
	char chain[NAME_SIZE], target[NAME_SIZE], removal[LINE_SIZE];

	take_word(line + strlen("-A "), chain);
	target_of(line, len, target);
	if (!nb_kube_chains_is_hook(chain) || !nb_kube_chains_have(which, table, target) || len >= LINE_SIZE)
		return;
	snprintf(removal, sizeof(removal), "-D%.*s\n", (int)len - 2, line + 2);
	nb_strbuf_put(commands, removal);
}

static void append_chains(enum nb_kube_chains which, const char *table, const char *saved, const char *before,
			  const char *after, struct nb_strbuf *commands)
{
	for (const char *line = saved; line; line = strchr(line, '\n')) {
		char chain[NAME_SIZE];

		line += *line == '\n';
		if (*line != ':')
			continue;
		take_word(line + 1, chain);
		if (nb_kube_chains_have(which, table, chain))
			nb_strbuf_append(commands, "%s%s%s\n", before, chain, after);
	}
}

void nb_kube_chains_append_removal(enum nb_kube_chains which, const char *table, const char *saved,
				   struct nb_strbuf *commands)
{
	/* A line of this form empties a chain that is there. */
	append_chains(which, table, saved, ":", " - [0:0]", commands);
	if (!commands->len)
		return;
	for (const char *line = saved; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "-A ", 3))
			append_rule_removal(which, table, line, strcspn(line, "\n"), commands);
	}
	append_chains(which, table, saved, "-X ", "", commands);
}
