/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_KUBE_REMOVE_H
#define NATBRIDGE_LIB_FIREWALL_KUBE_REMOVE_H

/* Removes the rules of kube-proxy, and no others, from the caller's network namespace. */

#include <stdbool.h>

#include "lib/util/error.h"

struct nb_kube_found;

#define NB_KUBE_KEEPER "natbridge-takeover"

/*
 * Removes the nftables tables of kube-proxy, its chains in iptables-nft and iptables-legacy, and the rules
 * that jump there from a table's own chains. One transaction for a family of nftables with iptables-nft, and
 * one for each table of iptables-legacy, unless found says that it cannot be read. There is nothing: 0.
 * *kept: rules of others use KUBE-MARK-MASQ, so that it and KUBE-POSTROUTING have stayed.
 *
 * Connections that these rules have translated go on: the kernel's conntrack keeps their translation. So that
 * it still sees their packets when no rule asks for it, there are the nftables tables NB_KUBE_KEEPER from
 * then on.
 */
int nb_kube_remove(const struct nb_kube_found *found, bool *kept, struct nb_error *err);

/* Removes these tables. There are none: 0. */
int nb_kube_remove_keeper(struct nb_error *err);

#endif
