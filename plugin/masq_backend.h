/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MASQ_BACKEND_H
#define NATBRIDGE_PLUGIN_MASQ_BACKEND_H

/* The two backends of masq.h, for masq.c alone. Each function does what its namesake there says. */

#include "masq.h"

/* ---- nftables (masq_nft*.c): names and comments of pkg/ip/ipmasq_nftables_linux.go ---- */

int nb_masq_nft_probe(struct nb_error *err);
int nb_masq_nft_add(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		    struct nb_error *err);
int nb_masq_nft_delete(const struct nb_attachment *id, struct nb_error *err);
int nb_masq_nft_check(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		      struct nb_error *err);
int nb_masq_nft_keep_only(const char *network, const struct nb_attachment *valid, size_t n,
			  unsigned int *removed, struct nb_error *err);

/* ---- iptables (masq_iptables.c): names and comments of pkg/ip/ipmasq_iptables_linux.go ---- */

/* Whether the programs are installed. */
bool nb_masq_iptables_there(void);
int nb_masq_iptables_probe(struct nb_error *err);
int nb_masq_iptables_add(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
			 struct nb_error *err);
int nb_masq_iptables_delete(const struct nb_attachment *id, struct nb_error *err);
int nb_masq_iptables_check(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
			   struct nb_error *err);
int nb_masq_iptables_keep_only(const char *network, const struct nb_attachment *valid, size_t n,
			       unsigned int *removed, struct nb_error *err);

#endif
