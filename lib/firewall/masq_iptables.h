/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_IPTABLES_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_IPTABLES_H

/*
 * Masquerading by iptables, with the names and comments of the reference plugin
 * (pkg/ip/ipmasq_iptables_linux.go): in table nat a rule of POSTROUTING for each address of a pod leads to a
 * chain CNI-..., named after network and container. All interfaces of a container in one network share the
 * chain. Changing is done by the programs of iptables, whichever of them PATH has.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

/* Whether the programs are installed. */
bool nb_masq_iptables_there(void);

/* Whether they work: 0, or *err says what does not. Changes nothing. */
int nb_masq_iptables_probe(struct nb_error *err);

/* The addresses of an attachment, and those of the container's other interfaces. */
struct nb_masq_addrs {
	const struct nb_ifaddr *own, *others;
	size_t n_own, n_others;
	bool legacy; /* look for stale rules in tables of the older iptables too, which takes its programs */
};

/*
 * The rules of the attachment become those for its own addresses, which may be none: what is missing is made,
 * and what the container's chain has for neither these nor the others goes. Where there is nothing to make or
 * to remove, no program is started.
 */
int nb_masq_iptables_replace(const struct nb_cni_id *id, const struct nb_masq_addrs *addrs,
			     struct nb_error *err);

/* 0 if each of the addresses has its rules; else NB_ERR_CHECK, and *err names the address. */
int nb_masq_iptables_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
			   struct nb_error *err);

/* *may: false if the attachment's container has no chain. No program is started. */
int nb_masq_iptables_may_have(const struct nb_cni_id *id, bool *may, struct nb_error *err);

/* Whether the attachment has a chain. */
int nb_masq_iptables_has(const struct nb_cni_id *id, bool *has, struct nb_error *err);

/* Removes the rules and the chain of the attachment's container; none there: 0, and no program is started. */
int nb_masq_iptables_delete(const struct nb_cni_id *id, struct nb_error *err);

/*
 * Removes the rules of the network that belong to none of valid[n] (their network member is ignored: it is
 * *network). *removed: the number of rules that led to their chains.
 */
int nb_masq_iptables_keep_only(const char *network, const struct nb_cni_id *valid, size_t n,
			       unsigned int *removed, struct nb_error *err);

#endif
