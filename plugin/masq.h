/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MASQ_H
#define NATBRIDGE_PLUGIN_MASQ_H

/*
 * ipMasq: what a pod sends out of its own subnet, except to multicast, leaves with the host's address. Rules
 * of nftables or iptables with the names, chains and comments of the reference plugin, so that either can
 * remove what the other made. With nftables a rule is found by its comment, which begins with hashes of
 * network, interface name and container id; with iptables by its chain, whose name is a hash of network and
 * container id.
 *
 * libnftables is loaded when a function first needs it, not before.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "conf.h"
#include "result.h"

/* Whether rules can be made at all. Changes nothing. */
int nb_masq_probe(enum nb_masq_backend backend, struct nb_error *err);

/* Whose rules, and which they are to be. */
struct nb_masq_spec {
	const struct nb_cni_id *id;
	enum nb_masq_backend backend;
	bool ip_masq;                   /* of the config; false: it has no rules, and there should be none */
	const struct nb_result_ip *ips; /* n of them; 0: no rules are wanted */
	size_t n;
	const struct nb_ifaddr *others; /* of the container's other interfaces, whose rules stay */
	size_t n_others;
};

/*
 * The attachment's rules become those for its addresses, in one transaction for each family: what an earlier
 * ADD of it left goes, whichever backend it had. An error only where it concerns rules that are wanted.
 */
int nb_masq_replace(const struct nb_masq_spec *spec, struct nb_error *err);

/*
 * Removes the attachment's rules from both backends, as the config may have changed; none there: 0, and no
 * process is started. Needs only the addresses of the container's other interfaces, and these only if
 * nb_masq_may_share(), since all interfaces of a container have one chain of iptables.
 */
int nb_masq_delete(const struct nb_cni_id *id, const struct nb_ifaddr *others, size_t n_others,
		   struct nb_error *err);
int nb_masq_may_share(const struct nb_cni_id *id, bool *may, struct nb_error *err);

/* 0 if each of the n addresses has its rules; else NB_ERR_CHECK, and *err names the address. */
int nb_masq_check(enum nb_masq_backend backend, const struct nb_cni_id *id, const struct nb_result_ip *ips,
		  size_t n, struct nb_error *err);

/*
 * Removes the rules of the network that belong to none of valid[n] (their network member is ignored: it is
 * *network), from both backends. *removed: how many.
 */
int nb_masq_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
		      struct nb_error *err);

#endif
