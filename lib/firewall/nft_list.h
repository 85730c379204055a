/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_NFT_LIST_H
#define NATBRIDGE_LIB_FIREWALL_NFT_LIST_H

/* Reads nftables rules as nft lists them in JSON (libnftables-json(5)). */

#include <stdbool.h>

#include "lib/util/error.h"

struct cJSON;

/*
 * Lists an object ("table inet x", "chain ip y z"). *json is NULL if it does not exist. The caller
 * frees it with cJSON_Delete(). Further errors: nb_nft_run().
 */
int nb_nft_list(const char *object, struct cJSON **json, struct nb_error *err);
void nb_nft_list_free(struct cJSON **json); /* for nb_cleanup() */

/* Calls fn for each rule of a chain in such a list until it returns false. list may be NULL. */
void nb_nft_each_rule(const struct cJSON *list, const char *chain,
		      bool (*fn)(const struct cJSON *rule, void *arg), void *arg);

/* A string member of a JSON object; "" if there is none. */
const char *nb_nft_string(const struct cJSON *object, const char *key);

#endif
