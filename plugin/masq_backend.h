/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MASQ_BACKEND_H
#define NATBRIDGE_PLUGIN_MASQ_BACKEND_H

/* The nftables backend of masq.h, for masq.c alone; that of iptables is in lib/firewall/masq_iptables.h. Each
 * function does what its namesake there says. */

#include "masq.h"

/* masq_nft*.c; names and comments of pkg/ip/ipmasq_nftables_linux.go */

int nb_masq_nft_probe(struct nb_error *err);
int nb_masq_nft_add(const struct nb_cni_id *id, const struct nb_result_ip *ips, size_t n,
		    struct nb_error *err);
int nb_masq_nft_delete(const struct nb_cni_id *id, struct nb_error *err);
int nb_masq_nft_check(const struct nb_cni_id *id, const struct nb_result_ip *ips, size_t n,
		      struct nb_error *err);
int nb_masq_nft_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err);

#endif
