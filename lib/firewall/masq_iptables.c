// SPDX-License-Identifier: GPL-2.0-or-later
/* Masquerade rules in iptables. */
#include "masq_iptables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/net/ifaddr.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/hash.h"
#include "lib/util/process.h"
#include "lib/util/strbuf.h"

#include "iptables.h"
#include "nft_chain.h"

#define HOOK_RULES "-A " NB_IPTABLES_HOOK " "

enum {
	CHAIN_SIZE = 28 + 1, /* XT_EXTENSION_MAXNAMELEN of the kernel, less one, and the NUL */
	COMMENT_SIZE = 512,
	LINE_SIZE = 1024,
	NAMES_MAX = 1024, /* network and container id; nb_args_read() limits their lengths */
};

/* The names in a container's rules; all its interfaces in a network share them. */
struct names {
	char chain[CHAIN_SIZE];
	char comment[COMMENT_SIZE]; /* in iptables' output format, with quotes and escapes */
};

static void names_of(const char *network, const char *container_id, struct names *names)
{
	char both[NAMES_MAX];

	snprintf(both, sizeof(both), "%s%s", network, container_id);
	memcpy(names->chain, "CNI-", 4);
	nb_sha512_hex(both, CHAIN_SIZE - 5, names->chain + 4);
	snprintf(names->comment, sizeof(names->comment), "\"name: \\\"%s\\\" id: \\\"%s\\\"\"", network,
		 container_id);
}

/* ---- rules ---- */

/* The rules of one address, in iptables' output format. */
struct rules {
	char local[LINE_SIZE], masquerade[LINE_SIZE], hook[LINE_SIZE];
};

static void rules_of(const struct nb_iptables *family, const struct names *names, const struct nb_ifaddr *ip,
		     struct rules *rules)
{
	const struct nb_addr network = nb_addr_network(&ip->addr, ip->prefix_len);
	char addr[NB_ADDR_STRLEN], net[NB_ADDR_STRLEN];

	nb_addr_format(&ip->addr, addr);
	nb_addr_format(&network, net);
	snprintf(rules->local, LINE_SIZE, "-A %s -d %s/%u -m comment --comment %s -j ACCEPT", names->chain,
		 net, ip->prefix_len, names->comment);
	snprintf(rules->masquerade, LINE_SIZE, "-A %s ! -d %s -m comment --comment %s -j MASQUERADE",
		 names->chain, family->multicast, names->comment);
	snprintf(rules->hook, LINE_SIZE, HOOK_RULES "-s %s/%d -m comment --comment %s -j %s", addr,
		 family->v4 ? 32 : 128, names->comment, names->chain);
}

/* The line after the one at, NULL: there is none. */
static const char *next_line(const char *at)
{
	at = strchr(at, '\n');
	return at ? at + 1 : NULL;
}

/* Whether text, which may be NULL, has that line. */
static bool has_line(const char *text, const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = text; at && *at; at = next_line(at))
		if (!strncmp(at, line, len) && (at[len] == '\n' || !at[len]))
			return true;
	return false;
}

/*
 * Calls fn for each rule of POSTROUTING that jumps to a chain CNI-..., with the rule (rule[len],
 * from "-A" on) and the chain's name.
 */
static void each_jump(const char *text,
		      void (*fn)(const char *rule, size_t len, const char *chain, void *arg), void *arg)
{
	static const char JUMP[] = " -j CNI-";

	for (const char *at = text; at && *at; at = next_line(at)) {
		const size_t len = strcspn(at, "\n"), target = sizeof(JUMP) - 1 + CHAIN_SIZE - 5;
		char chain[CHAIN_SIZE];

		/* The line ends with the target. */
		if (strncmp(at, HOOK_RULES, sizeof(HOOK_RULES) - 1) != 0 || len < target ||
		    strncmp(at + len - target, JUMP, sizeof(JUMP) - 1) != 0)
			continue;
		snprintf(chain, sizeof(chain), "%.*s", CHAIN_SIZE - 1, at + len - (CHAIN_SIZE - 1));
		fn(at, len, chain, arg);
	}
}

static void append_line(struct nb_strbuf *commands, const char *line)
{
	nb_strbuf_put(commands, line);
	nb_strbuf_put(commands, "\n");
}

/* ---- ADD and CHECK ---- */

static bool is_of(const struct nb_iptables *family, const struct nb_ifaddr *ip)
{
	return nb_addr_is_v4(&ip->addr) == family->v4;
}

static bool has_any(const struct nb_iptables *family, const struct nb_ifaddr *addrs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_of(family, &addrs[i]))
			return true;
	return false;
}

/* The rules of POSTROUTING that jump to a container's chain. */
struct jumps {
	const struct nb_iptables *family;
	const struct names *names;
	const struct nb_masq_addrs *addrs;
	struct nb_strbuf removals; /* commands that delete those for none of addrs */
};

static void jumps_free(struct jumps *jumps)
{
	nb_strbuf_free(&jumps->removals);
}

/* Whether rule[len] is the rule of one of the addresses. */
static bool is_for(const struct jumps *jumps, const char *rule, size_t len, const struct nb_ifaddr *addrs,
		   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct rules rules;

		if (!is_of(jumps->family, &addrs[i]))
			continue;
		rules_of(jumps->family, jumps->names, &addrs[i], &rules);
		if (strlen(rules.hook) == len && !strncmp(rules.hook, rule, len))
			return true;
	}
	return false;
}

static void append_rule_removal(struct nb_strbuf *commands, const char *rule, size_t len)
{
	char line[LINE_SIZE];

	snprintf(line, sizeof(line), "-D%.*s", (int)len - 2, rule + 2);
	append_line(commands, line);
}

static void look_at_jump(const char *rule, size_t len, const char *chain, void *arg)
{
	struct jumps *jumps = arg;
	const struct nb_masq_addrs *addrs = jumps->addrs;

	if (!strcmp(chain, jumps->names->chain) && !is_for(jumps, rule, len, addrs->own, addrs->n_own) &&
	    !is_for(jumps, rule, len, addrs->others, addrs->n_others))
		append_rule_removal(&jumps->removals, rule, len);
}

/*
 * Appends the rules of an address that neither exist nor are in the commands: addresses may share
 * rules.
 */
static void append_missing(const struct jumps *jumps, const struct nb_ifaddr *addr, const char *hook,
			   const char *chain, struct nb_strbuf *commands)
{
	struct rules rules;

	rules_of(jumps->family, jumps->names, addr, &rules);
	if (!has_line(chain, rules.local) && !has_line(commands->buf, rules.local))
		append_line(commands, rules.local);
	if (!has_line(chain, rules.masquerade) && !has_line(commands->buf, rules.masquerade))
		append_line(commands, rules.masquerade);
	if (!has_line(hook, rules.hook))
		append_line(commands, rules.hook);
}

/*
 * hook, chain: the rules of POSTROUTING and of the container's chain, NULL: no such chain. A chain
 * with stale rules is emptied, by ":CHAIN", which also creates a missing chain, and filled again.
 */
static void append_changes(const struct jumps *jumps, const char *hook, const char *chain,
			   struct nb_strbuf *commands)
{
	const struct nb_masq_addrs *addrs = jumps->addrs;
	const bool refill = !chain || jumps->removals.len;
	bool used = false;

	if (refill)
		nb_strbuf_append(commands, ":%s - [0:0]\n", jumps->names->chain);
	if (jumps->removals.len)
		nb_strbuf_put(commands, jumps->removals.buf);
	for (size_t i = 0; i < addrs->n_own; i++) {
		if (!is_of(jumps->family, &addrs->own[i]))
			continue;
		append_missing(jumps, &addrs->own[i], hook, refill ? "" : chain, commands);
		used = true;
	}
	for (size_t i = 0; i < addrs->n_others; i++) {
		struct rules rules;

		rules_of(jumps->family, jumps->names, &addrs->others[i], &rules);
		if (!is_of(jumps->family, &addrs->others[i]) || !has_line(hook, rules.hook))
			continue;
		append_missing(jumps, &addrs->others[i], hook, refill ? "" : chain, commands);
		used = true;
	}
	if (!used)
		nb_strbuf_append(commands, ":%s - [0:0]\n-X %s\n", jumps->names->chain, jumps->names->chain);
}

/* *needed: whether there are rules to add, or may be rules to remove. Starts no program. */
static int needs_change(const struct nb_iptables *family, const struct names *names,
			const struct nb_masq_addrs *addrs, bool *needed, struct nb_error *err)
{
	if (has_any(family, addrs->own, addrs->n_own)) {
		*needed = true;
		return 0;
	}
	if (addrs->legacy)
		return nb_iptables_may_have(family, names->chain, needed, err);
	return nb_nft_has_chain(family->table, names->chain, needed, err);
}

static int replace_family(const struct nb_iptables *family, const struct names *names,
			  const struct nb_masq_addrs *addrs, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 }, chain = { 0 };
	nb_cleanup(jumps_free) struct jumps jumps = { .family = family, .names = names, .addrs = addrs };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	bool there = false, needed = false;
	int rc = needs_change(family, names, addrs, &needed, err);

	if (rc || !needed)
		return rc;
	rc = nb_iptables_list_hook(family, &hook, err);
	if (rc)
		return rc;
	rc = nb_iptables_list(family, names->chain, &chain, &there, err);
	if (rc)
		return rc;
	if (!there && !has_any(family, addrs->own, addrs->n_own))
		return 0;
	each_jump(hook.text, look_at_jump, &jumps);
	append_changes(&jumps, hook.text, there ? chain.text : NULL, &commands);
	commands.failed |= jumps.removals.failed;
	return nb_iptables_apply(family, &commands, err);
}

int nb_masq_iptables_replace(const struct nb_cni_id *id, const struct nb_masq_addrs *addrs,
			     struct nb_error *err)
{
	struct names names;

	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES; i++)
		if (replace_family(&nb_iptables[i], &names, addrs, err))
			return nb_wrap(err, "cannot %s masquerade rules", addrs->n_own ? "add" : "remove");
	return 0;
}

static int check_family(const struct nb_iptables *family, const struct names *names,
			const struct nb_ifaddr *addrs, size_t n, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 }, chain = { 0 };
	char addr[NB_ADDR_STRLEN];
	bool there = false;
	int rc = nb_iptables_list_hook(family, &hook, err);

	if (rc)
		return rc;
	rc = nb_iptables_list(family, names->chain, &chain, &there, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++) {
		struct rules rules;

		if (!is_of(family, &addrs[i]))
			continue;
		rules_of(family, names, &addrs[i], &rules);
		if (!there || !has_line(chain.text, rules.local) || !has_line(chain.text, rules.masquerade) ||
		    !has_line(hook.text, rules.hook))
			return nb_fail(err, NB_ERR_CHECK, 0, "the masquerade rule of %s is missing",
				       nb_addr_format(&addrs[i].addr, addr));
	}
	return 0;
}

int nb_masq_iptables_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
			   struct nb_error *err)
{
	struct names names;

	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES; i++) {
		int rc;

		if (!has_any(&nb_iptables[i], addrs, n))
			continue;
		rc = check_family(&nb_iptables[i], &names, addrs, n, err);
		if (rc)
			return rc;
	}
	return 0;
}

bool nb_masq_iptables_there(void)
{
	for (int i = 0; i < NB_IPTABLES; i++) {
		nb_autofree char *command = NULL, *restore = NULL;

		if (nb_iptables_find(nb_iptables[i].command, &command, NULL) ||
		    nb_iptables_find(nb_iptables[i].restore, &restore, NULL))
			return false;
	}
	return true;
}

int nb_masq_iptables_probe(struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 };
	nb_autofree char *restore = NULL;
	int rc = nb_iptables_list_hook(&nb_iptables[0], &hook, err);

	if (rc)
		return rc;
	return nb_iptables_find(nb_iptables[0].restore, &restore, err);
}

/* ---- DEL and GC ---- */

struct removal {
	const char *network;    /* GC: the network whose rules may be removed; NULL: DEL */
	char chain[CHAIN_SIZE]; /* DEL: the chain to remove */
	const struct nb_cni_id *valid;
	size_t n_valid;
	struct nb_strbuf rules, chains;
	unsigned int count;
};

static void removal_free(struct removal *removal)
{
	nb_strbuf_free(&removal->rules);
	nb_strbuf_free(&removal->chains);
}

/*
 * Whether GC removes a rule: its comment names the network, and no valid attachment has its chain.
 */
static bool is_garbage(const struct removal *removal, const char *rule, size_t len, const char *chain)
{
	char start[COMMENT_SIZE];
	struct names names;
	const char *found;

	snprintf(start, sizeof(start), " --comment \"name: \\\"%s\\\" id: ", removal->network);
	found = memmem(rule, len, start, strlen(start));
	for (size_t i = 0; i < removal->n_valid && found; i++) {
		names_of(removal->network, removal->valid[i].container_id, &names);
		if (!strcmp(names.chain, chain))
			return false;
	}
	return found != NULL;
}

static void append_removal(const char *rule, size_t len, const char *chain, void *arg)
{
	struct removal *removal = arg;

	if (removal->network ? !is_garbage(removal, rule, len, chain) : strcmp(removal->chain, chain) != 0)
		return;
	append_rule_removal(&removal->rules, rule, len);
	nb_strbuf_append(&removal->chains, ":%s - [0:0]\n-X %s\n", chain, chain);
	removal->count++;
}

/*
 * Removes the jumps before the chains. ":CHAIN" empties a chain, or creates it if another process
 * has removed it, so that "-X" succeeds.
 */
static int remove_family(const struct nb_iptables *family, struct removal *removal, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 }, chain = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	bool there = false, may = false;
	int rc =
		nb_iptables_may_have(family, removal->network ? NB_IPTABLES_HOOK : removal->chain, &may, err);

	if (rc || !may)
		return rc;
	rc = nb_iptables_list_hook(family, &hook, err);
	if (rc)
		return rc;
	nb_strbuf_free(&removal->rules);
	nb_strbuf_free(&removal->chains);
	each_jump(hook.text, append_removal, removal);
	/* No rule jumps to the chain, but it may exist. */
	if (!removal->network && !removal->chains.len) {
		rc = nb_iptables_list(family, removal->chain, &chain, &there, err);
		if (rc)
			return rc;
	}
	if (there)
		nb_strbuf_append(&removal->chains, ":%s - [0:0]\n-X %s\n", removal->chain, removal->chain);
	commands.failed = removal->rules.failed || removal->chains.failed;
	if (removal->rules.len)
		nb_strbuf_put(&commands, removal->rules.buf);
	if (removal->chains.len)
		nb_strbuf_put(&commands, removal->chains.buf);
	return nb_iptables_apply(family, &commands, err);
}

int nb_masq_iptables_may_have(const struct nb_cni_id *id, bool *may, struct nb_error *err)
{
	struct names names;

	*may = false;
	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES && !*may; i++) {
		int rc = nb_iptables_may_have(&nb_iptables[i], names.chain, may, err);

		if (rc)
			return rc;
	}
	return 0;
}

int nb_masq_iptables_has(const struct nb_cni_id *id, bool *has, struct nb_error *err)
{
	struct names names;

	*has = false;
	/* Without the programs nobody can have added a chain. */
	if (!nb_masq_iptables_there())
		return 0;
	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES && !*has; i++) {
		nb_cleanup(nb_process_output_free) struct nb_process_output chain = { 0 };
		bool may = false;
		int rc = nb_iptables_may_have(&nb_iptables[i], names.chain, &may, err);

		if (rc)
			return rc;
		if (!may)
			continue;
		rc = nb_iptables_list(&nb_iptables[i], names.chain, &chain, has, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int remove_rules(struct removal *removal, struct nb_error *err)
{
	for (int i = 0; i < NB_IPTABLES; i++)
		if (remove_family(&nb_iptables[i], removal, err))
			return nb_wrap(err, "cannot remove masquerade rules");
	return 0;
}

int nb_masq_iptables_delete(const struct nb_cni_id *id, struct nb_error *err)
{
	nb_cleanup(removal_free) struct removal removal = { 0 };
	struct names names;

	names_of(id->network, id->container_id, &names);
	memcpy(removal.chain, names.chain, sizeof(removal.chain));
	return remove_rules(&removal, err);
}

int nb_masq_iptables_keep_only(const char *network, const struct nb_cni_id *valid, size_t n,
			       unsigned int *removed, struct nb_error *err)
{
	nb_cleanup(removal_free) struct removal removal = { .network = network };
	int rc;

	removal.valid = valid;
	removal.n_valid = n;
	rc = remove_rules(&removal, err);
	*removed = removal.count;
	return rc;
}
