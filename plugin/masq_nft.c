// SPDX-License-Identifier: GPL-2.0-or-later
#include "masq_backend.h"

#include <natbridge/addr.h>
#include <natbridge/cleanup.h>
#include <natbridge/nft.h>
#include <natbridge/text.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "masq_nft_rules.h"

enum {
	COMMENT_MAX = 128, /* NFTNL_UDATA_COMMENT_MAXLEN: longer ones are cut */
	COMMENT_SIZE = COMMENT_MAX + 1,
	MAX_TRIES = 16, /* of a transaction whose rules others delete meanwhile */
};

/* ---- comments ---- */

/* What goes between quotes into a command: printable, and nothing that could end the quotes. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~' || *text == '"' || *text == '\\')
			return false;
	}
	return true;
}

static int check_names(const struct nb_attachment *id, struct nb_error *err)
{
	const char *names[] = { id->network, id->container_id, id->ifname };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!is_plain(names[i]))
			return nb_fail(err, NB_ERR_CONFIG, 0,
				       "\"%s\" cannot stand in the comment of an nftables rule", names[i]);
	}
	return 0;
}

static void comment_of(const struct nb_attachment *id, char comment[COMMENT_SIZE])
{
	char key[NB_MASQ_KEY_SIZE];

	nb_masq_rule_key(id, key);
	snprintf(comment, COMMENT_SIZE, "%s, net: %s, if: %s, id: %s", key, id->network, id->ifname,
		 id->container_id);
}

/* ---- changing ---- */

struct removal {
	const char *key;                   /* start of the comments of the rules in question */
	const struct nb_attachment *valid; /* which of them to keep */
	size_t n_valid;
	struct nb_text *commands;
	unsigned int count;
};

static bool is_kept(const struct removal *removal, const char *comment)
{
	size_t i;

	for (i = 0; i < removal->n_valid; i++) {
		char key[NB_MASQ_KEY_SIZE];

		nb_masq_rule_key(&removal->valid[i], key);
		/* The first hash is the network's, which all rules in question share. */
		if (nb_masq_begins_with(comment + NB_MASQ_HASH_DIGITS, key + NB_MASQ_HASH_DIGITS))
			return true;
	}
	return false;
}

static bool append_removal(const cJSON *rule, void *arg)
{
	const cJSON *handle = cJSON_GetObjectItemCaseSensitive(rule, "handle");
	const char *comment = nb_nft_string(rule, "comment");
	struct removal *removal = arg;

	if (!cJSON_IsNumber(handle) || handle->valuedouble < 1 ||
	    !nb_masq_begins_with(comment, removal->key) || is_kept(removal, comment))
		return true;
	nb_text_append(removal->commands, "delete rule " NB_MASQ_TABLE " " NB_MASQ_CHAIN " handle %llu\n",
		       (unsigned long long)handle->valuedouble);
	removal->count++;
	return true;
}

static void append_chains(struct nb_text *commands)
{
	nb_text_append(commands, "add table %s { comment \"%s\" ; }\n", NB_MASQ_TABLE,
		       "Masquerading for plugins from github.com/containernetworking/plugins");
	nb_text_append(commands, "add chain %s %s { comment \"%s\" ; }\n", NB_MASQ_TABLE, NB_MASQ_CHAIN,
		       "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet");
	nb_text_append(commands, "add chain %s %s { type nat hook postrouting priority 100 ; }\n",
		       NB_MASQ_TABLE, NB_MASQ_HOOK);
	nb_text_append(commands, "flush chain %s %s\n", NB_MASQ_TABLE, NB_MASQ_HOOK);
	nb_text_append(commands, "add rule %s %s ip daddr == 224.0.0.0/4 return\n", NB_MASQ_TABLE,
		       NB_MASQ_HOOK);
	nb_text_append(commands, "add rule %s %s ip6 daddr == ff00::/8 return\n", NB_MASQ_TABLE,
		       NB_MASQ_HOOK);
	nb_text_append(commands, "add rule %s %s goto %s\n", NB_MASQ_TABLE, NB_MASQ_HOOK, NB_MASQ_CHAIN);
}

static void append_rule(struct nb_text *commands, const struct nb_result_ip *ip, const char *comment)
{
	char addr[NB_ADDR_STRLEN], net[NB_ADDR_STRLEN];
	const char *family = nb_addr_is_v4(&ip->addr) ? "ip" : "ip6";
	struct nb_addr network = nb_addr_network(&ip->addr, ip->prefix_len);

	nb_text_append(commands,
		       "add rule " NB_MASQ_TABLE " " NB_MASQ_CHAIN
		       " %s saddr == %s %s daddr != %s/%u masquerade",
		       family, nb_addr_format(&ip->addr, addr), family, nb_addr_format(&network, net),
		       ip->prefix_len);
	nb_text_append(commands, " comment \"%s\"\n", comment);
}

static int run(const struct nb_text *commands, struct nb_error *err)
{
	if (commands->failed)
		return nb_fail_nomem(err);
	return nb_nft_run(commands->buf, NULL, err);
}

static int add_once(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		    struct nb_error *err)
{
	nb_cleanup(nb_text_free) struct nb_text commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	char key[NB_MASQ_KEY_SIZE], comment[COMMENT_SIZE];
	struct removal stale = { .key = key, .commands = &commands };
	size_t i;
	int ret = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	if (ret)
		return ret;
	nb_masq_rule_key(id, key);
	comment_of(id, comment);
	/* A transaction that removes rules waits for an RCU grace period: flush the chain only if it needs
	 * it. */
	if (!nb_masq_hook_is_right(table))
		append_chains(&commands);
	nb_nft_each_rule(table, NB_MASQ_CHAIN, append_removal, &stale);
	for (i = 0; i < n; i++)
		append_rule(&commands, &ips[i], comment);
	return run(&commands, err);
}

static int remove_once(struct removal *removal, struct nb_error *err)
{
	nb_cleanup(nb_text_free) struct nb_text commands = { 0 };
	nb_cleanup(nb_nft_list_free) cJSON *table = NULL;
	int ret = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	if (ret || !table)
		return ret;
	removal->commands = &commands;
	removal->count = 0;
	nb_nft_each_rule(table, NB_MASQ_CHAIN, append_removal, removal);
	return removal->count ? run(&commands, err) : 0;
}

/* A rule that another process removed after we listed it fails the whole transaction: list again. */
static int remove_rules(struct removal *removal, struct nb_error *err)
{
	unsigned int tries;
	int ret = 0;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		ret = remove_once(removal, err);
		if (ret != -ENOENT)
			break;
	}
	return ret ? nb_wrap(err, "cannot remove masquerade rules") : 0;
}

/* ---- interface ---- */

int nb_masq_nft_probe(struct nb_error *err)
{
	int ret = nb_nft_run("list tables", NULL, err);

	return ret;
}

int nb_masq_nft_add(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		    struct nb_error *err)
{
	unsigned int tries;
	int ret = check_names(id, err);

	if (ret)
		return ret;
	for (tries = 0; tries < MAX_TRIES; tries++) {
		ret = add_once(id, ips, n, err);
		if (ret != -ENOENT)
			break;
	}
	return ret ? nb_wrap(err, "cannot add masquerade rules") : 0;
}

int nb_masq_nft_delete(const struct nb_attachment *id, struct nb_error *err)
{
	char key[NB_MASQ_KEY_SIZE];
	struct removal removal = { .key = key };

	nb_masq_rule_key(id, key);
	return remove_rules(&removal, err);
}

int nb_masq_nft_keep_only(const char *network, const struct nb_attachment *valid, size_t n,
			  unsigned int *removed, struct nb_error *err)
{
	char key[NB_MASQ_HASH_DIGITS + 1];
	struct removal removal = { .key = key, .valid = valid, .n_valid = n };
	int ret;

	nb_masq_network_key(network, key);
	ret = remove_rules(&removal, err);
	if (!ret && removed)
		*removed = removal.count;
	return ret;
}
