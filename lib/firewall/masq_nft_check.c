// SPDX-License-Identifier: GPL-2.0-or-later
#include <cjson/cJSON.h>
#include <string.h>

#include "lib/net/ifaddr.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "masq_nft.h"
#include "masq_rules.h"
#include "nft.h"

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
	size_t i;
	int ret = nb_nft_list("table " NB_MASQ_TABLE, &table, err);

	if (ret)
		return ret;
	nb_masq_rule_key(id, key);
	if (!nb_masq_hook_is_right(table))
		return nb_fail(err, NB_ERR_CHECK, 0,
			       "chain \"" NB_MASQ_HOOK "\" of nftables table \"" NB_MASQ_TABLE
			       "\" is missing or changed");
	for (i = 0; i < n; i++) {
		struct search search = { .key = key,
					 .family = nb_addr_is_v4(&addrs[i].addr) ? "ip" : "ip6",
					 .addr = nb_addr_format(&addrs[i].addr, addr) };

		nb_nft_each_rule(table, NB_MASQ_CHAIN, look_for_address, &search);
		if (!search.found)
			return nb_fail(err, NB_ERR_CHECK, 0, "the masquerade rule of %s is missing", addr);
	}
	return 0;
}
