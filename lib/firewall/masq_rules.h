/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_RULES_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_RULES_H

/*
 * The names and comments of the masquerade rules in nftables. masq_nft.h adds and checks the rules,
 * masq_remove.h removes them.
 */

#include <stdbool.h>

#include "lib/util/cni_id.h"

struct cJSON;

/* Names of the reference plugin's nftables backend. */
#define NB_MASQ_TABLE "inet cni_plugins_masquerade"
#define NB_MASQ_CHAIN "masq_checks"
#define NB_MASQ_HOOK  "postrouting"

enum {
	NB_MASQ_HASH_DIGITS = 16,
	NB_MASQ_KEY_SIZE = 2 * NB_MASQ_HASH_DIGITS + 2, /* two hashes, a dash and the NUL */
	NB_MASQ_COMMENT_SIZE = 129, /* NFTNL_UDATA_COMMENT_MAXLEN and the NUL; longer ones are cut */
};

/* The key of a network: the comments of all its rules start with it. */
void nb_masq_network_key(const char *network, char key[NB_MASQ_HASH_DIGITS + 1]);

/*
 * The key of an attachment, which starts with that of its network: the comments of its rules start
 * with it.
 */
void nb_masq_rule_key(const struct nb_cni_id *id, char key[NB_MASQ_KEY_SIZE]);

/*
 * Parses container id and interface name from a rule's comment. False: it has none, or may be cut,
 * since it has the maximum length. Outputs may be touched.
 */
bool nb_masq_comment_parse(const char *comment, char container_id[NB_MASQ_COMMENT_SIZE],
			   char ifname[NB_MASQ_COMMENT_SIZE]);

/* Whether a comment starts with a key. */
bool nb_masq_begins_with(const char *comment, const char *key);

/*
 * Whether the postrouting chain of a listed table holds its three rules, in order, and no other
 * rule.
 */
bool nb_masq_hook_is_right(const struct cJSON *table);

#endif
