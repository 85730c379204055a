/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_MACSPOOF_H
#define NATBRIDGE_LIB_FIREWALL_MACSPOOF_H

/*
 * macspoofchk: nftables rules that drop the frames of a pod whose source MAC is not the pod's,
 * before the bridge sees them. They have the reference plugin's names (pkg/link/spoofcheck.go), so
 * that each plugin can remove the other's rules.
 *
 * In table "bridge nat", a rule of chain PREROUTING sends the frames of a host veth to chain
 * cni-br-iface-ID, and that to chain cni-br-iface-ID-mac, which returns frames with the pod's MAC
 * and drops the others. ID is the container id, a dash and the interface name. In the modes with a
 * datapath the port's program drops such frames as well: its fast path bypasses these rules.
 */

#include <stdbool.h>
#include <stddef.h>

#include "lib/net/link.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

/* Checks whether rules can be added: libnftables is installed and the kernel has nf_tables. */
int nb_macspoof_probe(struct nb_error *err);

/* Replaces the attachment's rules by those for that host veth and MAC, in one transaction. */
int nb_macspoof_add(const struct nb_cni_id *id, const char *host_ifname, const unsigned char mac[NB_MAC_LEN],
		    struct nb_error *err);

/* *has: whether the attachment has rules, for any host veth. */
int nb_macspoof_has(const struct nb_cni_id *id, bool *has, struct nb_error *err);

/* Removes the attachment's rules and chains. 0 if there are none. The table and PREROUTING stay. */
int nb_macspoof_delete(const struct nb_cni_id *id, struct nb_error *err);

/* Checks that the attachment has its rules. If not: NB_ERR_CHECK, and *err names the chain. */
int nb_macspoof_check(const struct nb_cni_id *id, const char *host_ifname,
		      const unsigned char mac[NB_MAC_LEN], struct nb_error *err);

/*
 * Removes the rules of the network's attachments that are not in valid[n], whose network members
 * are ignored. It finds only natbridge's rules: their host veth's name is derived from the network.
 * *removed: the number of attachments whose rules were removed.
 */
int nb_macspoof_keep_only(const char *network, const struct nb_cni_id *valid, size_t n, unsigned int *removed,
			  struct nb_error *err);

#endif
