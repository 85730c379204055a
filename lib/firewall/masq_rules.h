/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_RULES_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_RULES_H

/*
 * The masquerade rules that are there: names, comments, and reading them. masq_remove.h takes them away, the
 * plugin's masq.c makes them.
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
	NB_MASQ_KEY_SIZE = 2 * NB_MASQ_HASH_DIGITS + 2, /* two hashes with a dash between, and the NUL */
	NB_MASQ_COMMENT_SIZE = 129, /* NFTNL_UDATA_COMMENT_MAXLEN and the NUL: longer ones are cut */
};

/* The hash of the network, with which the comments of all its rules begin. */
void nb_masq_network_key(const char *network, char key[NB_MASQ_HASH_DIGITS + 1]);

/* The hashes with which the comments of the attachment's rules begin. */
void nb_masq_rule_key(const struct nb_cni_id *id, char key[NB_MASQ_KEY_SIZE]);

/*
 * The attachment that a comment names, apart from the network. False: it names none, or not in full, since it
 * is as long as a comment can be and may be cut.
 */
bool nb_masq_comment_parse(const char *comment, char container_id[NB_MASQ_COMMENT_SIZE],
			   char ifname[NB_MASQ_COMMENT_SIZE]);

/* Whether a text begins with a key. */
bool nb_masq_begins_with(const char *text, const char *key);

/* Whether the postrouting chain holds the three rules that it should, in their order. */
bool nb_masq_hook_is_right(const struct cJSON *table);

#endif
