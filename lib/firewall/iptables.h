/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_IPTABLES_H
#define NATBRIDGE_LIB_FIREWALL_IPTABLES_H

/* The table nat of IPv4 and IPv6, by the iptables programs that are in PATH. */

#include <stdbool.h>

#include "lib/util/error.h"
#include "lib/util/process.h"
#include "lib/util/strbuf.h"

#define NB_IPTABLES_HOOK "POSTROUTING"

/* An address family. */
struct nb_iptables {
	const char *command, *restore; /* names of its programs */
	const char *table;             /* the nftables table that holds the rules of iptables-nft */
	const char *legacy;            /* a file with the names of iptables-legacy's tables, one a line */
	const char *multicast;         /* prefix of its multicast addresses */
	bool v4;
};

enum { NB_IPTABLES = 2 };
extern const struct nb_iptables nb_iptables[NB_IPTABLES];

/* Finds a program in PATH. The caller frees *path. */
int nb_iptables_find(const char *name, char **path, struct nb_error *err);

/*
 * Lists the rules of a chain of table nat, one a line, in *out. *there: whether the chain exists.
 * The caller frees *out.
 */
int nb_iptables_list(const struct nb_iptables *family, const char *chain, struct nb_process_output *out,
		     bool *there, struct nb_error *err);

/* nb_iptables_list() for POSTROUTING, which always exists. */
int nb_iptables_list_hook(const struct nb_iptables *family, struct nb_process_output *out,
			  struct nb_error *err);

/*
 * Runs commands of iptables-restore on table nat in one transaction. Empty: 0, and no program runs.
 */
int nb_iptables_apply(const struct nb_iptables *family, const struct nb_strbuf *commands,
		      struct nb_error *err);

/*
 * *may: false if table nat has no such chain. Starts no program, and so cannot tell for
 * iptables-legacy.
 */
int nb_iptables_may_have(const struct nb_iptables *family, const char *chain, bool *may,
			 struct nb_error *err);

#endif
