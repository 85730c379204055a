/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MASQ_IPTABLES_H
#define NATBRIDGE_LIB_FIREWALL_MASQ_IPTABLES_H

/*
 * Masquerading by iptables, with the names and comments of the reference plugin
 * (pkg/ip/ipmasq_iptables_linux.go). In table nat, a rule of POSTROUTING for each address of a pod
 * jumps to a chain CNI-..., named after network and container. All interfaces of a container in a
 * network share the chain. The iptables programs in PATH make the changes.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

/* Whether the programs are installed, of both families. */
bool nb_masq_iptables_there(void);

/* Checks whether rules can be added. Changes nothing. */
int nb_masq_iptables_probe(struct nb_error *err);

/* The addresses of an attachment, and those of the container's other interfaces. */
struct nb_masq_addrs {
	const struct nb_ifaddr *own, *others;
	size_t n_own, n_others;
	bool legacy; /* look for stale rules also in iptables-legacy's tables, by starting its programs */
};

/*
 * Adds the missing rules of the attachment's own addresses, and removes the container's rules for
 * addresses that are neither its own nor the others'. It may have no address of its own. Starts no
 * program if there is nothing to add or to remove.
 */
int nb_masq_iptables_replace(const struct nb_cni_id *id, const struct nb_masq_addrs *addrs,
			     struct nb_error *err);

/* Checks that each address has its rules. If not: NB_ERR_CHECK, and *err names the address. */
int nb_masq_iptables_check(const struct nb_cni_id *id, const struct nb_ifaddr *addrs, size_t n,
			   struct nb_error *err);

/* *may: false if the attachment's container has no chain. Starts no program. */
int nb_masq_iptables_may_have(const struct nb_cni_id *id, bool *may, struct nb_error *err);

/* *has: whether the attachment's container has a chain. */
int nb_masq_iptables_has(const struct nb_cni_id *id, bool *has, struct nb_error *err);

/*
 * Removes the rules and the chain of the attachment's container. Without a chain: 0, and no program
 * runs.
 */
int nb_masq_iptables_delete(const struct nb_cni_id *id, struct nb_error *err);

/*
 * Removes the rules of the network's containers that are not in valid[n], whose network members are
 * ignored. *removed: the number of rules that jumped to their chains.
 */
int nb_masq_iptables_keep_only(const char *network, const struct nb_cni_id *valid, size_t n,
			       unsigned int *removed, struct nb_error *err);

#endif
