// SPDX-License-Identifier: GPL-2.0-or-later
/* Chains of the host's rules, and what a rule matches. */
#include <stdio.h>
#include <string.h>

#include "lib/util/addr.h"

#include "rules.h"

void nb_rule_add_iface(struct nb_rule *rule, const char *text)
{
	for (size_t i = 0; i < NB_RULE_IFACES; i++) {
		if (*rule->ifaces[i])
			continue;
		snprintf(rule->ifaces[i], IFNAMSIZ, "%s", text);
		return;
	}
	rule->other = true;
}

void nb_rule_add_addr(struct nb_rule *rule, const char *text)
{
	struct nb_addr addr;
	unsigned int len = 128;

	if (nb_addr_parse(text, &addr))
		len = nb_addr_is_v4(&addr) ? 32 : 128;
	else if (!nb_cidr_parse(text, &addr, &len))
		rule->other = true;
	for (size_t i = 0; i < NB_RULE_ADDRS && !rule->other; i++) {
		if (rule->addrs[i].is_set)
			continue;
		rule->addrs[i].is_set = true;
		rule->addrs[i].addr = nb_addr_network(&addr, len);
		rule->addrs[i].len = len;
		return;
	}
	rule->other = true;
}

void nb_chains_free(struct nb_chains *chains)
{
	for (size_t i = 0; i < chains->all.n; i++)
		nb_vec_free(&chains->all.items[i].rules);
	nb_vec_free(&chains->all);
}

const struct nb_chain *nb_chains_find(const struct nb_chains *chains, const char *table, const char *name)
{
	for (size_t i = 0; i < chains->all.n; i++)
		if (!strcmp(chains->all.items[i].table, table) && !strcmp(chains->all.items[i].name, name))
			return &chains->all.items[i];
	return NULL;
}
