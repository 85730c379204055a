// SPDX-License-Identifier: GPL-2.0-or-later
/* What natbridgectl doctor reads of iptables-save's text: chains, verdicts, and what rules match. */
#include "cli/doctor/rules.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void take(const char *text, struct nb_chains *chains)
{
	nb_autofree char *copy = strdup(text);
	struct nb_error err = { 0 };

	assert_non_null(copy);
	assert_int_equal(nb_chains_take_iptables(chains, "iptables filter", copy, &err), 0);
}

/* A rule in words: its verdict, interfaces, addresses and what else it has. */
static const char *describe(const struct nb_rule *rule)
{
	static const char *const verdicts[] = { "none", "accept", "drop", "jump" };
	static char text[512];
	char addr[NB_ADDR_STRLEN];
	size_t len = snprintf(text, sizeof(text), "%s", verdicts[rule->verdict]);

	for (size_t i = 0; i < NB_RULE_IFACES; i++)
		if (*rule->ifaces[i])
			len += snprintf(text + len, sizeof(text) - len, " %s", rule->ifaces[i]);
	for (size_t i = 0; i < NB_RULE_ADDRS; i++)
		if (rule->addrs[i].is_set)
			len += snprintf(text + len, sizeof(text) - len, " %s/%u",
					nb_addr_format(&rule->addrs[i].addr, addr), rule->addrs[i].len);
	snprintf(text + len, sizeof(text) - len, "%s%s%s", rule->not_new ? " not-new" : "",
		 rule->other ? " other" : "", rule->marked ? " marked" : "");
	return text;
}

static void test_rules(void **state)
{
	static const struct {
		const char *line, *rule;
	} rows[] = {
		{ "-A FORWARD -j DROP", "drop" },
		{ "-A FORWARD -i cni0 -o eth+ -j REJECT --reject-with icmp-port-unreachable",
		  "drop cni0 eth+" },
		{ "-A FORWARD -s 10.244.0.0/16 -d 10.1.2.3/32 -j ACCEPT",
		  "accept 10.244.0.0/16 10.1.2.3/32" },
		{ "-A FORWARD -s fd00:10::/64 -j DROP", "drop fd00:10::/64" },
		{ "-A FORWARD ! -i cni0 -j DROP", "drop other" },
		{ "-A FORWARD -p tcp -m tcp --dport 25 -j DROP", "drop other" },
		{ "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "accept not-new" },
		{ "-A FORWARD -m conntrack --ctstate NEW,INVALID -j DROP", "drop" },
		{ "-A FORWARD -m conntrack ! --ctstate NEW -j DROP", "drop not-new" },
		{ "-A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT", "accept marked" },
		{ "-A FORWARD -m comment --comment \"-j DROP \\\" -i x\" -j ACCEPT", "accept" },
		{ "-A FORWARD -m set --match-set pods src -j ACCEPT", "accept other" },
		{ "-A FORWARD -m socket --transparent -j DROP", "drop other" },
		{ "-A FORWARD -p tcp --tcp-flags FIN,SYN SYN -j DROP", "drop other" },
		{ "-A FORWARD -j DOCKER-USER", "jump" },
		{ "-A FORWARD", "none" },
		/* What is no rule of iptables does no harm. */
		{ "-A FORWARD -s 999.1.1.1 -i", "none other" },
		{ "-A FORWARD -j \"DROP", "jump" },
		{ "-A FORWARD -m comment --comment \"never closed -j DROP", "none" },
		{ "-A FORWARD -i a -i b -i c -j DROP", "drop a b other" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		nb_cleanup(nb_chains_free) struct nb_chains chains = { 0 };
		char text[512];

		snprintf(text, sizeof(text), "*filter\n:FORWARD ACCEPT [0:0]\n%s\nCOMMIT\n", rows[i].line);
		take(text, &chains);
		assert_int_equal(chains.all.n, 1);
		assert_int_equal(chains.all.items[0].rules.n, 1);
		assert_string_equal(describe(&chains.all.items[0].rules.items[0]), rows[i].rule);
	}
}

static void test_chains(void **state)
{
	nb_cleanup(nb_chains_free) struct nb_chains chains = { 0 };
	const struct nb_chain *chain;

	(void)state;
	take("# comment\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [1:2]\n:MINE - [0:0]\n:\n:x\n"
	     "-A NOWHERE -j DROP\n-A MINE -j ACCEPT\n-A \nCOMMIT",
	     &chains);
	assert_int_equal(chains.all.n, 3);
	chain = nb_chains_find(&chains, "iptables filter", "FORWARD");
	assert_true(chain && chain->is_base && chain->is_forward && chain->drops && !chain->rules.n);
	/* What the host itself gets is no concern of pods. */
	chain = nb_chains_find(&chains, "iptables filter", "INPUT");
	assert_true(chain && !chain->is_base && !chain->drops);
	chain = nb_chains_find(&chains, "iptables filter", "MINE");
	assert_true(chain && !chain->is_base && chain->rules.n == 1);
	assert_null(nb_chains_find(&chains, "ip6tables filter", "MINE"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
