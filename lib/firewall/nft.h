/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_NFT_H
#define NATBRIDGE_LIB_FIREWALL_NFT_H

/*
 * nftables through libnftables, which is loaded when it is first needed (it more than doubles the time that
 * a process takes to start), and in a child process: the library calls exit() when it runs out of memory or
 * cannot open its socket (libnftables 1.0.6, src/netlink.c, netlink_init_error()), and an error of ours has
 * to be reported all the same.
 */

#include <stdbool.h>

#include "lib/util/error.h"

/*
 * Runs commands in nft's own syntax as one transaction, in the caller's network namespace. What the commands
 * print, as JSON, goes to *output if output is not NULL (the caller frees it). -ENOENT if something that they
 * name does not exist; -ENOSYS if libnftables is not installed. Whoever builds the commands sees to it that
 * no part of them comes from outside unchecked.
 */
int nb_nft_run(const char *commands, char **output, struct nb_error *err);

/*
 * Whether a table ("FAMILY NAME") has that chain. A kernel without nf_tables has none. Unlike the others this
 * neither starts a process nor needs the library: it costs some 20 us.
 */
int nb_nft_has_chain(const char *table, const char *chain, bool *has, struct nb_error *err);

struct cJSON;

/*
 * Lists something ("table inet x", "chain ip y z") as nft's JSON (libnftables-json(5)); *json is NULL if it
 * does not exist. The caller frees it with cJSON_Delete().
 */
int nb_nft_list(const char *what, struct cJSON **json, struct nb_error *err);
void nb_nft_list_free(struct cJSON **json); /* for nb_cleanup() */

/* Calls fn for each rule of a chain in such a list until it returns false. */
void nb_nft_each_rule(const struct cJSON *list, const char *chain,
		      bool (*fn)(const struct cJSON *rule, void *arg), void *arg);

/* A string member of a JSON object; "" if there is none. */
const char *nb_nft_string(const struct cJSON *object, const char *key);

#endif
