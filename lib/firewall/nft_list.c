// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of nftables objects, in libnftables' JSON. */
#include "nft_list.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/cleanup.h"
#include "lib/util/error.h"

#include "nft.h"

void nb_nft_list_free(cJSON **json)
{
	cJSON_Delete(*json);
}

int nb_nft_list(const char *object, cJSON **json, struct nb_error *err)
{
	nb_autofree char *output = NULL;
	char command[128];
	int rc;

	snprintf(command, sizeof(command), "list %s", object);
	rc = nb_nft_run(command, &output, err);
	if (rc == -ENOENT) {
		*json = NULL;
		return 0;
	}
	if (rc)
		return rc;
	*json = cJSON_Parse(output);
	if (!*json)
		return nb_fail(err, NB_ERR_SYSTEM, EBADMSG, "nftables: the list of rules is not JSON");
	return 0;
}

const char *nb_nft_string(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

void nb_nft_each_rule(const cJSON *list, const char *chain, bool (*fn)(const cJSON *rule, void *arg),
		      void *arg)
{
	const cJSON *entry;

	cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(list, "nftables")) {
		const cJSON *rule = cJSON_GetObjectItemCaseSensitive(entry, "rule");

		if (rule && !strcmp(nb_nft_string(rule, "chain"), chain) && !fn(rule, arg))
			return;
	}
}
