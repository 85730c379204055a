/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_KUBE_FIND_H
#define NATBRIDGE_LIB_FIREWALL_KUBE_FIND_H

/*
 * Finds what a kube-proxy has left in the caller's network namespace, or keeps there while it runs: the table
 * kube-proxy of nftables, chains of iptables-nft and iptables-legacy, the device of mode ipvs. Its process is
 * not looked for: a container does not see it.
 */

#include <stdbool.h>

#include "lib/util/error.h"

#define NB_KUBE_NFT_TABLE "kube-proxy"

struct nb_kube_found {
	bool is_ipvs;           /* nb_kube_remove() does not remove that */
	char text[512];         /* what was found, with commas between; "": nothing */
	struct nb_error unseen; /* why tables of iptables-legacy, which the kernel has, cannot be read */
};

/* Starts programs only where the kernel has tables of iptables-legacy. */
int nb_kube_find(struct nb_kube_found *found, struct nb_error *err);

/* The families, as nftables names them. */
enum { NB_KUBE_FAMILIES = 2 };
extern const struct nb_kube_family {
	const char *name;         /* "ip" */
	const char *legacy_names; /* a file with the names of iptables-legacy's tables, one a line */
	const char *legacy;       /* its programs */
	const char *legacy_save, *legacy_restore;
} nb_kube_families[NB_KUBE_FAMILIES];

/* Whether the kernel has this table of iptables-legacy. */
bool nb_kube_has_legacy(const struct nb_kube_family *family, const char *table);

#endif
