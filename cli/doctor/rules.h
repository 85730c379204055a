/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NATBRIDGE_CLI_DOCTOR_RULES_H
#define NATBRIDGE_CLI_DOCTOR_RULES_H

/*
 * The host's rules for packets, as far as they say what is dropped: chains of nftables, and of table filter
 * of iptables, whose own listing says more than nft's of the same rules. What a rule matches is reduced to
 * interfaces and addresses; anything else makes it "other".
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include <natbridge/abi.h>

#include "lib/util/error.h"
#include "lib/util/vec.h"

enum nb_verdict { NB_VERDICT_NONE, NB_VERDICT_ACCEPT, NB_VERDICT_DROP, NB_VERDICT_JUMP };

enum { NB_CHAIN_NAME_MAX = 128, NB_RULE_IFACES = 2, NB_RULE_ADDRS = 2 };

struct nb_rule {
	enum nb_verdict verdict;
	char target[NB_CHAIN_NAME_MAX];        /* of NB_VERDICT_JUMP */
	char ifaces[NB_RULE_IFACES][IFNAMSIZ]; /* that it matches, "" for none; "eth*" is a prefix */
	struct {
		bool is_set;
		struct nb_addr addr; /* host bits clear */
		unsigned int len;
	} addrs[NB_RULE_ADDRS];
	bool not_new; /* it matches no first packets of connections */
	bool other;   /* it matches by something else, too */
	bool marked;  /* it matches by a mark, which nobody gives to packets of pods */
};

struct nb_chain {
	char table[NB_CHAIN_NAME_MAX]; /* "ip filter"; of iptables: "iptables filter" */
	char name[NB_CHAIN_NAME_MAX];
	bool is_base, is_forward; /* the kernel calls it; for packets on their way through the host */
	bool drops;               /* a packet that no rule takes is dropped */
	NB_VEC(struct nb_rule) rules;
};

struct nb_chains {
	NB_VEC(struct nb_chain) all;
	bool has_nat; /* some chain translates destinations of what comes in */
};

void nb_chains_free(struct nb_chains *chains); /* for nb_cleanup() */

/* A chain of the same table; NULL: it is not among them. */
const struct nb_chain *nb_chains_find(const struct nb_chains *chains, const char *table, const char *name);

/*
 * Append to *chains (zeroed at first, freed by the caller) the base chains that may drop packets, and those
 * that they jump to: of table filter of iptables, and of nftables, but for those that the former has added,
 * and for the table of kube-proxy. Where there is none, they append nothing.
 */
int nb_chains_add_nft(struct nb_chains *chains, struct nb_error *err);
int nb_chains_add_iptables(struct nb_chains *chains, struct nb_error *err);

/* The same from a text that iptables-save has printed of one table, of which it makes words. */
int nb_chains_take_iptables(struct nb_chains *chains, const char *table, char *text, struct nb_error *err);

/* Reads what a rule matches. A text that is none makes the rule "other". */
void nb_rule_add_iface(struct nb_rule *rule, const char *text);
void nb_rule_add_addr(struct nb_rule *rule, const char *text); /* ADDRESS or ADDRESS/LENGTH */

#endif
