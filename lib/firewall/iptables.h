/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_LIB_FIREWALL_IPTABLES_H
#define NATBRIDGE_LIB_FIREWALL_IPTABLES_H

/* Table nat of either family, by the programs of iptables that PATH has. */

#include <stdbool.h>

#include "lib/util/error.h"
#include "lib/util/process.h"
#include "lib/util/strbuf.h"

#define NB_IPTABLES_HOOK "POSTROUTING"

struct nb_iptables {
	const char *command, *restore;
	const char *table;  /* where iptables-nft has its rules */
	const char *legacy; /* what the kernel has of the older iptables: names of tables, a line each */
	const char *multicast;
	bool v4;
};

enum { NB_IPTABLES = 2 };
extern const struct nb_iptables nb_iptables[NB_IPTABLES];

/* A program's path, which the caller frees. */
int nb_iptables_find(const char *name, char **path, struct nb_error *err);

/* The rules of a chain, a line each; *there: whether it exists. */
int nb_iptables_list(const struct nb_iptables *family, const char *chain, struct nb_process_output *out,
		     bool *there, struct nb_error *err);

/* Those of POSTROUTING, which always exists. */
int nb_iptables_list_hook(const struct nb_iptables *family, struct nb_process_output *out,
			  struct nb_error *err);

/* Runs commands as iptables-restore reads them, in one transaction. None: 0. */
int nb_iptables_apply(const struct nb_iptables *family, const struct nb_strbuf *commands,
		      struct nb_error *err);

/* *may: false if there is no such chain. No program is started. */
int nb_iptables_may_have(const struct nb_iptables *family, const char *chain, bool *may,
			 struct nb_error *err);

#endif
