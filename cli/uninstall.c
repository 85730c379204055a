// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl uninstall: every trace of natbridge goes from this node. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/datapath/attach_query.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/pin_path.h"
#include "lib/firewall/macspoof.h"
#include "lib/firewall/masq_iptables.h"
#include "lib/firewall/masq_remove.h"
#include "lib/firewall/masq_rules.h"
#include "lib/firewall/nft_list.h"
#include "lib/maps/layout.h"
#include "lib/net/fdb.h"
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "cli.h"
#include "inventory.h"
#include "out.h"
#include "row.h"

struct uninstall {
	const struct nb_cli *cli;
	struct nb_inventory traces;
	unsigned int n; /* things dealt with */
	int rc;         /* the first error, which is in *err */
	struct nb_error *err;
};

static void uninstall_free(struct uninstall *un)
{
	nb_inventory_free(&un->traces);
}

/* ---- what is said of each thing ---- */

/* One thing of a network; network NULL: of no one's, link NULL: at none. */
struct thing {
	const char *network, *kind, *object, *link, *hook;
};

/* Errors go to standard error, one line each. */
static void print_thing(const struct cJSON *row, FILE *to)
{
	const char *network = row_text(row, "network"), *link = row_text(row, "link");
	const char *hook = row_text(row, "hook");

	if (cJSON_HasObjectItem(row, "error"))
		return;
	fprintf(to, "%s%s%s %s %s", network, *network ? ": " : "",
		row_bool(row, "removed") ? "removed" : "would remove", row_text(row, "kind"),
		row_text(row, "object"));
	fprintf(to, "%s%s%s%s\n", *link ? " at " : "", link, *hook ? " " : "", hook);
}

/* The first error is for the caller, who prints it; later ones are printed here. */
static void keep_error(struct uninstall *un, const char *network, int rc, struct nb_error *step)
{
	if (network)
		nb_wrap(step, "network \"%s\"", network);
	if (un->rc) {
		fflush(stdout);
		fprintf(stderr, "natbridgectl: %s\n", step->msg);
		return;
	}
	un->rc = rc;
	*un->err = *step;
}

static void add_text(struct cJSON *row, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(row, key, text);
}

/* rc: what came of it, with *step. */
static void report(struct uninstall *un, const struct thing *thing, int rc, struct nb_error *step)
{
	struct cJSON *row = cJSON_CreateObject();
	struct nb_error out_err = { 0 };
	int out_rc;

	un->n++;
	if (rc)
		keep_error(un, thing->network, rc, step);
	add_text(row, "network", thing->network);
	add_text(row, "kind", thing->kind);
	add_text(row, "object", thing->object);
	add_text(row, "link", thing->link);
	add_text(row, "hook", thing->hook);
	cJSON_AddBoolToObject(row, "removed", !rc && !un->cli->dry_run);
	if (rc)
		add_text(row, "error", step->msg);
	out_rc = nb_out_row(un->cli->out, row, print_thing, &out_err);
	if (out_rc)
		keep_error(un, NULL, out_rc, &out_err);
}

/* ---- the things ---- */

static void remove_program(struct uninstall *un, const char *network, const struct nb_attached *at)
{
	const struct thing thing = {
		.network = network,
		.kind = "program",
		.object = nb_prog_name(at->prog),
		.link = nb_inventory_link_name(&un->traces, at->ifindex),
		.hook = at->ingress ? "ingress" : "egress",
	};
	struct nb_error step = { 0 };
	int rc = un->cli->dry_run ? 0 : nb_attached_remove(at, &step);

	report(un, &thing, rc, &step);
}

static void remove_programs(struct uninstall *un, const char *network)
{
	for (size_t i = 0; i < un->traces.programs.n; i++) {
		const struct nb_attached *at = &un->traces.programs.items[i].at;

		if (nb_inventory_is_of(&un->traces, at, network))
			remove_program(un, network, at);
	}
}

/* Of networks whose names are lost: programs whose own word says that they are ours. */
static void remove_nameless_programs(struct uninstall *un)
{
	for (size_t i = 0; i < un->traces.programs.n; i++) {
		const struct nb_inventory_item *trace = &un->traces.programs.items[i];

		if (!trace->known && trace->at.network)
			remove_program(un, NULL, &trace->at);
	}
}

/* The static entry of the pod in the bridge's table; from now on the bridge learns, as it does elsewhere. */
static void remove_entry(struct uninstall *un, const char *network, const struct nb_pods *pods,
			 const struct nb_link *link)
{
	struct thing thing = { .network = network, .kind = "bridge entry", .link = link->name };
	unsigned char mac[NB_MAC_LEN];
	char text[NB_MAC_STRLEN];
	struct nb_error step = { 0 };
	bool found = false;
	int rc;

	if (!link->master || nb_pods_mac(pods, &un->traces, link, mac))
		return;
	rc = nb_fdb_has(&un->traces.nl, link->index, mac, &found, &step);
	if (!rc && found && !un->cli->dry_run)
		rc = nb_fdb_delete(&un->traces.nl, link->index, mac, &step);
	thing.object = nb_mac_format(mac, text);
	if (rc || found)
		report(un, &thing, rc == -ENOENT ? 0 : rc, &step);
}

/* ---- rules ---- */

struct rules {
	struct uninstall *un;
	const struct nb_pods *pods;
	const char *network;
	const struct nb_masq_choice *choice;
};

static bool is_rule_of_pod(const char *comment, void *arg)
{
	const struct rules *rules = arg;

	return nb_pods_have_rule(rules->pods, rules->network, comment);
}

static bool report_rule(const struct cJSON *rule, void *arg)
{
	const struct rules *rules = arg;
	const struct thing thing = { .network = rules->network,
				     .kind = "rule",
				     .object = nb_nft_string(rule, "comment") };

	if (nb_masq_is_chosen(rule, rules->choice))
		report(rules->un, &thing, 0, NULL);
	return true;
}

/* All in one transaction. The table and its chains stay: the reference plugin has the same ones. */
static void remove_rules(struct uninstall *un, const char *network, const struct nb_pods *pods)
{
	nb_cleanup(nb_nft_list_free) struct cJSON *table = NULL;
	char key[NB_MASQ_HASH_DIGITS + 1];
	struct rules rules = { .un = un, .pods = pods, .network = network };
	const struct nb_masq_choice choice = { .key = key, .takes = is_rule_of_pod, .arg = &rules };
	struct nb_error step = { 0 };
	int rc;

	if (!pods->links.n && !pods->n_ports)
		return;
	nb_masq_network_key(network, key);
	rules.choice = &choice;
	rc = nb_nft_list("table " NB_MASQ_TABLE, &table, &step);
	if (rc == -ENOSYS) /* without the library there never was a rule */
		return;
	if (!rc && !un->cli->dry_run)
		rc = nb_masq_remove(&choice, NULL, &step);
	if (rc)
		keep_error(un, network, rc, &step);
	else
		nb_nft_each_rule(table, NB_MASQ_CHAIN, report_rule, &rules);
}

/* Rules in chains that are named after a pod. */
static const struct chains {
	const char *kind;
	int (*has)(const struct nb_cni_id *id, bool *has, struct nb_error *err);
	int (*remove)(const struct nb_cni_id *id, struct nb_error *err);
} chains[] = {
	{ "iptables rules of", nb_masq_iptables_has, nb_masq_iptables_delete },
	{ "macspoofchk rules of", nb_macspoof_has, nb_macspoof_delete },
};

static void remove_chains(struct uninstall *un, const char *network, const struct nb_link *link)
{
	char container_id[NB_LINK_ALIAS_MAX], ifname[IFNAMSIZ];
	const struct nb_cni_id id = { network, container_id, ifname };

	if (!nb_host_veth_alias_parse(link->alias, network, container_id, ifname))
		return;
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		const struct thing thing = {
			.network = network, .kind = chains[i].kind, .object = container_id, .link = link->name
		};
		struct nb_error step = { 0 };
		bool has = false;
		int rc = chains[i].has(&id, &has, &step);

		if (!rc && has && !un->cli->dry_run)
			rc = chains[i].remove(&id, &step);
		if (rc || has)
			report(un, &thing, rc, &step);
	}
}

/* ---- pins ---- */

static void remove_pins(struct uninstall *un, const char *network)
{
	char dir[NB_PIN_PATH_MAX];
	const struct thing thing = { .network = network, .kind = "pins", .object = dir };
	struct nb_error step = { 0 };
	int rc;

	if (nb_pin_path(&un->cli->pin_root, network, NULL, dir, NULL) || access(dir, F_OK))
		return;
	rc = un->cli->dry_run ? 0 : nb_datapath_unpin(&un->cli->pin_root, network, &step);
	report(un, &thing, rc, &step);
}

static int is_another(const char *network, void *arg)
{
	const char *asked_for = arg;

	return strcmp(network, asked_for) != 0;
}

/* Whether the directory of all networks would be empty by now. */
static bool would_be_empty(const struct uninstall *un, const char *root)
{
	const char *network = un->cli->network;

	if (access(root, F_OK))
		return false;
	return !network || !nb_datapath_each(&un->cli->pin_root, is_another, (void *)network, NULL);
}

/* The directory of all networks' pins, when the last one has gone. */
static void remove_root(struct uninstall *un)
{
	const struct nb_pin_root *root = &un->cli->pin_root;
	const struct thing thing = { .kind = "pins", .object = root->path };
	struct nb_error step = { 0 };
	bool removed = false;
	int rc = 0;

	if (un->cli->dry_run)
		removed = would_be_empty(un, root->path);
	else
		rc = nb_datapath_unpin_root(root, &removed, &step);
	if (rc || removed)
		report(un, &thing, rc, &step);
}

/* ---- the order ---- */

/* Pins last, since they tell who else there is: what is cut short is found again. */
static void uninstall_network(struct uninstall *un, const char *network)
{
	struct nb_pods pods nb_cleanup(nb_pods_free) = { 0 };
	struct nb_error step = { 0 };
	int rc = nb_pods_find(&pods, &un->traces, un->cli, network, &step);

	if (rc)
		keep_error(un, network, rc, &step);
	remove_programs(un, network);
	for (size_t i = 0; i < pods.links.n; i++)
		remove_entry(un, network, &pods, pods.links.items[i]);
	remove_rules(un, network, &pods);
	for (size_t i = 0; i < pods.links.n; i++)
		remove_chains(un, network, pods.links.items[i]);
	remove_pins(un, network);
}

static void say_nothing_there(const struct nb_cli *cli)
{
	if (nb_out_is_json(cli->out))
		return;
	if (cli->network)
		printf("nothing of network \"%s\" is left to remove\n", cli->network);
	else
		printf("nothing of natbridge is left to remove\n");
}

static int uninstall(const struct nb_cli *cli, struct nb_error *err)
{
	struct uninstall un nb_cleanup(uninstall_free) = { .cli = cli, .err = err };
	int rc = nb_inventory_find(&un.traces, cli, err);

	nb_out_keep_rows(cli->out);
	if (rc)
		return rc;
	for (size_t i = 0; i < un.traces.names.n; i++)
		uninstall_network(&un, un.traces.names.items[i]);
	if (!cli->network)
		remove_nameless_programs(&un);
	remove_root(&un);
	if (!un.n && !un.rc)
		say_nothing_there(cli);
	return un.rc;
}

static const struct nb_verb verbs[] = {
	{ "", NULL, NB_OPTION_DRY_RUN, "remove every trace of natbridge from this node", "\
DESCRIPTION\n\
  Takes away what natbridge has put on this node, of all networks or of the one named by --network:\n\
  its eBPF programs at ports and bridges, the pods' static entries in the bridges' tables, their\n\
  masquerade and macspoofchk rules, and all that is pinned, Services and connections included. With\n\
  --dry-run it says what it would take away and changes nothing.\n\
\n\
  The pods stay as they are, with their links and addresses, and go on as pods of a plain bridge:\n\
  no Services by natbridge, no ipspoofchk or macspoofchk, and no masquerading until they are made anew. Their DEL\n\
  works all the same, by natbridge or by the reference plugin bridge.\n\
\n\
  What belongs to others stays: their programs, filters, entries and rules, also those that the\n\
  reference plugin made for the same network. So do the bridges and their addresses, the table\n\
  cni_plugins_masquerade, \"bridge nat\" and clsact qdiscs, which others may use, a bpffs that was mounted, and\n\
  ip_forward and IPv6 forwarding, of which it is not known whether they were on before.\n\
\n\
  First take natbridge out of /etc/cni/net.d: the next ADD takes up again the pods of its network.\n\
  Run it in the network namespace of the node; pins at another bpffs (serviceProxy.bpffs) need\n\
  --bpffs. A network or container with a name of more than 100 characters may keep its\n\
  masquerade rules until DEL, or until --network names it.\n\
\n\
OUTPUT\n\
  One line for each thing removed, or that there is nothing. After an error it goes on with the rest;\n\
  each error is one line on stderr, and what is left is found again by the next run. With -o json\n\
  one object for each thing, \"removed\" or not; after errors they are the \"results\" beside the\n\
  first \"error\".\n",
	  uninstall },
	{ 0 },
};

const struct nb_noun nb_noun_uninstall = { "uninstall", "natbridge off this node", verbs };
