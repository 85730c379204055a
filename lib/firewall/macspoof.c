// SPDX-License-Identifier: GPL-2.0-or-later
/* nftables rules against forged source MACs. */
#include "macspoof.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "nft.h"
#include "nft_chain.h"
#include "nft_list.h"

#define TABLE "bridge nat"
#define HOOK  "PREROUTING"

enum {
	ID_SIZE = 320,  /* container id, dash, interface name; nb_args_read() limits them */
	MAX_TRIES = 16, /* of a transaction, which fails if another process deletes a rule that it names */
};

/* The names in an attachment's rules. */
struct names {
	char id[ID_SIZE];
	char comment[ID_SIZE + 16];
	char iface_chain[ID_SIZE + 16];
	char mac_chain[ID_SIZE + 20];
};

/* nft allows no other characters in the name of a chain, and no quotes around it. */
static bool is_plain(const char *name)
{
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] ==
	       '\0';
}

/* rule_id: ID of macspoof.h. */
static void names_of_rule_id(const char *rule_id, struct names *names)
{
	snprintf(names->id, sizeof(names->id), "%s", rule_id);
	snprintf(names->comment, sizeof(names->comment), "macspoofchk-%s", names->id);
	snprintf(names->iface_chain, sizeof(names->iface_chain), "cni-br-iface-%s", names->id);
	snprintf(names->mac_chain, sizeof(names->mac_chain), "%s-mac", names->iface_chain);
}

static int names_of(const struct nb_cni_id *id, struct names *names, struct nb_error *err)
{
	char rule_id[ID_SIZE];

	if (!is_plain(id->container_id) || !is_plain(id->ifname))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "macspoofchk: an nftables chain cannot be named after interface \"%s\" of "
			       "container \"%s\"",
			       id->ifname, id->container_id);
	snprintf(rule_id, sizeof(rule_id), "%s-%s", id->container_id, id->ifname);
	names_of_rule_id(rule_id, names);
	return 0;
}

/* ---- changing ---- */

struct removal {
	const struct names *names;
	struct nb_strbuf *commands;
};

static bool append_removal(const cJSON *rule, void *arg)
{
	const cJSON *handle = cJSON_GetObjectItemCaseSensitive(rule, "handle");
	const struct removal *removal = arg;

	if (cJSON_IsNumber(handle) && handle->valuedouble >= 1 &&
	    !strcmp(nb_nft_string(rule, "comment"), removal->names->comment))
		nb_strbuf_append(removal->commands, "delete rule " TABLE " " HOOK " handle %llu\n",
				 (unsigned long long)handle->valuedouble);
	return true;
}

/* Adds both chains, or empties them if they exist. */
static void append_chains(struct nb_strbuf *commands, const struct names *names)
{
	nb_strbuf_append(commands, "add chain " TABLE " %s\n", names->iface_chain);
	nb_strbuf_append(commands, "add chain " TABLE " %s\n", names->mac_chain);
	nb_strbuf_append(commands, "flush chain " TABLE " %s\n", names->iface_chain);
	nb_strbuf_append(commands, "flush chain " TABLE " %s\n", names->mac_chain);
}

static void append_rules(struct nb_strbuf *commands, const struct names *names, const char *host_ifname,
			 const char *mac)
{
	nb_strbuf_append(commands, "add rule " TABLE " " HOOK " iifname \"%s\" jump %s", host_ifname,
			 names->iface_chain);
	nb_strbuf_append(commands, " comment \"%s\"\n", names->comment);
	nb_strbuf_append(commands, "add rule " TABLE " %s", names->iface_chain);
	nb_strbuf_append(commands, " jump %s comment \"%s\"\n", names->mac_chain, names->comment);
	nb_strbuf_append(commands, "add rule " TABLE " %s ether saddr %s return", names->mac_chain, mac);
	nb_strbuf_append(commands, " comment \"%s\"\n", names->comment);
	nb_strbuf_append(commands, "add rule " TABLE " %s drop", names->mac_chain);
	nb_strbuf_append(commands, " comment \"%s\"\n", names->comment);
}

static int add_once(const struct names *names, const char *host_ifname, const char *mac, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *hook = NULL;
	struct removal stale = { names, &commands };
	int rc = nb_nft_list("chain " TABLE " " HOOK, &hook, err);

	if (rc)
		return rc;
	nb_strbuf_append(&commands, "add table " TABLE "\n");
	nb_strbuf_append(&commands, "add chain " TABLE " " HOOK
				    " { type filter hook prerouting priority -300 ; policy accept ; }\n");
	nb_nft_each_rule(hook, HOOK, append_removal, &stale);
	append_chains(&commands, names);
	append_rules(&commands, names, host_ifname, mac);
	return nb_nft_apply(&commands, err);
}

/* Adds the chains before it deletes them, so that a missing chain is no error. */
static int delete_once(const struct names *names, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *hook = NULL;
	struct removal removal = { names, &commands };
	int rc = nb_nft_list("chain " TABLE " " HOOK, &hook, err);

	if (rc || !hook)
		return rc;
	nb_nft_each_rule(hook, HOOK, append_removal, &removal);
	append_chains(&commands, names);
	nb_strbuf_append(&commands, "delete chain " TABLE " %s\n", names->iface_chain);
	nb_strbuf_append(&commands, "delete chain " TABLE " %s\n", names->mac_chain);
	return nb_nft_apply(&commands, err);
}

int nb_macspoof_probe(struct nb_error *err)
{
	int rc = nb_nft_run("list tables bridge", NULL, err);

	if (rc)
		return nb_wrap(err, "macspoofchk");
	return 0;
}

int nb_macspoof_add(const struct nb_cni_id *id, const char *host_ifname, const unsigned char mac[NB_MAC_LEN],
		    struct nb_error *err)
{
	char mac_text[NB_MAC_STRLEN];
	struct names names;
	int rc = names_of(id, &names, err);

	if (rc)
		return rc;
	nb_mac_format(mac, mac_text);
	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		rc = add_once(&names, host_ifname, mac_text, err);
		if (rc != -ENOENT)
			break;
	}
	if (rc)
		return nb_wrap(err, "macspoofchk: cannot add rules");
	return 0;
}

static int delete_rules(const struct names *names, struct nb_error *err)
{
	int rc = 0;

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		rc = delete_once(names, err);
		if (rc != -ENOENT)
			break;
	}
	if (rc)
		return nb_wrap(err, "macspoofchk: cannot remove rules");
	return 0;
}

int nb_macspoof_has(const struct nb_cni_id *id, bool *has, struct nb_error *err)
{
	struct names names;

	*has = false;
	/* Rules with such names cannot have been added. */
	if (names_of(id, &names, NULL))
		return 0;
	return nb_nft_has_chain(TABLE, names.iface_chain, has, err);
}

int nb_macspoof_delete(const struct nb_cni_id *id, struct nb_error *err)
{
	struct names names;
	bool there;
	/*
	 * DEL calls this also if the config has no macspoofchk: without the chain libnftables is
	 * not needed.
	 */
	int rc = nb_macspoof_has(id, &there, err);

	if (rc || !there)
		return rc;
	rc = names_of(id, &names, err);
	if (rc)
		return rc;
	return delete_rules(&names, err);
}

/* ---- GC ---- */

/* The name of the link that a rule of PREROUTING matches; "" if it matches none. */
static const char *iifname_of(const cJSON *rule)
{
	const cJSON *expr = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(rule, "expr"), 0);

	return nb_nft_string(cJSON_GetObjectItemCaseSensitive(expr, "match"), "right");
}

static bool is_valid(const struct nb_cni_id *id, const struct nb_cni_id *valid, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(valid[i].container_id, id->container_id) && !strcmp(valid[i].ifname, id->ifname))
			return true;
	return false;
}

struct search {
	const char *network;
	const struct nb_cni_id *valid;
	size_t n_valid;
	struct names found;
	bool any;
};

/*
 * Finds a rule of the network whose attachment is not valid. Both parts of a rule's ID may have
 * dashes: the name of the host veth tells which dash separates them.
 */
static bool look_for_garbage(const cJSON *rule, void *arg)
{
	static const char PREFIX[] = "macspoofchk-";
	const char *comment = nb_nft_string(rule, "comment"), *rule_id = comment + sizeof(PREFIX) - 1;
	struct search *search = arg;
	char container[ID_SIZE];

	if (strncmp(comment, PREFIX, sizeof(PREFIX) - 1) != 0 || strlen(rule_id) >= sizeof(container))
		return true;
	for (const char *dash = strchr(rule_id, '-'); dash; dash = strchr(dash + 1, '-')) {
		const struct nb_cni_id id = { search->network, container, dash + 1 };

		snprintf(container, sizeof(container), "%.*s", (int)(dash - rule_id), rule_id);
		if (strlen(id.ifname) >= IFNAMSIZ || !nb_host_veth_is_name_of(iifname_of(rule), &id))
			continue;
		search->any = !is_valid(&id, search->valid, search->n_valid);
		if (search->any)
			names_of_rule_id(rule_id, &search->found);
		break;
	}
	return !search->any;
}

int nb_macspoof_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err)
{
	bool there = false;
	int rc = nb_nft_has_chain(TABLE, HOOK, &there, err);

	*removed = 0;
	if (rc || !there)
		return rc;
	for (;;) {
		nb_cleanup(nb_nft_list_free) cJSON *hook = NULL;
		struct search search = { .network = network, .valid = valid, .n_valid = n };

		rc = nb_nft_list("chain " TABLE " " HOOK, &hook, err);
		if (rc)
			return rc;
		nb_nft_each_rule(hook, HOOK, look_for_garbage, &search);
		if (!search.any)
			return 0;
		rc = delete_rules(&search.found, err);
		if (rc)
			return rc;
		++*removed;
	}
}

/* ---- CHECK ---- */

struct expected {
	const char *comment;
	const char *match;   /* the right side of its comparison; NULL: it may have none */
	const char *verdict; /* "jump", "return" or "drop" */
	const char *target;  /* of the jump */
	bool found;
};

static bool look_for_rule(const cJSON *rule, void *arg)
{
	struct expected *expected = arg;
	bool match = !expected->match, verdict = false;
	const cJSON *expr;

	if (strcmp(nb_nft_string(rule, "comment"), expected->comment) != 0)
		return true;
	cJSON_ArrayForEach(expr, cJSON_GetObjectItemCaseSensitive(rule, "expr")) {
		const cJSON *what = cJSON_GetObjectItemCaseSensitive(expr, expected->verdict);

		if (expected->match &&
		    !strcmp(nb_nft_string(cJSON_GetObjectItemCaseSensitive(expr, "match"), "right"),
			    expected->match))
			match = true;
		if (what && (!expected->target || !strcmp(nb_nft_string(what, "target"), expected->target)))
			verdict = true;
	}
	expected->found = match && verdict;
	return !expected->found;
}

int nb_macspoof_check(const struct nb_cni_id *id, const char *host_ifname,
		      const unsigned char mac[NB_MAC_LEN], struct nb_error *err)
{
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	char mac_text[NB_MAC_STRLEN];
	struct names names;
	int rc = names_of(id, &names, err);

	if (rc)
		return rc;
	rc = nb_nft_list("table " TABLE, &table, err);
	if (rc)
		return rc;
	nb_mac_format(mac, mac_text);
	const struct {
		const char *chain;
		struct expected rule;
	} all[] = {
		{ HOOK, { names.comment, host_ifname, "jump", names.iface_chain, false } },
		{ names.iface_chain, { names.comment, NULL, "jump", names.mac_chain, false } },
		{ names.mac_chain, { names.comment, mac_text, "return", NULL, false } },
		{ names.mac_chain, { names.comment, NULL, "drop", NULL, false } },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct expected rule = all[i].rule;

		nb_nft_each_rule(table, all[i].chain, look_for_rule, &rule);
		if (!rule.found)
			return nb_fail(err, NB_ERR_CHECK, 0,
				       "macspoofchk: a rule is missing in chain \"%s\" of nftables table "
				       "\"" TABLE "\"",
				       all[i].chain);
	}
	return 0;
}
