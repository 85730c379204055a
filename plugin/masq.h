/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_PLUGIN_MASQ_H
#define NATBRIDGE_PLUGIN_MASQ_H

/*
 * ipMasq: what a pod sends out of its own subnet, except to multicast, leaves with the host's
 * address. This chooses between the two backends of lib/firewall, whose rules have the names,
 * chains and comments of the reference plugin, so that either plugin can remove what the other
 * made. nftables finds a rule by its comment, which begins with hashes of network, interface name
 * and container id; iptables by its chain, whose name is a hash of network and container id.
 *
 * libnftables is loaded when a function first needs it, not before.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/ifaddr.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "result.h"

/* ipMasqBackend. ANY: iptables if it is installed, else nftables, as in the reference plugin. */
enum nb_masq_backend { NB_MASQ_ANY, NB_MASQ_IPTABLES, NB_MASQ_NFTABLES };

/* Whether rules can be made at all. Changes nothing. */
int nb_masq_probe(enum nb_masq_backend backend, struct nb_error *err);

/* An attachment, and the rules that it is to have. */
struct nb_masq_spec {
	const struct nb_cni_id *id;
	enum nb_masq_backend backend;
	bool ip_masq;                   /* of the config; false: there should be no rules */
	const struct nb_result_ip *ips; /* n of them; 0: no rules are wanted */
	size_t n;
	const struct nb_ifaddr *others; /* of the container's other interfaces, whose rules stay */
	size_t n_others;
};

/*
 * Replaces the attachment's rules, those of an earlier ADD with the other backend included, by
 * rules for its addresses, in one transaction for each family. An error is returned only if rules
 * are wanted, else logged.
 */
int nb_masq_replace(const struct nb_masq_spec *spec, struct nb_error *err);

/*
 * Removes the attachment's rules from both backends, since the config may have changed. If there
 * are none it starts no process. All interfaces of a container share one chain of iptables: if
 * nb_masq_may_share() says so, others[] must hold the addresses of the container's other
 * interfaces, whose rules stay.
 */
int nb_masq_delete(const struct nb_cni_id *id, const struct nb_ifaddr *others, size_t n_others,
		   struct nb_error *err);
int nb_masq_may_share(const struct nb_cni_id *id, bool *may, struct nb_error *err);

/* NB_ERR_CHECK if one of the n addresses lacks its rules; *err names the address. */
int nb_masq_check(enum nb_masq_backend backend, const struct nb_cni_id *id, const struct nb_result_ip *ips,
		  size_t n, struct nb_error *err);

/*
 * Removes the network's rules that belong to none of valid[n] from both backends. The network
 * member of valid[n] is ignored: network counts. *removed: how many.
 */
int nb_masq_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
		      struct nb_error *err);

#endif
