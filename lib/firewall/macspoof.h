/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MACSPOOF_H
#define NATBRIDGE_LIB_FIREWALL_MACSPOOF_H

/*
 * macspoofchk: frames that come from a pod with another source MAC than the pod's are dropped before the
 * bridge sees them. nftables rules with the reference plugin's names (pkg/link/spoofcheck.go), so that either
 * can remove what the other made: in table "bridge nat" a rule of chain PREROUTING leads what comes in at the
 * host end to chain cni-br-iface-ID, that to cni-br-iface-ID-mac, which lets the MAC return and drops the
 * rest. ID is the container's id, a dash and the interface's name. In the modes with a datapath the port's
 * program drops such frames as well, since its fast path does not come by these rules.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/link.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

/* Whether rules can be made at all: libnftables is installed and the kernel has nf_tables. */
int nb_macspoof_probe(struct nb_error *err);

/* Makes the attachment's rules exactly those for that host end and MAC, in one transaction. */
int nb_macspoof_add(const struct nb_cni_id *id, const char *host_ifname, const unsigned char mac[NB_MAC_LEN],
		    struct nb_error *err);

/* Whether there are some, for whatever host end. */
int nb_macspoof_has(const struct nb_cni_id *id, bool *has, struct nb_error *err);

/* Removes them, whatever they are for; none there: 0. The table and PREROUTING stay. */
int nb_macspoof_delete(const struct nb_cni_id *id, struct nb_error *err);

/* 0 if they are there; else NB_ERR_CHECK, and *err names the chain. */
int nb_macspoof_check(const struct nb_cni_id *id, const char *host_ifname,
		      const unsigned char mac[NB_MAC_LEN], struct nb_error *err);

/*
 * Removes the rules of the network that belong to none of valid[n] (their network member is ignored: it is
 * *network). Only those that natbridge made can be told by network: the name of their host end is derived
 * from it. *removed: the number of attachments whose rules were removed.
 */
int nb_macspoof_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err);

#endif
