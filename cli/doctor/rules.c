// SPDX-License-Identifier: GPL-2.0-or-later
/* What the host's rules do to packets of pods. */
#include "rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/firewall/kube_find.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"

#include "checks.h"

enum { DEPTH_MAX = 8 };

/* ---- what they mean for a network ---- */

/* What rules on the way to a packet's end match. */
struct scope {
	bool ours;    /* an interface or an address of the network */
	bool foreign; /* an interface or an address that is none of the network's */
	bool other, not_new;
};

static bool is_iface(const char *pattern, const struct nb_link *link)
{
	const size_t len = strlen(pattern);

	if (!link || !len)
		return false;
	if (pattern[len - 1] == '*' || pattern[len - 1] == '+')
		return !strncmp(pattern, link->name, len - 1);
	return !strcmp(pattern, link->name);
}

static bool is_our_iface(const struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 const char *pattern)
{
	bool is = is_iface(pattern, network->host) || is_iface(pattern, network->bridge);

	/* Rules of family bridge, or with physdev, name ports. */
	for (unsigned int i = 0; i < network->n_ports && !is; i++)
		is = is_iface(pattern, nb_doctor_link(doctor, network->ports[i].ifindex));
	return is;
}

static bool has_endpoint_in(const struct nb_doctor_network *network, const struct nb_addr *prefix,
			    unsigned int len)
{
	for (size_t i = 0; i < network->endpoints.n; i++) {
		const struct nb_addr *addr = &network->endpoints.items[i].addr;
		struct nb_addr its;

		if (nb_addr_family(addr) != nb_addr_family(prefix))
			continue;
		its = nb_addr_network(addr, len);
		if (nb_addr_equal(&its, prefix))
			return true;
	}
	return false;
}

static struct scope narrow(const struct nb_doctor *doctor, const struct nb_doctor_network *network,
			   struct scope scope, const struct nb_rule *rule)
{
	for (size_t i = 0; i < NB_RULE_IFACES; i++) {
		const bool ours = is_our_iface(doctor, network, rule->ifaces[i]);

		scope.ours |= ours;
		scope.foreign |= *rule->ifaces[i] && !ours;
	}
	for (size_t i = 0; i < NB_RULE_ADDRS; i++) {
		const bool ours = rule->addrs[i].is_set && rule->addrs[i].len &&
				  has_endpoint_in(network, &rule->addrs[i].addr, rule->addrs[i].len);

		scope.ours |= ours;
		scope.foreign |= rule->addrs[i].is_set && rule->addrs[i].len && !ours;
	}
	scope.other |= rule->other | rule->marked;
	scope.not_new |= rule->not_new;
	return scope;
}

/* The walk over a chain, and what it looks for. */
struct walk {
	struct nb_doctor *doctor;
	const struct nb_doctor_network *network;
	bool tells;      /* rules that drop packets of the network */
	bool may_accept; /* some rule may let new connections of pods pass */
	bool drops_all;  /* a rule without a match drops what comes to it */
};

static bool walk_chain(struct walk *walk, const struct nb_chain *chain, struct scope scope,
		       unsigned int depth);

static void found_drop(struct walk *walk, const struct nb_chain *chain, size_t i)
{
	struct nb_doctor *doctor = walk->doctor;

	nb_found(doctor, walk->network->name,
		 nb_doctor_text(doctor, "rule %zu of chain %s in table %s drops packets of its pods", i + 1,
				chain->name, chain->table),
		 strstr(chain->table, "tables")
			 ? nb_doctor_text(doctor, "look at it: %.*s -S %s; delete it, if it is not meant",
					  (int)strcspn(chain->table, " "), chain->table, chain->name)
			 : nb_doctor_text(doctor,
					  "look at it: nft -a list chain %s %s; delete it, if it is not "
					  "meant",
					  chain->table, chain->name));
}

/* False: no packet comes to the next rule. */
static bool walk_rule(struct walk *walk, const struct nb_chain *chain, size_t i, struct scope outer,
		      unsigned int depth)
{
	const struct nb_rule *rule = &chain->rules.items[i];
	const struct scope scope = narrow(walk->doctor, walk->network, outer, rule);
	const bool concerns = (scope.ours || !scope.foreign) && !scope.not_new;
	const bool is_all = !scope.ours && !scope.foreign && !scope.other && !scope.not_new;
	const struct nb_chain *target;

	switch (rule->verdict) {
	case NB_VERDICT_ACCEPT:
		walk->may_accept |= concerns && !rule->marked;
		return !is_all;
	case NB_VERDICT_DROP:
		if (walk->tells && scope.ours && !scope.foreign && !scope.other && !scope.not_new)
			found_drop(walk, chain, i);
		walk->drops_all |= is_all && chain->is_forward;
		return !is_all;
	case NB_VERDICT_JUMP:
		target = nb_chains_find(&walk->doctor->chains, chain->table, rule->target);
		return !target || !concerns || depth >= DEPTH_MAX ||
		       walk_chain(walk, target, scope, depth + 1) || !is_all;
	case NB_VERDICT_NONE:
		return true;
	}
	return true;
}

static bool walk_chain(struct walk *walk, const struct nb_chain *chain, struct scope scope,
		       unsigned int depth)
{
	for (size_t i = 0; i < chain->rules.n; i++)
		if (!walk_rule(walk, chain, i, scope, depth))
			return false;
	return true;
}

/* ---- checks ---- */

/* Read once for all networks. */
static int read_chains(struct nb_doctor *doctor, struct nb_error *err)
{
	struct nb_error *why = &doctor->chains_error;

	/* First iptables, whose listing of its own rules says more than nft's. */
	if (!doctor->chains_read && !nb_chains_add_iptables(&doctor->chains, why))
		nb_chains_add_nft(&doctor->chains, why);
	doctor->chains_read = true;
	if (!doctor->chains_error.code)
		return 0;
	*err = doctor->chains_error;
	return -EIO;
}

int nb_check_rule_drop(struct nb_doctor *doctor, const struct nb_doctor_network *network,
		       struct nb_error *err)
{
	struct walk walk = { .doctor = doctor, .network = network, .tells = true };
	int rc = read_chains(doctor, err);

	for (size_t i = 0; i < doctor->chains.all.n && !rc; i++)
		if (doctor->chains.all.items[i].is_base)
			walk_chain(&walk, &doctor->chains.all.items[i], (struct scope){ 0 }, 0);
	return rc;
}

int nb_check_rule_policy(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	int rc = read_chains(doctor, err);

	if (rc || !network->host)
		return rc;
	for (size_t i = 0; i < doctor->chains.all.n; i++) {
		const struct nb_chain *chain = &doctor->chains.all.items[i];
		struct walk walk = { .doctor = doctor, .network = network };

		if (!chain->is_base || !chain->is_forward)
			continue;
		walk_chain(&walk, chain, (struct scope){ 0 }, 0);
		if ((chain->drops || walk.drops_all) && !walk.may_accept)
			nb_found(doctor, network->name,
				 nb_doctor_text(doctor,
						"chain %s of table %s drops what no rule accepts, and no "
						"rule accepts packets of pods",
						chain->name, chain->table),
				 nb_doctor_text(doctor, "accept what comes in by \"%s\" and goes out by it",
						network->host->name));
	}
	return 0;
}

int nb_check_rule_nobody(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			 struct nb_error *err)
{
	struct nb_kube_found found;

	if (network->mode != NB_MODE_ASSIST)
		return 0;
	int rc = read_chains(doctor, err);
	rc = rc ? rc : nb_kube_find(&found, err);
	if (!rc && !doctor->chains.has_nat && !*found.text)
		nb_found(doctor, network->name,
			 "it is in mode assist, and the host has no rule that translates destinations",
			 "start kube-proxy, or use mode ebpf");
	return rc;
}

int nb_check_kube_proxy(struct nb_doctor *doctor, const struct nb_doctor_network *network,
			struct nb_error *err)
{
	struct nb_kube_found found;
	int rc = nb_kube_find(&found, err);

	(void)network;
	if (!rc && *found.text)
		nb_found(doctor, "node",
			 nb_doctor_text(doctor,
					"natbridge serves the node, and a kube-proxy has rules here: %s",
					found.text),
			 "end kube-proxy, then restart natbridge-agent with \"takeover\": true");
	return rc;
}
