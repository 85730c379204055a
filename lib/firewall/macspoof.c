// SPDX-License-Identifier: GPL-2.0-or-later

#include "macspoof.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "nft.h"

#define TABLE "bridge nat"
#define HOOK  "PREROUTING"

enum {
	ID_SIZE = 320,  /* container id, dash, interface name; nb_args_read() bounds them */
	MAC_SIZE = 18,  /* as text, with the NUL */
	MAX_TRIES = 16, /* of a transaction whose rules others delete meanwhile */
};

/* What the rules of one attachment are known by. */
struct names {
	char id[ID_SIZE];
	char comment[ID_SIZE + 16];
	char iface_chain[ID_SIZE + 16];
	char mac_chain[ID_SIZE + 20];
};

/* nft takes no other characters in the name of a chain, and no quotes around it. */
static bool is_plain(const char *text)
{
	return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] ==
	       '\0';
}

static void names_of_ref(const char *ref, struct names *names)
{
	snprintf(names->id, sizeof(names->id), "%s", ref);
	snprintf(names->comment, sizeof(names->comment), "macspoofchk-%s", names->id);
	snprintf(names->iface_chain, sizeof(names->iface_chain), "cni-br-iface-%s", names->id);
	snprintf(names->mac_chain, sizeof(names->mac_chain), "%s-mac", names->iface_chain);
}

static int names_of(const struct nb_cni_id *id, struct names *names, struct nb_error *err)
{
	char ref[ID_SIZE];

	if (!is_plain(id->container_id) || !is_plain(id->ifname))
		return nb_fail(err, NB_ERR_CONFIG, 0,
			       "\"%s\" of \"%s\" cannot stand in the name of an nftables chain", id->ifname,
			       id->container_id);
	snprintf(ref, sizeof(ref), "%s-%s", id->container_id, id->ifname);
	names_of_ref(ref, names);
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

/* Both chains, empty. */
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

static int run(const struct nb_strbuf *commands, struct nb_error *err)
{
	return commands->failed ? nb_fail_nomem(err) : nb_nft_run(commands->buf, NULL, err);
}

static void mac_text(const unsigned char mac[NB_MAC_LEN], char text[MAC_SIZE])
{
	snprintf(text, MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}

static int add_once(const struct names *names, const char *host_ifname, const char *mac, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *hook = NULL;
	struct removal stale = { names, &commands };
	int ret = nb_nft_list("chain " TABLE " " HOOK, &hook, err);

	if (ret)
		return ret;
	nb_strbuf_append(&commands, "add table " TABLE "\n");
	nb_strbuf_append(&commands, "add chain " TABLE " " HOOK
				    " { type filter hook prerouting priority -300 ; policy accept ; }\n");
	nb_nft_each_rule(hook, HOOK, append_removal, &stale);
	append_chains(&commands, names);
	append_rules(&commands, names, host_ifname, mac);
	return run(&commands, err);
}

/* Chains that are not there are made and deleted in the same transaction. */
static int delete_once(const struct names *names, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *hook = NULL;
	struct removal removal = { names, &commands };
	int ret = nb_nft_list("chain " TABLE " " HOOK, &hook, err);

	if (ret || !hook)
		return ret;
	nb_nft_each_rule(hook, HOOK, append_removal, &removal);
	append_chains(&commands, names);
	nb_strbuf_append(&commands, "delete chain " TABLE " %s\n", names->iface_chain);
	nb_strbuf_append(&commands, "delete chain " TABLE " %s\n", names->mac_chain);
	return run(&commands, err);
}

int nb_macspoof_probe(struct nb_error *err)
{
	int ret = nb_nft_run("list tables bridge", NULL, err);

	return ret ? nb_wrap(err, "macspoofchk") : 0;
}

int nb_macspoof_add(const struct nb_cni_id *id, const char *host_ifname, const unsigned char mac[NB_MAC_LEN],
		    struct nb_error *err)
{
	char text[MAC_SIZE];
	struct names names;
	int ret = names_of(id, &names, err);

	mac_text(mac, text);
	for (unsigned int tries = 0; !ret && tries < MAX_TRIES; tries++) {
		ret = add_once(&names, host_ifname, text, err);
		if (ret != -ENOENT)
			return ret ? nb_wrap(err, "macspoofchk: cannot add rules") : 0;
		ret = 0;
	}
	return ret ? ret : nb_wrap(err, "macspoofchk: cannot add rules");
}

static int delete_rules(const struct names *names, struct nb_error *err)
{
	int ret = 0;

	for (unsigned int tries = 0; tries < MAX_TRIES; tries++) {
		ret = delete_once(names, err);
		if (ret != -ENOENT)
			break;
	}
	return ret ? nb_wrap(err, "macspoofchk: cannot remove rules") : 0;
}

int nb_macspoof_has(const struct nb_cni_id *id, bool *has, struct nb_error *err)
{
	struct names names;

	*has = false;
	if (names_of(id, &names, NULL)) /* rules with such a name cannot have been made */
		return 0;
	return nb_nft_has_chain(TABLE, names.iface_chain, has, err);
}

int nb_macspoof_delete(const struct nb_cni_id *id, struct nb_error *err)
{
	struct names names;
	bool there;
	/* No chain, no rule that leads there: DEL comes by here whether the config has macspoofchk or not. */
	int ret = nb_macspoof_has(id, &there, err);

	if (ret || !there)
		return ret;
	ret = names_of(id, &names, err);
	return ret ? ret : delete_rules(&names, err);
}

/* ---- GC ---- */

/* The name of the link that a rule of PREROUTING is for; "" if it is for none. */
static const char *iifname_of(const cJSON *rule)
{
	const cJSON *expr = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(rule, "expr"), 0);

	return nb_nft_string(cJSON_GetObjectItemCaseSensitive(expr, "match"), "right");
}

static bool is_host_name_of(const struct nb_cni_id *id, const char *name)
{
	char derived[IFNAMSIZ];

	for (unsigned int salt = 0; salt < NB_HOST_VETH_SALTS; salt++) {
		nb_host_veth_name(id, salt, derived);
		if (!strcmp(derived, name))
			return true;
	}
	return false;
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

/* Whether the rule is one of the network's that is to go. Both parts of its ID may have dashes in them: the
 * name of the host end says which one is between them. */
static bool look_for_garbage(const cJSON *rule, void *arg)
{
	static const char PREFIX[] = "macspoofchk-";
	const char *comment = nb_nft_string(rule, "comment"), *ref = comment + sizeof(PREFIX) - 1;
	struct search *search = arg;
	char container[ID_SIZE];

	if (strncmp(comment, PREFIX, sizeof(PREFIX) - 1) != 0 || strlen(ref) >= sizeof(container))
		return true;
	for (const char *dash = strchr(ref, '-'); dash; dash = strchr(dash + 1, '-')) {
		const struct nb_cni_id id = { search->network, container, dash + 1 };

		snprintf(container, sizeof(container), "%.*s", (int)(dash - ref), ref);
		if (strlen(id.ifname) >= IFNAMSIZ || !is_host_name_of(&id, iifname_of(rule)))
			continue;
		search->any = !is_valid(&id, search->valid, search->n_valid);
		if (search->any)
			names_of_ref(ref, &search->found);
		break;
	}
	return !search->any;
}

int nb_macspoof_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err)
{
	bool there = false;
	int asked = nb_nft_has_chain(TABLE, HOOK, &there, err);

	*removed = 0;
	if (asked || !there)
		return asked;
	for (;;) {
		nb_cleanup(nb_nft_list_free) cJSON *hook = NULL;
		struct search search = { .network = network, .valid = valid, .n_valid = n };
		int ret = nb_nft_list("chain " TABLE " " HOOK, &hook, err);

		nb_nft_each_rule(hook, HOOK, look_for_garbage, &search);
		if (ret || !search.any)
			return ret;
		ret = delete_rules(&search.found, err);
		if (ret)
			return ret;
		++*removed;
	}
}

/* ---- CHECK ---- */

struct expected {
	const char *comment;
	const char *match;   /* what the rule compares with; NULL: nothing */
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
	char text[MAC_SIZE];
	struct names names;
	int ret = names_of(id, &names, err);

	if (!ret)
		ret = nb_nft_list("table " TABLE, &table, err);
	if (ret)
		return ret;
	mac_text(mac, text);
	const struct {
		const char *chain;
		struct expected rule;
	} all[] = {
		{ HOOK, { names.comment, host_ifname, "jump", names.iface_chain, false } },
		{ names.iface_chain, { names.comment, NULL, "jump", names.mac_chain, false } },
		{ names.mac_chain, { names.comment, text, "return", NULL, false } },
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
