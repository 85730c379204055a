// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds what natbridge has left on this node, by what the kernel says. */
#include "inventory.h"

#include <errno.h>
#include <string.h>

#include "lib/datapath/attach_query.h"
#include "lib/datapath/datapath.h"
#include "lib/firewall/masq_rules.h"
#include "lib/maps/endpoint.h"
#include "lib/maps/layout.h"
#include "lib/net/host_veth.h"
#include "lib/net/link.h"
#include "lib/net/netlink.h"
#include "lib/util/cleanup.h"
#include "lib/util/cni_id.h"
#include "lib/util/error.h"
#include "lib/util/vec.h"

#include "cli.h"
#include "network_names.h"

/* ---- the node ---- */

void nb_inventory_free(struct nb_inventory *inventory)
{
	nb_netlink_close(&inventory->nl);
	nb_network_names_free(&inventory->names);
	free(inventory->links);
	nb_vec_free(&inventory->programs);
}

static bool has_name_of_link(const struct nb_network_names *names, const struct nb_link *link)
{
	for (size_t i = 0; i < names->n; i++)
		if (nb_host_veth_is_of_network(link, names->items[i]))
			return true;
	return false;
}

/* Networks that have ports and no pins: in mode off, or with their pins lost. */
static int add_names_of_links(struct nb_inventory *inventory, struct nb_error *err)
{
	char network[NB_LINK_ALIAS_MAX];

	for (unsigned int i = 0; i < inventory->n_links; i++) {
		const struct nb_link *link = &inventory->links[i];

		if (strcmp(link->kind, "veth") || !nb_host_veth_alias_network(link->alias, network) ||
		    has_name_of_link(&inventory->names, link))
			continue;
		int rc = nb_network_names_add(&inventory->names, network, err);
		if (rc)
			return rc;
	}
	nb_network_names_sort(&inventory->names);
	return 0;
}

static int find_programs_at(struct nb_inventory *inventory, unsigned int ifindex, const __u32 *networks,
			    size_t n, struct nb_error *err)
{
	nb_autofree struct nb_attached *list = NULL;
	size_t n_list = 0;

	int rc = nb_attached_list(ifindex, networks, n, &list, &n_list, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < n_list; i++) {
		const struct nb_inventory_program program = { .at = list[i] };

		rc = nb_vec_push(&inventory->programs, program, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int find_programs(struct nb_inventory *inventory, struct nb_error *err)
{
	nb_autofree __u32 *networks = NULL;
	size_t n = 0;

	int rc = nb_attached_networks(&networks, &n, err);
	if (rc)
		return rc;
	for (unsigned int i = 0; i < inventory->n_links; i++) {
		rc = find_programs_at(inventory, inventory->links[i].index, networks, n, err);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < inventory->programs.n; i++) {
		struct nb_inventory_program *program = &inventory->programs.items[i];

		for (size_t k = 0; k < inventory->names.n; k++) {
			if (nb_inventory_program_is_of(inventory, &program->at, inventory->names.items[k]))
				program->known = true;
		}
	}
	return 0;
}

int nb_inventory_take(struct nb_inventory *inventory, const struct nb_cli *cli, struct nb_error *err)
{
	int rc = nb_network_names_read(&inventory->names, cli, err);
	if (rc)
		return rc;
	rc = nb_netlink_open(&inventory->nl, err);
	if (rc)
		return rc;
	rc = nb_link_list(&inventory->nl, NULL, 0, &inventory->links, &inventory->n_links, err);
	if (rc)
		return rc;
	if (!cli->network) {
		rc = add_names_of_links(inventory, err);
		if (rc)
			return rc;
	}
	return find_programs(inventory, err);
}

static const struct nb_link *find_link(const struct nb_inventory *inventory, unsigned int ifindex)
{
	for (unsigned int i = 0; i < inventory->n_links; i++)
		if (inventory->links[i].index == ifindex)
			return &inventory->links[i];
	return NULL;
}

const char *nb_inventory_link_name(const struct nb_inventory *inventory, unsigned int ifindex)
{
	const struct nb_link *link = find_link(inventory, ifindex);

	return link ? link->name : "";
}

bool nb_inventory_program_is_of(const struct nb_inventory *inventory, const struct nb_attached *at,
				const char *network)
{
	const struct nb_link *link = find_link(inventory, at->ifindex);

	if (at->network == nb_network_hash(network))
		return true;
	return link && nb_host_veth_is_of_network(link, network) && (!at->network || *network == '#');
}

/* ---- one network ---- */

void nb_pods_free(struct nb_pods *pods)
{
	nb_vec_free(&pods->links);
	free(pods->ports);
}

int nb_pods_find(struct nb_pods *pods, const struct nb_inventory *inventory, const struct nb_cli *cli,
		 const char *network, struct nb_error *err)
{
	nb_cleanup(nb_datapath_close) struct nb_datapath dp = NB_DATAPATH_INIT;

	for (unsigned int i = 0; i < inventory->n_links; i++) {
		const struct nb_link *link = &inventory->links[i];

		if (!nb_host_veth_is_of_network(link, network))
			continue;
		int rc = nb_vec_push(&pods->links, link, err);
		if (rc)
			return rc;
	}
	int rc = nb_datapath_open(&cli->pin_root, network, false, &dp, err);
	/* Without maps, or with those of another version, the links are all that is known. */
	if (rc == -ENOENT || rc == -ESTALE)
		return 0;
	if (rc)
		return rc;
	return nb_endpoint_ports(&dp, &pods->ports, &pods->n_ports, err);
}

int nb_pods_mac(const struct nb_pods *pods, struct nb_inventory *inventory, const struct nb_link *link,
		unsigned char mac[NB_MAC_LEN])
{
	struct nb_link pod;

	for (size_t i = 0; i < pods->n_ports; i++) {
		if (pods->ports[i].ifindex == link->index) {
			memcpy(mac, pods->ports[i].mac, NB_MAC_LEN);
			return 0;
		}
	}
	if (!link->peer_elsewhere ||
	    nb_link_get_elsewhere(&inventory->nl, link->peer_nsid, link->peer, &pod, NULL) || !pod.has_mac)
		return -ENOENT;
	memcpy(mac, pod.mac, NB_MAC_LEN);
	return 0;
}

static bool has_owner(const struct nb_pods *pods, __u64 owner)
{
	for (size_t i = 0; i < pods->n_ports; i++)
		if (pods->ports[i].owner == owner)
			return true;
	return false;
}

bool nb_pods_have_rule(const struct nb_pods *pods, const char *network, const char *comment)
{
	char container_id[NB_LINK_ALIAS_MAX], ifname[IFNAMSIZ], key[NB_MASQ_KEY_SIZE];
	char rule_id[NB_MASQ_COMMENT_SIZE], rule_ifname[NB_MASQ_COMMENT_SIZE];
	const struct nb_cni_id id = { network, container_id, ifname };

	for (size_t i = 0; i < pods->links.n; i++) {
		if (!nb_host_veth_alias_parse(pods->links.items[i]->alias, network, container_id, ifname))
			continue;
		nb_masq_rule_key(&id, key);
		if (nb_masq_begins_with(comment, key))
			return true;
	}
	return nb_masq_comment_parse(comment, rule_id, rule_ifname) &&
	       has_owner(pods, nb_endpoint_owner(rule_id, rule_ifname));
}
