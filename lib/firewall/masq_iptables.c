// SPDX-License-Identifier: GPL-2.0-or-later
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
#include "nft.h"

#define HOOK_RULES "-A " NB_IPTABLES_HOOK " "

enum {
	CHAIN_SIZE = 28 + 1, /* XT_EXTENSION_MAXNAMELEN of the kernel, less one, and the NUL */
	COMMENT_SIZE = 512,
	LINE_SIZE = 1024,
	NAMES_MAX = 1024, /* network and container id, whose lengths nb_args_read() bounds */
};

/* What the rules of one attachment are known by; all interfaces of a container share them. */
struct names {
	char chain[CHAIN_SIZE];
	char comment[COMMENT_SIZE]; /* as iptables prints it, with quotes and escapes */
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

/* The rules for one address, as iptables prints them. */
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

/* Whether a text has that line. */
static bool has_line(const char *text, const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at ? 1 : 0)
		if (!strncmp(at, line, len) && (at[len] == '\n' || !at[len]))
			return true;
	return false;
}

/* Calls fn for each rule of POSTROUTING that leads to one of the reference plugin's chains: with the rule,
 * from its "-A" on and as long as len says, and the chain's name. */
static void each_jump(const char *text,
		      void (*fn)(const char *rule, size_t len, const char *chain, void *arg), void *arg)
{
	static const char JUMP[] = " -j CNI-";

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at ? 1 : 0) {
		const size_t len = strcspn(at, "\n"), target = sizeof(JUMP) - 1 + CHAIN_SIZE - 5;
		char chain[CHAIN_SIZE];

		/* The target is the last thing in the line. */
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

/* Calls fn for each family that one of the addresses is of. */
static int each_family(int (*fn)(const struct nb_iptables *family, const struct names *names,
				 const struct nb_ifaddr *addrs, size_t n, struct nb_error *err),
		       const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
		       struct nb_error *err)
{
	struct names names;
	int ret = 0;

	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES && !ret; i++)
		if (has_any(&nb_iptables[i], addrs, n))
			ret = fn(&nb_iptables[i], &names, addrs, n, err);
	return ret;
}

/* The rules of POSTROUTING that lead to a container's chain, sorted by whether they stay. */
struct jumps {
	const struct nb_iptables *family;
	const struct names *names;
	const struct nb_masq_addrs *addrs;
	struct nb_strbuf removals;
};

static void jumps_free(struct jumps *jumps)
{
	nb_strbuf_free(&jumps->removals);
}

/* Whether a rule is the one for an address among these. */
static bool is_for(const struct jumps *jumps, const char *rule, size_t len, const struct nb_ifaddr *addrs,
		   size_t n)
{
	bool found = false;

	for (size_t i = 0; i < n && !found; i++) {
		struct rules rules;

		rules_of(jumps->family, jumps->names, &addrs[i], &rules);
		found = is_of(jumps->family, &addrs[i]) && strlen(rules.hook) == len &&
			!strncmp(rules.hook, rule, len);
	}
	return found;
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

/* The chain's lines are in one text, or in the commands already if two addresses share them. */
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

/* Naming a chain empties it, or makes it: so one that has something stale is filled anew. */
static void append_changes(const struct jumps *jumps, const char *hook, const char *chain,
			   struct nb_strbuf *commands)
{
	const struct nb_masq_addrs *addrs = jumps->addrs;
	const bool anew = !chain || jumps->removals.len;
	bool used = false;

	if (anew)
		nb_strbuf_append(commands, ":%s - [0:0]\n", jumps->names->chain);
	if (jumps->removals.len)
		nb_strbuf_put(commands, jumps->removals.buf);
	for (size_t i = 0; i < addrs->n_own; i++) {
		if (!is_of(jumps->family, &addrs->own[i]))
			continue;
		append_missing(jumps, &addrs->own[i], hook, anew ? "" : chain, commands);
		used = true;
	}
	for (size_t i = 0; i < addrs->n_others; i++) {
		struct rules rules;

		rules_of(jumps->family, jumps->names, &addrs->others[i], &rules);
		if (!is_of(jumps->family, &addrs->others[i]) || !has_line(hook, rules.hook))
			continue;
		append_missing(jumps, &addrs->others[i], hook, anew ? "" : chain, commands);
		used = true;
	}
	if (!used)
		nb_strbuf_append(commands, ":%s - [0:0]\n-X %s\n", jumps->names->chain, jumps->names->chain);
}

static int replace_family(const struct nb_iptables *family, const struct names *names,
			  const struct nb_masq_addrs *addrs, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 }, chain = { 0 };
	nb_cleanup(jumps_free) struct jumps jumps = { .family = family, .names = names, .addrs = addrs };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	bool there = false, may = has_any(family, addrs->own, addrs->n_own);
	int ret = 0;

	if (!may)
		ret = addrs->legacy ? nb_iptables_may_have(family, names->chain, &may, err)
				    : nb_nft_has_chain(family->table, names->chain, &may, err);
	if (!ret && may)
		ret = nb_iptables_list_hook(family, &hook, err);
	if (!ret && may)
		ret = nb_iptables_list(family, names->chain, &chain, &there, err);
	if (ret || !may || (!there && !has_any(family, addrs->own, addrs->n_own)))
		return ret;
	each_jump(hook.text, look_at_jump, &jumps);
	append_changes(&jumps, hook.text, there ? chain.text : NULL, &commands);
	commands.failed |= jumps.removals.failed;
	return nb_iptables_apply(family, &commands, err);
}

int nb_masq_iptables_replace(const struct nb_cni_id *id, const struct nb_masq_addrs *addrs,
			     struct nb_error *err)
{
	struct names names;
	int ret = 0;

	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES && !ret; i++)
		ret = replace_family(&nb_iptables[i], &names, addrs, err);
	return ret ? nb_wrap(err, "cannot %s masquerade rules", addrs->n_own ? "add" : "remove") : 0;
}

static int check_family(const struct nb_iptables *family, const struct names *names,
			const struct nb_ifaddr *addrs, size_t n, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 }, chain = { 0 };
	char addr[NB_ADDR_STRLEN];
	bool there = false;
	int ret = nb_iptables_list_hook(family, &hook, err);

	if (!ret)
		ret = nb_iptables_list(family, names->chain, &chain, &there, err);
	for (size_t i = 0; i < n && !ret; i++) {
		struct rules rules;

		if (!is_of(family, &addrs[i]))
			continue;
		rules_of(family, names, &addrs[i], &rules);
		if (!there || !has_line(chain.text, rules.local) || !has_line(chain.text, rules.masquerade) ||
		    !has_line(hook.text, rules.hook))
			ret = nb_fail(err, NB_ERR_CHECK, 0, "the masquerade rule of %s is missing",
				      nb_addr_format(&addrs[i].addr, addr));
	}
	return ret;
}

int nb_masq_iptables_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
			   struct nb_error *err)
{
	return each_family(check_family, id, addrs, n, err);
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
	int ret = nb_iptables_list_hook(&nb_iptables[0], &hook, err);

	return ret ? ret : nb_iptables_find(nb_iptables[0].restore, &restore, err);
}

/* ---- DEL and GC ---- */

struct removal {
	const char *network; /* of GC; else NULL, and only one chain is meant */
	char chain[CHAIN_SIZE];
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

/* Whether GC removes a rule: its comment names the network, and its chain is no valid attachment's. */
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

/* Rules go before the chains that they lead to; naming a chain empties it, or makes it should it be missing.
 */
static int remove_family(const struct nb_iptables *family, struct removal *removal, struct nb_error *err)
{
	nb_cleanup(nb_process_output_free) struct nb_process_output hook = { 0 }, chain = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	bool there = false, may = false;
	int ret =
		nb_iptables_may_have(family, removal->network ? NB_IPTABLES_HOOK : removal->chain, &may, err);

	if (!ret && may)
		ret = nb_iptables_list_hook(family, &hook, err);
	if (ret || !may)
		return ret;
	nb_strbuf_free(&removal->rules);
	nb_strbuf_free(&removal->chains);
	each_jump(hook.text, append_removal, removal);
	/* One to which no rule leads (any more). */
	if (!removal->network && !removal->chains.len)
		ret = nb_iptables_list(family, removal->chain, &chain, &there, err);
	if (there)
		nb_strbuf_append(&removal->chains, ":%s - [0:0]\n-X %s\n", removal->chain, removal->chain);
	commands.failed = removal->rules.failed || removal->chains.failed;
	if (removal->rules.len)
		nb_strbuf_put(&commands, removal->rules.buf);
	if (removal->chains.len)
		nb_strbuf_put(&commands, removal->chains.buf);
	return ret ? ret : nb_iptables_apply(family, &commands, err);
}

int nb_masq_iptables_may_have(const struct nb_cni_id *id, bool *may, struct nb_error *err)
{
	struct names names;
	int ret = 0;

	*may = false;
	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES && !ret && !*may; i++)
		ret = nb_iptables_may_have(&nb_iptables[i], names.chain, may, err);
	return ret;
}

int nb_masq_iptables_has(const struct nb_cni_id *id, bool *has, struct nb_error *err)
{
	struct names names;
	int ret = 0;

	*has = false;
	if (!nb_masq_iptables_there()) /* who could have made them? */
		return 0;
	names_of(id->network, id->container_id, &names);
	for (int i = 0; i < NB_IPTABLES && !ret && !*has; i++) {
		nb_cleanup(nb_process_output_free) struct nb_process_output chain = { 0 };
		bool may = false;

		ret = nb_iptables_may_have(&nb_iptables[i], names.chain, &may, err);
		if (!ret && may)
			ret = nb_iptables_list(&nb_iptables[i], names.chain, &chain, has, err);
	}
	return ret;
}

static int remove_rules(struct removal *removal, struct nb_error *err)
{
	int ret = 0;

	for (int i = 0; i < NB_IPTABLES && !ret; i++)
		ret = remove_family(&nb_iptables[i], removal, err);
	return ret ? nb_wrap(err, "cannot remove masquerade rules") : 0;
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
	nb_cleanup(
		removal_free) struct removal removal = { .network = network, .valid = valid, .n_valid = n };
	int ret = remove_rules(&removal, err);

	*removed = removal.count;
	return ret;
}
