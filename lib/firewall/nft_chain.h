/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_NFT_CHAIN_H
#define NATBRIDGE_LIB_FIREWALL_NFT_CHAIN_H

/* Looks for an nftables table or chain without libnftables and without a child process, in some 20 us. */

#include <stdbool.h>

#include "lib/util/error.h"

/* *has: whether a table ("FAMILY NAME") has that chain. A kernel without nf_tables has none. */
int nb_nft_has_chain(const char *table, const char *chain, bool *has, struct nb_error *err);

/* *has: whether there is a table ("FAMILY NAME"). */
int nb_nft_has_table(const char *table, bool *has, struct nb_error *err);

#endif
