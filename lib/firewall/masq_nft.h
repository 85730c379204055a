/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_NFT_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_NFT_H

/*
 * Masquerading by nftables, with the names and comments of the reference plugin
 * (pkg/ip/ipmasq_nftables_linux.go). Each address of a pod has a rule in chain masq_checks of table
 * "inet cni_plugins_masquerade". All functions fail with -ENOSYS if they need libnftables and it is
 * not installed.
 */

#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

/* Checks whether rules can be added. Changes nothing. */
int nb_masq_nft_probe(struct nb_error *err);

/* Replaces the attachment's rules by those for addrs[n], in one transaction. */
int nb_masq_nft_add(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
		    struct nb_error *err);

/* Removes the attachment's rules. 0 if there are none. */
int nb_masq_nft_delete(const struct nb_cni_id *id, struct nb_error *err);

/* Checks that each address has its rule. If not: NB_ERR_CHECK, and *err names the address. */
int nb_masq_nft_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
		      struct nb_error *err);

/*
 * Removes the rules of the network's attachments that are not in valid[n], whose network members
 * are ignored. *removed: the number of rules.
 */
int nb_masq_nft_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err);

#endif
