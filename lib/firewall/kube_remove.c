// SPDX-License-Identifier: GPL-2.0-or-later
/* iptables-nft's chains are removed as those of nftables, for which no program of iptables is needed. */
#include "kube_remove.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"
#include "lib/util/process.h"
#include "lib/util/strbuf.h"

#include "iptables.h"
#include "kube_chains.h"
#include "kube_find.h"
#include "nft.h"
#include "nft_chain.h"
#include "nft_list.h"

enum { TIMEOUT_MS = 60000, SAVED_MAX = 256 << 20 };

/* ---- connections that are translated ---- */

/*
 * The kernel takes conntrack and NAT out of the way of packets when the last rule that needs them is gone
 * (nf_ct_netns_put() and nf_nat_unregister_fn() in net/netfilter), and with them the translation of each
 * connection: a chain of type nat holds the one, an expression with ct the other. The rule matches nothing,
 * since only first packets come here.
 */
static int add_keeper(struct nb_error *err)
{
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };

	for (size_t i = 0; i < NB_KUBE_FAMILIES; i++) {
		const char *family = nb_kube_families[i].name;

		nb_strbuf_append(&commands,
				 "add table %s " NB_KUBE_KEEPER "\n"
				 "add chain %s " NB_KUBE_KEEPER
				 " prerouting { type nat hook prerouting priority -100; policy accept; }\n"
				 "flush chain %s " NB_KUBE_KEEPER " prerouting\n",
				 family, family, family);
		nb_strbuf_append(&commands,
				 "add rule %s " NB_KUBE_KEEPER " prerouting ct status dnat accept comment "
				 "\"so that connections which kube-proxy has translated go on\"\n",
				 family);
	}
	return nb_nft_apply(&commands, err);
}

int nb_kube_remove_keeper(struct nb_error *err)
{
	for (size_t i = 0; i < NB_KUBE_FAMILIES; i++) {
		nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 };
		char table[64];
		bool has = false;
		int rc;

		snprintf(table, sizeof(table), "%s " NB_KUBE_KEEPER, nb_kube_families[i].name);
		rc = nb_nft_has_table(table, &has, err);
		nb_strbuf_append(&commands, "delete table %s\n", table);
		if (!rc && has)
			rc = nb_nft_apply(&commands, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- nftables, and iptables-nft ---- */

struct nft_removal {
	enum nb_kube_chains which;
	const char *family;
	const char *table; /* of the chain that is listed */
	struct nb_strbuf commands;
};

static void removal_free(struct nft_removal *removal)
{
	nb_strbuf_free(&removal->commands);
}

/* Calls fn for each chain of the list of kube-proxy's, or for each hook. */
static void each_chain(const cJSON *list, struct nft_removal *removal, bool hooks,
		       void (*fn)(struct nft_removal *removal, const char *table, const char *chain))
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(list, "nftables")) {
		const cJSON *chain = cJSON_GetObjectItemCaseSensitive(entry, "chain");
		const char *table = nb_nft_string(chain, "table"), *name = nb_nft_string(chain, "name");

		if (hooks ? nb_kube_chains_is_hook(name) &&
				    (!strcmp(table, "nat") || !strcmp(table, "filter"))
			  : nb_kube_chains_have(removal->which, table, name))
			fn(removal, table, name);
	}
}

static void flush_chain(struct nft_removal *removal, const char *table, const char *chain)
{
	nb_strbuf_append(&removal->commands, "flush chain %s %s %s\n", removal->family, table, chain);
}

static void delete_chain(struct nft_removal *removal, const char *table, const char *chain)
{
	nb_strbuf_append(&removal->commands, "delete chain %s %s %s\n", removal->family, table, chain);
}

/* A rule of a hook that jumps to a chain which is removed. */
static bool delete_jump(const cJSON *rule, void *arg)
{
	struct nft_removal *removal = arg;
	const cJSON *handle = cJSON_GetObjectItemCaseSensitive(rule, "handle"), *expr;

	cJSON_ArrayForEach(expr, cJSON_GetObjectItemCaseSensitive(rule, "expr")) {
		const cJSON *jump = cJSON_GetObjectItemCaseSensitive(expr, "jump");

		jump = jump ? jump : cJSON_GetObjectItemCaseSensitive(expr, "goto");
		if (!cJSON_IsNumber(handle) ||
		    !nb_kube_chains_have(removal->which, removal->table, nb_nft_string(jump, "target")))
			continue;
		nb_strbuf_append(&removal->commands, "delete rule %s %s %s handle %.0f\n", removal->family,
				 removal->table, nb_nft_string(rule, "chain"), handle->valuedouble);
		return true;
	}
	return true;
}

/* Rules that cannot be listed are not removed: then deleting their chain fails. */
static void delete_jumps(struct nft_removal *removal, const char *table, const char *chain)
{
	nb_cleanup(nb_nft_list_free) cJSON *list = NULL;
	char object[128];

	snprintf(object, sizeof(object), "chain %s %s %s", removal->family, table, chain);
	removal->table = table;
	if (!nb_nft_list(object, &list, NULL))
		nb_nft_each_rule(list, chain, delete_jump, removal);
}

static int remove_nft(const struct nb_kube_family *family, enum nb_kube_chains which, struct nb_error *err)
{
	nb_cleanup(removal_free) struct nft_removal removal = { .which = which, .family = family->name };
	nb_cleanup(nb_nft_list_free) cJSON *list = NULL;
	char object[64];
	bool has = false;
	int rc;

	snprintf(object, sizeof(object), "%s " NB_KUBE_NFT_TABLE, family->name);
	rc = nb_nft_has_table(object, &has, err);
	if (!rc && has)
		nb_strbuf_append(&removal.commands, "delete table %s\n", object);
	snprintf(object, sizeof(object), "chains %s", family->name);
	rc = rc ? rc : nb_nft_list(object, &list, err);
	if (rc)
		return rc;
	each_chain(list, &removal, false, flush_chain);
	if (removal.commands.len)
		each_chain(list, &removal, true, delete_jumps);
	each_chain(list, &removal, false, delete_chain);
	return removal.commands.len ? nb_nft_apply(&removal.commands, err) : 0;
}

/* ---- iptables-legacy ---- */

/* Runs one of its programs, and fails as that does. */
static int run_legacy(const char *name, const char *const *args, const char *input,
		      struct nb_process_output *out, struct nb_error *err)
{
	nb_autofree char *path = NULL;
	struct nb_process program = {
		.args = args,
		.input = input,
		.input_len = strlen(input),
		.timeout_ms = TIMEOUT_MS,
		.take_errors = true,
		.output_max = SAVED_MAX,
	};
	int rc = nb_iptables_find(name, &path, err);

	program.path = path;
	rc = rc ? rc : nb_process_run(&program, out, err);
	if (rc)
		return rc;
	return out->status
		       ? nb_fail(err, NB_ERR_SYSTEM, 0, "%s: %.*s", name,
				 out->text ? (int)strcspn(out->text, "\n") : 0, out->text ? out->text : "")
		       : 0;
}

static int remove_legacy(const struct nb_kube_family *family, const char *table, enum nb_kube_chains which,
			 struct nb_error *err)
{
	const char *const save[] = { "-t", table, NULL }, *const restore[] = { "-w", "--noflush", NULL };
	nb_cleanup(nb_process_output_free) struct nb_process_output saved = { 0 }, out = { 0 };
	nb_cleanup(nb_strbuf_free) struct nb_strbuf commands = { 0 }, whole = { 0 };
	int rc;

	if (!nb_kube_has_legacy(family, table))
		return 0;
	rc = run_legacy(family->legacy_save, save, "", &saved, err);
	if (rc)
		return rc;
	nb_kube_chains_append_removal(which, table, saved.text ? saved.text : "", &commands);
	if (!commands.len)
		return 0;
	nb_strbuf_append(&whole, "*%s\n", table);
	nb_strbuf_put(&whole, commands.buf);
	nb_strbuf_append(&whole, "COMMIT\n");
	if (commands.failed || whole.failed)
		return nb_fail_nomem(err);
	return run_legacy(family->legacy_restore, restore, whole.buf, &out, err);
}

/* ---- both ---- */

static int remove_from(const struct nb_kube_family *family, const char *table, enum nb_kube_chains which,
		       struct nb_error *err)
{
	return table ? remove_legacy(family, table, which, err) : remove_nft(family, which, err);
}

/* *kept becomes true if what is shared had to stay. */
static int remove_most(const struct nb_kube_family *family, const char *table, bool *kept,
		       struct nb_error *err)
{
	int rc = remove_from(family, table, NB_KUBE_CHAINS_ALL, err);

	if (!rc || remove_from(family, table, NB_KUBE_CHAINS_UNSHARED, NULL))
		return rc;
	*err = (struct nb_error){ 0 };
	*kept = true;
	return 0;
}

int nb_kube_remove(const struct nb_kube_found *found, bool *kept, struct nb_error *err)
{
	/* NULL: nftables. Table nat has the rules that translate: it comes first. */
	static const char *const places[] = { NULL, "nat", "filter", "mangle" };
	const size_t n = found->unseen.code ? 1 : sizeof(places) / sizeof(*places);

	*kept = false;
	if (add_keeper(err))
		return nb_wrap(err, "cannot keep the connections of kube-proxy");
	for (size_t i = 0; i < NB_KUBE_FAMILIES * n; i++)
		if (remove_most(&nb_kube_families[i / n], places[i % n], kept, err))
			return nb_wrap(err, "cannot remove kube-proxy's rules");
	return 0;
}
