/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_NFT_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_NFT_H

/*
 * Masquerading by nftables, with the names and comments of the reference plugin
 * (pkg/ip/ipmasq_nftables_linux.go). Each function does what its namesake in masq_iptables.h does; -ENOSYS:
 * libnftables is not installed.
 */

#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

int nb_masq_nft_probe(struct nb_error *err);
int nb_masq_nft_add(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
		    struct nb_error *err);
int nb_masq_nft_delete(const struct nb_cni_id *id, struct nb_error *err);
int nb_masq_nft_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
		      struct nb_error *err);
int nb_masq_nft_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err);

#endif
