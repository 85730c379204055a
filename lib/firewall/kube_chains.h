/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_KUBE_CHAINS_H
#define NATBRIDGE_LIB_FIREWALL_KUBE_CHAINS_H

/*
 * Which chains of iptables are kube-proxy's, by their names. Those of the kubelet, whose names begin alike
 * (KUBE-FIREWALL, KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT, KUBE-MARK-DROP), are not.
 */

#include <stdbool.h>

#include "lib/util/strbuf.h"

/*
 * Rules of others may use KUBE-MARK-MASQ: portmap's with "externalSetMarkChain". What masquerades packets
 * with that mark is in KUBE-POSTROUTING.
 */
enum nb_kube_chains {
	NB_KUBE_CHAINS_ALL,
	NB_KUBE_CHAINS_UNSHARED, /* all but these two */
};

/* Whether a chain of an iptables table ("nat", "filter", "mangle") is one of them. */
bool nb_kube_chains_have(enum nb_kube_chains which, const char *table, const char *chain);

/* Whether the chain is one of the table's own, as PREROUTING, into which kube-proxy puts jumps. */
bool nb_kube_chains_is_hook(const char *chain);

/* Chains that tell that a kube-proxy is or was here: each mode with iptables has the first one. */
struct nb_kube_sign {
	const char *table, *chain;
};
enum { NB_KUBE_SIGNS = 3 };
extern const struct nb_kube_sign nb_kube_signs[NB_KUBE_SIGNS];

/*
 * Appends what iptables-restore --noflush needs to remove the chains, and the rules of hooks that jump to
 * them, from saved, what iptables-save prints of one table. Nothing if there are none.
 */
void nb_kube_chains_append_removal(enum nb_kube_chains which, const char *table, const char *saved,
				   struct nb_strbuf *commands);

#endif
