/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MASQ_H
#define NATBRIDGE_PLUGIN_MASQ_H

/*
 * ipMasq: what a pod sends out of its own subnet, except to multicast, leaves with the host's address. One
 * nftables rule for each address of the pod, in the table, chain and comment format of the reference plugin's
 * nftables backend (pkg/ip/ipmasq_nftables_linux.go), so that either can remove what the other made. A rule
 * is found by its comment alone, which begins with hashes of network, interface name and container id.
 *
 * libnftables is loaded when one of these functions is first called, not before.
 */

#include <natbridge/attachment.h>

#include <stddef.h>

#include "result.h"

/* Whether rules can be made at all: libnftables is installed and the kernel has nf_tables. Changes nothing.
 */
int nb_masq_probe(struct nb_error *err);

/* Makes the rules of the attachment exactly those for the n addresses, in one transaction. */
int nb_masq_add(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		struct nb_error *err);

/* Removes the attachment's rules; none there: 0. Needs no addresses. */
int nb_masq_delete(const struct nb_attachment *id, struct nb_error *err);

/* 0 if each of the n addresses has its rule; else NB_ERR_CHECK, and *err names the address. */
int nb_masq_check(const struct nb_attachment *id, const struct nb_result_ip *ips, size_t n,
		  struct nb_error *err);

/*
 * Removes the rules of the network that belong to none of valid[n] (their network member is ignored: it is
 * *network). *removed may be NULL; else the number of rules removed.
 */
int nb_masq_keep_only(const char *network, const struct nb_attachment *valid, size_t n, unsigned int *removed,
		      struct nb_error *err);

#endif
