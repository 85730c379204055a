// SPDX-License-Identifier: GPL-2.0-or-later
/* natbridgectl uninstall: removes what natbridge has put on this node. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/datapath/attach_query.h"
#include "lib/datapath/datapath.h"
#include "lib/datapath/pin_path.h"
#include "lib/firewall/kube_remove.h"
#include "lib/firewall/macspoof.h"
#include "lib/firewall/masq_iptables.h"
#include "lib/firewall/masq_remove.h"
#include "lib/firewall/masq_rules.h"
#include "lib/firewall/nft_list.h"
#include "lib/maps/layout.h"
#include "lib/net/fdb.h"
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/node/nb0.h"
#include "lib/node/node.h"
#include "lib/util/addr.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"

#include "cli.h"
#include "inventory.h"
#include "out.h"

struct uninstall {
	const struct nb_cli *cli;
	struct nb_inventory inventory;
	unsigned int n; /* things reported */
	int first;      /* the first error, which is in *err */
	struct nb_error *err;
};

static void uninstall_free(struct uninstall *un)
{
	nb_inventory_free(&un->inventory);
}

/* ---- the report of each thing ---- */

/* What is removed. network NULL: it belongs to none that is known; link and hook NULL: it is at none. */
struct thing {
	const char *network, *kind, *object, *link, *hook;
};

/* A thing that could not be removed is a line on stderr instead. */
static void print_thing(const struct cJSON *row, FILE *to)
{
	const char *network = nb_row_text(row, "network"), *link = nb_row_text(row, "link");
	const char *hook = nb_row_text(row, "hook");

	if (cJSON_HasObjectItem(row, "error"))
		return;
	fprintf(to, "%s%s%s %s %s", network, *network ? ": " : "",
		nb_row_is(row, "removed") ? "removed" : "would remove", nb_row_text(row, "kind"),
		nb_row_text(row, "object"));
	fprintf(to, "%s%s%s%s\n", *link ? " at " : "", link, *hook ? " " : "", hook);
}

/* Keeps the first error, which main() prints, and prints later ones. */
static void keep_error(struct uninstall *un, const char *network, int rc, struct nb_error *step)
{
	if (network)
		nb_wrap(step, "network \"%s\"", network);
	if (un->first) {
		fflush(stdout);
		fprintf(stderr, "natbridgectl: %s\n", step->msg);
		return;
	}
	un->first = rc;
	*un->err = *step;
}

static void add_text(struct cJSON *row, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(row, key, text);
}

/* Prints one thing; rc and *step: the error of its removal, or 0. */
static void report(struct uninstall *un, const struct thing *thing, int rc, struct nb_error *step)
{
	struct cJSON *row = cJSON_CreateObject();
	struct nb_error out_err = { 0 };

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
	int out_rc = nb_out_row(un->cli->out, row, print_thing, &out_err);
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
		.link = nb_inventory_link_name(&un->inventory, at->ifindex),
		.hook = at->ingress ? "ingress" : "egress",
	};
	struct nb_error step = { 0 };
	int rc = un->cli->dry_run ? 0 : nb_attached_remove(at, &step);

	report(un, &thing, rc, &step);
}

static void remove_programs(struct uninstall *un, const char *network)
{
	for (size_t i = 0; i < un->inventory.programs.n; i++) {
		const struct nb_attached *at = &un->inventory.programs.items[i].at;

		if (nb_inventory_program_is_of(&un->inventory, at, network))
			remove_program(un, network, at);
	}
}

/* Programs of networks whose names are lost: their constants say that they are natbridge's. */
static void remove_nameless_programs(struct uninstall *un)
{
	for (size_t i = 0; i < un->inventory.programs.n; i++) {
		const struct nb_inventory_program *program = &un->inventory.programs.items[i];

		if (!program->known && program->at.network)
			remove_program(un, NULL, &program->at);
	}
}

/* The static entry of the pod in the bridge's forwarding table; afterwards the bridge learns its MAC. */
static void remove_entry(struct uninstall *un, const char *network, const struct nb_pods *pods,
			 const struct nb_link *link)
{
	struct thing thing = { .network = network, .kind = "bridge entry", .link = link->name };
	unsigned char mac[NB_MAC_LEN];
	char text[NB_MAC_STRLEN];
	struct nb_error step = { 0 };
	bool found = false;

	if (!link->master || nb_pods_mac(pods, &un->inventory, link, mac))
		return;
	thing.object = nb_mac_format(mac, text);
	int rc = nb_fdb_has(&un->inventory.nl, link->index, mac, &found, &step);
	if (!rc && !found)
		return;
	if (!rc && !un->cli->dry_run)
		rc = nb_fdb_delete(&un->inventory.nl, link->index, mac, &step);
	/* -ENOENT: the link or its entry has gone meanwhile. */
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

/* In one transaction. The table and its chains stay, since the reference plugin uses them too. */
static void remove_rules(struct uninstall *un, const char *network, const struct nb_pods *pods)
{
	nb_cleanup(nb_nft_list_free) struct cJSON *table = NULL;
	char key[NB_MASQ_HASH_DIGITS + 1];
	struct rules rules = { .un = un, .pods = pods, .network = network };
	const struct nb_masq_choice choice = { .key = key, .takes = is_rule_of_pod, .arg = &rules };
	struct nb_error step = { 0 };

	if (!pods->links.n && !pods->n_ports)
		return;
	nb_masq_network_key(network, key);
	rules.choice = &choice;
	int rc = nb_nft_list("table " NB_MASQ_TABLE, &table, &step);
	/* Without libnftables no rule was ever added. */
	if (rc == -ENOSYS)
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
		if (!rc && !has)
			continue;
		if (!rc && !un->cli->dry_run)
			rc = chains[i].remove(&id, &step);
		report(un, &thing, rc, &step);
	}
}

/* ---- the node's own ---- */

/* nb0 with its routes, and what a takeover from kube-proxy has left. Programs at devices are in the
 * inventory. */
static void remove_node(struct uninstall *un)
{
	const struct thing thing = { .network = NB_NODE_NETWORK, .kind = "device", .object = NB_NB0_NAME };
	struct nb_error step = { 0 };
	struct nb_nb0 nb0;
	int rc = nb_nb0_find(&un->inventory.nl, &nb0, &step);

	if (rc == -ENODEV)
		return;
	step = (struct nb_error){ 0 };
	if (!un->cli->dry_run) {
		rc = nb_node_take_down(&un->cli->pin_root, &step);
		rc = rc ? rc : nb_kube_remove_keeper(&step);
	}
	report(un, &thing, rc, &step);
}

/* ---- pins ---- */

static void remove_pins(struct uninstall *un, const char *network)
{
	char dir[NB_PIN_PATH_MAX];
	const struct thing thing = { .network = network, .kind = "pins", .object = dir };
	struct nb_error step = { 0 };

	if (nb_pin_path(&un->cli->pin_root, network, NULL, dir, NULL) || access(dir, F_OK))
		return;
	int rc = un->cli->dry_run ? 0 : nb_datapath_unpin(&un->cli->pin_root, network, &step);
	report(un, &thing, rc, &step);
}

static int is_another(const char *network, void *arg)
{
	const char *asked_for = arg;

	return strcmp(network, asked_for) != 0;
}

/* Whether the directory of all networks would be empty without the networks of the command line. */
static bool would_be_empty(const struct uninstall *un, const char *root)
{
	const char *network = un->cli->network;

	if (access(root, F_OK))
		return false;
	if (!network)
		return true;
	return !nb_datapath_each(&un->cli->pin_root, is_another, (void *)network, NULL);
}

/* The directory of all networks' pins, once the last network has gone. */
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

/* Pins last: by them the next run finds again what an interrupted one has left. */
static void uninstall_network(struct uninstall *un, const char *network)
{
	nb_cleanup(nb_pods_free) struct nb_pods pods = { 0 };
	struct nb_error step = { 0 };
	int rc = nb_pods_find(&pods, &un->inventory, un->cli, network, &step);

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

static void print_nothing_to_remove(const struct nb_cli *cli)
{
	if (nb_out_is_json(cli->out))
		return;
	if (cli->network)
		printf("nothing to remove of network \"%s\"\n", cli->network);
	else
		printf("nothing to remove\n");
}

int nb_cmd_uninstall(const struct nb_cli *cli, struct nb_error *err)
{
	nb_cleanup(uninstall_free) struct uninstall un = { .cli = cli, .err = err };

	nb_out_keep_rows(cli->out);
	int rc = nb_inventory_take(&un.inventory, cli, err);
	if (rc)
		return rc;
	if (!cli->network || !strcmp(cli->network, NB_NODE_NETWORK))
		remove_node(&un);
	for (size_t i = 0; i < un.inventory.names.n; i++)
		uninstall_network(&un, un.inventory.names.items[i]);
	if (!cli->network)
		remove_nameless_programs(&un);
	remove_root(&un);
	if (!un.n && !un.first)
		print_nothing_to_remove(cli);
	return un.first;
}
