// SPDX-License-Identifier: GPL-2.0-or-later
/* Masquerade rules in nftables. */
#include "masq_nft.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include <natbridge/abi.h>

#include "lib/net/ifaddr.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/strbuf.h"

#include "masq_remove.h"
#include "masq_rules.h"
#include "nft.h"
#include "nft_chain.h"
#include "nft_list.h"

/* ---- comments ---- */

/*
 * Whether the text can stand in quotes in a command: printable, and without a character that ends
 * them.
 */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	}
	return true;
}

static int check_names(const struct nb_cni_id *id, struct nb_error *err)
{
	const char *names[] = { id->network, id->container_id, id->ifname };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!is_plain(names[i]))
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "ipMasq: the comment of an nftables rule cannot hold \"%s\"",
				       names[i]);
	return 0;
}

static void comment_of(const struct nb_cni_id *id, char comment[NB_MASQ_COMMENT_SIZE])
{
	char key[NB_MASQ_KEY_SIZE];

	nb_masq_rule_key(id, key);
	snprintf(comment, NB_MASQ_COMMENT_SIZE, "%s, net: %s, if: %s, id: %s", key, id->network, id->ifname,
		 id->container_id);
}

/* ---- changing ---- */

struct kept {
	const struct nb_cni_id *valid;
	size_t n;
};

/* Whether a rule of the network belongs to no valid attachment. */
static bool is_stale(const char *comment, void *arg)
{
	const struct kept *kept = arg;

	for (size_t i = 0; i < kept->n; i++) {
		char key[NB_MASQ_KEY_SIZE];

		nb_masq_rule_key(&kept->valid[i], key);
		/*
		 * All these rules start with the network's hash; valid[] need not name the network.
		 */
		if (nb_masq_begins_with(comment + NB_MASQ_HASH_DIGITS, key + NB_MASQ_HASH_DIGITS))
			return false;
	}
	return true;
}

static void append_chains(struct nb_strbuf *commands)
{
	nb_strbuf_append(commands, "add table %s { comment \"%s\" ; }\n", NB_MASQ_TABLE,
			 "Masquerading for plugins from github.com/containernetworking/plugins");
	nb_strbuf_append(
		commands, "add chain %s %s { comment \"%s\" ; }\n", NB_MASQ_TABLE, NB_MASQ_CHAIN,
		"Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet");
	nb_strbuf_append(commands, "add chain %s %s { type nat hook postrouting priority 100 ; }\n",
			 NB_MASQ_TABLE, NB_MASQ_HOOK);
	nb_strbuf_append(commands, "flush chain %s %s\n", NB_MASQ_TABLE, NB_MASQ_HOOK);
	nb_strbuf_append(commands, "add rule %s %s ip daddr == 224.0.0.0/4 return\n", NB_MASQ_TABLE,
			 NB_MASQ_HOOK);
	nb_strbuf_append(commands, "add rule %s %s ip6 daddr == ff00::/8 return\n", NB_MASQ_TABLE,
			 NB_MASQ_HOOK);
	nb_strbuf_append(commands, "add rule %s %s goto %s\n", NB_MASQ_TABLE, NB_MASQ_HOOK, NB_MASQ_CHAIN);
}

static void append_rule(struct nb_strbuf *commands, const struct nb_ifaddr *addr, const char *comment)
{
	char source[NB_ADDR_STRLEN], net[NB_ADDR_STRLEN];
	const char *family = nb_addr_is_v4(&addr->addr) ? "ip" : "ip6";
	struct nb_addr network = nb_addr_network(&addr->addr, addr->prefix_len);

	nb_strbuf_append(commands,
			 "add rule " NB_MASQ_TABLE " " NB_MASQ_CHAIN
			 " %s saddr == %s %s daddr != %s/%u masquerade",
			 family, nb_addr_format(&addr->addr, source), family, nb_addr_format(&network, net),
			 addr->prefix_len);
	nb_strbuf_append(commands, " comment \"%s\"\n", comment);
}

static int add_once(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n, struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	char key[NB_MASQ_KEY_SIZE], comment[NB_MASQ_COMMENT_SIZE];
	const struct nb_masq_choice stale = { .key = key };
	int rc = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	if (rc)
		return rc;
	nb_masq_rule_key(id, key);
	comment_of(id, comment);
	/* Flush the chain only if it must change: removing rules waits for an RCU grace period. */
	if (!nb_masq_hook_is_right(table))
		append_chains(&commands);
	nb_masq_append_removals(table, &stale, &commands);
	for (size_t i = 0; i < n; i++)
		append_rule(&commands, &addrs[i], comment);
	return nb_nft_apply(&commands, err);
}

int nb_masq_nft_probe(struct nb_error *err)
{
	return nb_nft_run("list tables", NULL, err);
}

int nb_masq_nft_add(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n, struct nb_error *err)
{
	int rc = check_names(id, err);

	if (rc)
		return rc;
	for (unsigned int tries = 0; tries < NB_MASQ_TRIES; tries++) {
		rc = add_once(id, addrs, n, err);
		if (rc != -ENOENT)
			break;
	}
	if (rc)
		return nb_wrap(err, "cannot add masquerade rules");
	return 0;
}

/* Without the chain there are no rules, and libnftables is not needed. */
static int remove_rules(const struct nb_masq_choice *choice, unsigned int *removed, struct nb_error *err)
{
	bool there = false;
	int rc = nb_nft_has_chain(NB_MASQ_TABLE, NB_MASQ_CHAIN, &there, err);

	if (rc || !there)
		return rc;
	return nb_masq_remove(choice, removed, err);
}

int nb_masq_nft_delete(const struct nb_cni_id *id, struct nb_error *err)
{
	char key[NB_MASQ_KEY_SIZE];
	const struct nb_masq_choice choice = { .key = key };

	nb_masq_rule_key(id, key);
	return remove_rules(&choice, NULL, err);
}

int nb_masq_nft_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err)
{
	char key[NB_MASQ_HASH_DIGITS + 1];
	struct kept kept = { .valid = valid, .n = n };
	const struct nb_masq_choice choice = { .key = key, .takes = is_stale, .arg = &kept };

	nb_masq_network_key(network, key);
	return remove_rules(&choice, removed, err);
}

/* ---- CHECK ---- */

struct search {
	const char *key;
	const char *family; /* "ip" or "ip6" */
	const char *addr;
	bool found;
};

static bool is_saddr_match(const cJSON *expr, const struct search *search)
{
	const cJSON *match = cJSON_GetObjectItemCaseSensitive(expr, "match");
	const cJSON *left = cJSON_GetObjectItemCaseSensitive(match, "left");
	const cJSON *payload = cJSON_GetObjectItemCaseSensitive(left, "payload");

	return !strcmp(nb_nft_string(payload, "protocol"), search->family) &&
	       !strcmp(nb_nft_string(payload, "field"), "saddr") &&
	       !strcmp(nb_nft_string(match, "right"), search->addr);
}

static bool look_for_address(const cJSON *rule, void *arg)
{
	struct search *search = arg;
	bool address = false, masquerade = false;
	const cJSON *expr;

	if (!nb_masq_begins_with(nb_nft_string(rule, "comment"), search->key))
		return true;
	cJSON_ArrayForEach(expr, cJSON_GetObjectItemCaseSensitive(rule, "expr")) {
		address = address || is_saddr_match(expr, search);
		masquerade = masquerade || cJSON_HasObjectItem(expr, "masquerade");
	}
	search->found = address && masquerade;
	return !search->found;
}

int nb_masq_nft_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
		      struct nb_error *err)
{
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	char key[NB_MASQ_KEY_SIZE], addr[NB_ADDR_STRLEN];
	int rc = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	if (rc)
		return rc;
	nb_masq_rule_key(id, key);
	if (!nb_masq_hook_is_right(table))
		return nb_fail(err, NB_ERR_CHECK, 0,
			       "chain \"" NB_MASQ_HOOK "\" of nftables table \"" NB_MASQ_TABLE
			       "\" is missing or changed");
	for (size_t i = 0; i < n; i++) {
		struct search search = { .key = key,
					 .family = nb_addr_is_v4(&addrs[i].addr) ? "ip" : "ip6",
					 .addr = nb_addr_format(&addrs[i].addr, addr) };

		nb_nft_each_rule(table, NB_MASQ_CHAIN, look_for_address, &search);
		if (!search.found)
			return nb_fail(err, NB_ERR_CHECK, 0, "the masquerade rule of %s is missing", addr);
	}
	return 0;
}
